/** What the catalogue says about tables with the rows of many tenants, and about who may read them. One query; reads only. */

import { MigrationError } from '../errors.ts';
import type { Session } from '../session.ts';
import { literal, textArray } from '../sql.ts';

export interface TenantFacts {
  readonly serverVersion: number;
  readonly migrator: RoleFacts;
  /** `null` where there is no such role, or none was named. */
  readonly application: (RoleFacts & { readonly memberOf: readonly RoleFacts[] }) | null;
  readonly tables: readonly TableFacts[];
  readonly views: readonly ViewFacts[];
  readonly functions: readonly FunctionFacts[];
}

export interface RoleFacts {
  readonly name: string;
  readonly superuser: boolean;
  readonly bypasses: boolean;
}

export interface TableFacts {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'foreign';
  readonly partition: boolean;
  readonly owner: string;
  /** Whoever owns it, or a function that its triggers or policies call, and is not to be trusted: their code would run in this role's session. */
  readonly strangers: readonly string[];
  readonly enabled: boolean;
  readonly forced: boolean;
  /** `null` where the table has no such column. */
  readonly column: { readonly notNull: boolean; readonly type: string; readonly generated: boolean; readonly led: boolean } | null;
  readonly policies: readonly PolicyFacts[];
  readonly triggers: readonly TriggerFacts[];
  /** Roles that were granted TRUNCATE, of those that the application has the rights of. */
  readonly truncaters: readonly string[];
}

export interface PolicyFacts {
  readonly name: string;
  readonly mode: 'permissive' | 'restrictive';
  /** Of `r`, `a`, `w`, `d`; `*` is all of them. */
  readonly command: '*' | 'r' | 'a' | 'w' | 'd';
  /** Whether it is for the application's role. */
  readonly applies: boolean;
  readonly using: string | null;
  readonly check: string | null;
  readonly usesColumn: boolean;
  /** Object ids. */
  readonly functions: readonly string[];
}

export interface TriggerFacts {
  readonly functionSchema: string;
  readonly functionName: string;
  readonly events: readonly ('INSERT' | 'UPDATE' | 'DELETE')[];
}

export interface ViewFacts {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'view' | 'materialized';
  readonly invoker: boolean;
  readonly owner: RoleFacts;
  /** Whether it reads these tables, by itself or through other views. */
  readonly reading: boolean;
  /** Object ids of the tables and views that it reads. */
  readonly relations: readonly string[];
  /** Object ids. */
  readonly functions: readonly string[];
}

export interface FunctionFacts {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** `tenant_of(integer)`. */
  readonly signature: string;
  readonly body: string;
  readonly language: string;
  readonly definer: boolean;
  /** A trigger's cannot be called by name. */
  readonly returns: 'trigger' | 'value';
  /** Whether the application may call it; `true` where there is no such role. */
  readonly executable: boolean;
  /** Object ids of the tables and views that it is known to use; those in a body kept as text are not. */
  readonly relations: readonly string[];
  /** Object ids of the functions that it is known to use; those in a body kept as text are not. */
  readonly functions: readonly string[];
}

export interface FactsRequest {
  readonly schema: string;
  readonly column: string;
  readonly applicationRole: string | null;
  /** Tables of the history. */
  readonly exclude: readonly string[];
  /** Schemas that have a table of this name are other tenants'; `null`: none are. */
  readonly history: string | null;
}

/** Milliseconds. Telling what a policy says waits for whoever has its table locked. */
const LOCK_LIMIT = 10_000;

/** @throws MigrationError `lockTimeout` where somebody has one of the tables locked for too long. */
export async function readTenantFacts(session: Session, request: FactsRequest): Promise<TenantFacts> {
  try {
    // One message is one transaction: the setting ends with it.
    const [row] = await session.read(`SET LOCAL lock_timeout = ${LOCK_LIMIT}; ${factsQuery(request)}`);
    return JSON.parse(row?.['facts'] ?? '{}') as TenantFacts;
  } catch (error) {
    if ((error as { code?: unknown }).code !== '55P03') throw error;
    const message = 'the policies could not be read: somebody has a table of theirs locked';
    throw new MigrationError({
      code: 'lockTimeout',
      message,
      hint: 'migrate status tells what runs there; verify again afterwards',
      sqlState: '55P03',
      cause: error,
    });
  }
}

const array = (select: string): string => `(SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (${select}) x)`;

/** Object ids of what a view's query, or a function's body that is parsed, depends on. */
function usedBy(user: 'view' | 'function', what: 'pg_class' | 'pg_proc'): string {
  // Defaults of arguments, which a body kept as text also depends on, are the caller's.
  const parsed = user === 'function' && what === 'pg_proc' ? ` AND (f.prosqlbody IS NOT NULL OR f.prokind = 'a')` : '';
  const dependent =
    user === 'view'
      ? `d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid IN (SELECT w.oid FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename = '_RETURN')`
      : `d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid`;
  return `ARRAY(SELECT DISTINCT d.refobjid::text FROM pg_catalog.pg_depend d WHERE ${dependent} AND d.refclassid = 'pg_catalog.${what}'::pg_catalog.regclass${parsed})`;
}

function factsQuery({ schema, column, applicationRole, exclude, history }: FactsRequest): string {
  const app = literal(applicationRole);
  const role = (alias: string): string =>
    `pg_catalog.json_build_object('name', ${alias}.rolname, 'superuser', ${alias}.rolsuper, 'bypasses', ${alias}.rolbypassrls)`;
  return `/*migrate read*/WITH RECURSIVE
app AS MATERIALIZED (SELECT r.* FROM pg_catalog.pg_roles r WHERE r.rolname = ${app}),
-- Whatever it may become, with or without inheriting.
membership AS (
  SELECT m.roleid FROM app JOIN pg_catalog.pg_auth_members m ON m.member = app.oid
  UNION SELECT m.roleid FROM membership b JOIN pg_catalog.pg_auth_members m ON m.member = b.roleid),
own AS (SELECT oid FROM app UNION SELECT roleid FROM membership),
-- Histories, also those of other services that share the schema, with what is beside them.
history AS MATERIALIZED (
  SELECT c.relname || s.suffix AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
    pg_catalog.unnest(ARRAY['', '_log', '_scripts', '_tenants']) s (suffix)
  WHERE n.nspname = ${literal(schema)} AND c.relkind = 'r'
    AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('name', 'checksum', 'seq', 'state', 'run_id', 'reversible')) = 6),
tab AS (
  SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ${literal(schema)} AND c.relkind IN ('r', 'p', 'f') AND c.relname <> ALL (${textArray(exclude)}) AND c.relname NOT IN (SELECT name FROM history)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
  UNION SELECT i.inhrelid FROM tab t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid),
seen AS (
  SELECT w.ev_class AS oid FROM tab t
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = t.oid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.rulename = '_RETURN'
  UNION SELECT w.ev_class FROM seen t
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = t.oid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.rulename = '_RETURN' AND w.ev_class <> t.oid),
-- Where to look for functions, and for views that are on the way from one to a table: not in what the server or other tenants have.
place AS MATERIALIZED (
  SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND (n.nspname IN (${literal(schema)}, 'public') OR NOT EXISTS (SELECT FROM pg_catalog.pg_class h WHERE h.relnamespace = n.oid AND h.relname = ${literal(history)}))),
view AS (
  SELECT oid, true AS reading FROM seen
  UNION ALL SELECT c.oid, false FROM place p JOIN pg_catalog.pg_class c ON c.relnamespace = p.oid WHERE c.relkind IN ('v', 'm') AND c.oid NOT IN (SELECT oid FROM seen)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'))
SELECT pg_catalog.json_build_object(
 'serverVersion', pg_catalog.current_setting('server_version_num')::int,
 'migrator', (SELECT ${role('r')} FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER),
 'application', (SELECT pg_catalog.json_build_object('name', app.rolname, 'superuser', app.rolsuper, 'bypasses', app.rolbypassrls, 'memberOf',
   (SELECT coalesce(pg_catalog.json_agg(${role('r')} ORDER BY r.rolname), '[]') FROM membership m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid)) FROM app),
 'tables', ${array(`
  SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'f' THEN 'foreign' ELSE 'table' END AS kind, c.relispartition AS partition,
   pg_catalog.pg_get_userbyid(c.relowner) AS owner,
   ARRAY(SELECT DISTINCT r.rolname FROM pg_catalog.pg_roles r WHERE NOT r.rolsuper AND r.rolname <> CURRENT_USER
     AND r.oid <> (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
     AND ((SELECT m.rolsuper FROM pg_catalog.pg_roles m WHERE m.rolname = CURRENT_USER) OR NOT pg_catalog.pg_has_role(CURRENT_USER, r.oid, 'MEMBER'))
     AND (r.oid = c.relowner OR r.oid IN (SELECT f.proowner FROM pg_catalog.pg_proc f WHERE
      f.oid IN (SELECT g.tgfoid FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid)
      OR f.oid IN (SELECT d.refobjid FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid
        AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass WHERE p.polrelid = c.oid)))) AS strangers,
   c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
   (SELECT pg_catalog.json_build_object('notNull', a.attnotnull, 'type', pg_catalog.format_type(a.atttypid, NULL), 'generated', a.attgenerated <> '',
     'led', EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL))
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = ${literal(column)} AND NOT a.attisdropped) AS column,
   ${array(`
    SELECT p.polname AS name, CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END AS mode, p.polcmd AS command,
     ${app} IS NULL OR NOT EXISTS (SELECT FROM app) OR 0 = ANY (p.polroles) OR EXISTS (SELECT FROM app, pg_catalog.unnest(p.polroles) o WHERE pg_catalog.pg_has_role(app.oid, o, 'USAGE')) AS applies,
     pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using, pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS check,
     EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = ${literal(column)} AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid AND d.refobjid = c.oid) AS "usesColumn",
     ARRAY(SELECT d.refobjid::text FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid
      AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) AS functions
    FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid ORDER BY p.polname`)} AS policies,
   ${array(`
    SELECT fn.nspname AS "functionSchema", f.proname AS "functionName",
     ARRAY(SELECT e.name FROM (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE')) e (bit, name) WHERE g.tgtype::int & e.bit = e.bit) AS events
    FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc f ON f.oid = g.tgfoid JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
    -- Each row, always: not when a condition or the columns named say so.
    WHERE g.tgrelid = c.oid AND (NOT g.tgisinternal OR g.tgparentid <> 0::oid) AND g.tgenabled IN ('O', 'A') AND g.tgtype::int & 1 = 1 AND g.tgqual IS NULL AND g.tgattr = ''::int2vector`)} AS triggers,
   ARRAY(SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee) END FROM pg_catalog.aclexplode(c.relacl) a
    WHERE a.privilege_type = 'TRUNCATE' AND a.grantee <> c.relowner AND (a.grantee = 0 OR a.grantee IN (SELECT oid FROM own)) AND EXISTS (SELECT FROM app)) AS truncaters
  FROM tab JOIN pg_catalog.pg_class c ON c.oid = tab.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY n.nspname, c.relname`)},
 'views', ${array(`
  SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'm' THEN 'materialized' ELSE 'view' END AS kind,
   coalesce((SELECT o.option_value::boolean FROM pg_catalog.pg_options_to_table(c.reloptions) o WHERE o.option_name = 'security_invoker'), false) AS invoker, ${role('r')} AS owner,
   v.reading, ${usedBy('view', 'pg_class')} AS relations, ${usedBy('view', 'pg_proc')} AS functions
  FROM view v JOIN pg_catalog.pg_class c ON c.oid = v.oid AND c.relkind IN ('v', 'm') JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_roles r ON r.oid = c.relowner ORDER BY 2, 3`)},
 'functions', ${array(`
  SELECT f.oid::text AS oid, n.nspname AS schema, f.proname AS name, f.proname || '(' || pg_catalog.pg_get_function_identity_arguments(f.oid) || ')' AS signature,
   coalesce(pg_catalog.pg_get_function_sqlbody(f.oid), f.prosrc) AS body, l.lanname AS language, f.prosecdef AS definer,
   CASE WHEN f.prorettype IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype) THEN 'trigger' ELSE 'value' END AS returns,
   NOT EXISTS (SELECT FROM app) OR EXISTS (SELECT FROM own WHERE pg_catalog.has_function_privilege(own.oid, f.oid, 'EXECUTE')) AS executable,
   ${usedBy('function', 'pg_class')} AS relations, ${usedBy('function', 'pg_proc')} AS functions
  FROM place p JOIN pg_catalog.pg_namespace n ON n.oid = p.oid JOIN pg_catalog.pg_proc f ON f.pronamespace = n.oid JOIN pg_catalog.pg_language l ON l.oid = f.prolang
  WHERE f.prokind IN ('f', 'p', 'a')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')
  ORDER BY 2, 4`)}) AS facts`;
}
