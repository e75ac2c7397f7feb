/** The schema itself, and what hangs on its tables without a place of its own. */

import { access, type Access, owner, type Right } from './common.ts';
import { known } from './dependencies.ts';

export interface SchemaRow {
  readonly oid: string;
  /** `180004`. */
  readonly server: number;
  readonly owner: string | null;
  readonly access: Access | null;
}

export interface StatisticsRow {
  readonly oid: string;
  readonly name: string;
  readonly relation: string;
  readonly table: string;
  /** `null` for those of a single expression. */
  readonly kinds: readonly string[] | null;
  readonly columns: string;
  readonly target: number | null;
  readonly owner: string | null;
}

export interface TriggerRow {
  readonly oid: string;
  readonly relation: string;
  readonly name: string;
  readonly definition: string;
  readonly enabled: 'O' | 'D' | 'R' | 'A';
  /** Of a partition, from the trigger of its parent: that one's state. */
  readonly parent_enabled: 'O' | 'D' | 'R' | 'A' | null;
}

export interface RuleRow {
  readonly oid: string;
  readonly relation: string;
  readonly name: string;
  /** `_RETURN` rules are their views. */
  readonly is_view: boolean;
  readonly definition: string | null;
  readonly enabled: 'O' | 'D' | 'R' | 'A';
}

export interface PolicyRow {
  readonly oid: string;
  readonly relation: string;
  readonly name: string;
  readonly permissive: boolean;
  readonly command: 'r' | 'a' | 'w' | 'd' | '*';
  /** `null` is PUBLIC. */
  readonly roles: readonly (string | null)[];
  readonly using: string | null;
  readonly check: string | null;
}

export interface DefaultPrivilegeRow {
  readonly oid: string;
  readonly role: string;
  readonly kind: 'r' | 'S' | 'f' | 'T';
  readonly rights: readonly Right[];
}

export interface CommentRow {
  readonly key: string;
  /** A column's number; 0 for the object. */
  readonly part: number;
  readonly text: string;
}

export function schemaRows(schema: string): string {
  return `SELECT n.oid, pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS server, ${owner('n.nspowner')} AS owner, CASE WHEN n.nspname <> 'public' THEN ${access('n.nspacl', 'n', 'n.nspowner', schema)} END AS access FROM pg_catalog.pg_namespace n WHERE n.oid = ${schema}::pg_catalog.oid`;
}

export function statisticsRows(schema: string): string {
  return `
SELECT s.oid, s.stxname AS name, s.stxrelid AS relation, s.stxrelid::pg_catalog.regclass::pg_catalog.text AS "table",
  (SELECT pg_catalog.json_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' ELSE 'mcv' END ORDER BY k) FROM pg_catalog.unnest(s.stxkind) k WHERE k <> 'e') AS kinds,
  pg_catalog.pg_get_statisticsobjdef_columns(s.oid) AS columns, CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget END AS target, ${owner('s.stxowner')} AS owner
FROM pg_catalog.pg_statistic_ext s WHERE s.stxnamespace = ${schema}::pg_catalog.oid`;
}

export function triggerRows(schema: string): string {
  return `
SELECT g.oid, g.tgrelid AS relation, g.tgname AS name, pg_catalog.pg_get_triggerdef(g.oid, true) AS definition, g.tgenabled AS enabled,
  (SELECT p.tgenabled FROM pg_catalog.pg_trigger p WHERE p.oid = g.tgparentid) AS parent_enabled
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_trigger g ON g.tgrelid = c.oid AND (NOT g.tgisinternal OR g.tgparentid <> 0::pg_catalog.oid AND g.tgconstraint = 0::pg_catalog.oid)
WHERE c.relnamespace = ${schema}::pg_catalog.oid`;
}

export function ruleRows(schema: string): string {
  return `
SELECT w.oid, w.ev_class AS relation, w.rulename AS name, w.rulename = '_RETURN' AS is_view, CASE WHEN w.rulename <> '_RETURN' THEN pg_catalog.pg_get_ruledef(w.oid, true) END AS definition,
  w.ev_enabled AS enabled
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_rewrite w ON w.ev_class = c.oid WHERE c.relnamespace = ${schema}::pg_catalog.oid`;
}

export function policyRows(schema: string): string {
  return `
SELECT p.oid, p.polrelid AS relation, p.polname AS name, p.polpermissive AS permissive, p.polcmd AS command,
  (SELECT pg_catalog.json_agg(CASE WHEN o <> 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(o) END) FROM pg_catalog.unnest(p.polroles) o) AS roles,
  pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS "using", pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS "check"
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid WHERE c.relnamespace = ${schema}::pg_catalog.oid`;
}

export function defaultPrivilegeRows(schema: string): string {
  return `
SELECT d.oid, pg_catalog.pg_get_userbyid(d.defaclrole) AS role, d.defaclobjtype AS kind,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(CASE WHEN e.grantee <> 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(e.grantee) END, false, e.privilege_type, e.is_grantable))
    FROM pg_catalog.aclexplode(d.defaclacl) e) AS rights
FROM pg_catalog.pg_default_acl d WHERE d.defaclnamespace = ${schema}::pg_catalog.oid`;
}

export function commentRows(schema: string): string {
  return `
WITH known AS (${known(schema)} UNION ALL SELECT 'pg_namespace', 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, ${schema}::pg_catalog.oid)
SELECT k.name || ':' || k.oid AS key, d.objsubid AS part, d.description AS text
FROM known k JOIN pg_catalog.pg_description d ON d.classoid = k.catalog AND d.objoid = k.oid`;
}
