/** The one query that reads a schema from the system catalogues. */

import { relationEntries, relations } from './relations.ts';
import { routineEntries } from './routines.ts';
import { typeEntries } from './types.ts';

/**
 * The schema and the search path for everything after: PostgreSQL's own functions write a name without its schema when the path finds it so.
 * The schema comes first, so that not even a table called like one of pg_catalog's gets the schema's name; unless the schema has an equality of
 * its own for the types that those functions look things up by, which it then could answer wrongly.
 * `before` is what the path was: inside a caller's transaction, the end of the query must put it back.
 */
const namespace = `
ns AS MATERIALIZED (
  SELECT n.*, pg_catalog.set_config('search_path', pg_catalog.quote_ident(n.nspname) || n.rest, true) AS path
  FROM (SELECT s.oid, s.nspname, s.nspowner, s.nspacl, pg_catalog.current_setting('search_path') AS before,
      CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace = s.oid AND o.oprname = '='
        AND o.oprleft IN ('pg_catalog.oid'::pg_catalog.regtype, 'pg_catalog.name'::pg_catalog.regtype)) THEN ', pg_temp' ELSE ', pg_catalog, pg_temp' END AS rest
    FROM pg_catalog.pg_namespace s WHERE s.nspname = $1::pg_catalog.name OFFSET 0) n
)`;

/**
 * What the schema holds, by its dependency on it: the catalogues have no index that begins with the schema, and to look through them for each of
 * thousands of schemas takes longer with each.
 */
const held = `
held AS MATERIALIZED (
  SELECT d.classid, d.objid FROM ns JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = ns.oid
)`;

const members = `
member AS MATERIALIZED (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
)`;

// What initdb granted on a schema (public, in each version otherwise) is where its grants are counted from.
const schemas = `
SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, ns.oid, 0, 'schema', NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text, ''::pg_catalog.text,
  ns.nspacl, coalesce((SELECT i.initprivs FROM pg_catalog.pg_init_privs i WHERE i.objoid = ns.oid AND i.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
    AND i.objsubid = 0 AND i.privtype = 'i'), pg_catalog.acldefault('n'::"char", ns.nspowner)),
  CASE WHEN ns.nspname = 'public' THEN NULL ELSE ns.nspowner END, NULL::pg_catalog.text[]
FROM ns`;

const defaultPrivileges = `
SELECT 0::pg_catalog.oid, 0::pg_catalog.oid, 0, 'default privileges', CASE a.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
  ELSE a.defaclobjtype::pg_catalog.text END || ' by ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.defaclrole)), NULL, NULL, NULL,
  a.defaclacl, NULL::pg_catalog.aclitem[], NULL::pg_catalog.oid, NULL::pg_catalog.text[]
FROM ns JOIN pg_catalog.pg_default_acl a ON a.defaclnamespace = ns.oid`;

const extensions = `
SELECT 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid, 0::pg_catalog.oid, 0, 'extension', x.extname::pg_catalog.text, NULL, NULL, '', NULL, NULL, NULL, NULL
FROM ns, pg_catalog.pg_extension x`;

const privileges = (acl: string): string => `
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(CASE e.grantee WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(e.grantee) END, e.grantee = n.owner, e.privilege_type, e.is_grantable))
   FROM pg_catalog.aclexplode(${acl}) e)`;

const entries = [schemas, ...relationEntries, ...typeEntries, ...routineEntries, defaultPrivileges, extensions];

/** `$1` schema, `$2` tables to leave out. One row: `entries`, a JSON array of arrays in the order of `CatalogRow`, or null where there is no such schema. */
export const catalogQuery: string = `WITH ${[namespace, held, members, relations].join(',')},
entry (classid, objid, objsubid, kind, name, part_kind, part_name, definition, acl, base_acl, owner, config) AS (${entries.join('\nUNION ALL')})
SELECT answer.entries, pg_catalog.set_config('search_path', coalesce((SELECT ns.before FROM ns), pg_catalog.current_setting('search_path')), true) AS path
FROM (
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(n.kind, n.name, n.part_kind, n.part_name, n.definition, c.description,
    CASE WHEN n.owner = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN NULL ELSE pg_catalog.pg_get_userbyid(n.owner) END,
    CASE WHEN n.acl IS NOT NULL THEN coalesce(${privileges('n.acl')}, '[]') END, CASE WHEN n.acl IS NOT NULL THEN coalesce(${privileges('n.base_acl')}, '[]') END,
    n.config))::pg_catalog.text AS entries
  FROM entry n
  LEFT JOIN pg_catalog.pg_description c ON c.classoid = n.classid AND c.objoid = n.objid AND c.objsubid = n.objsubid AND n.objid <> 0
  OFFSET 0
) answer`;

/** kind, name, kind and name of the part, definition, comment, owner unless the reader, grants, grants it would have by itself, settings. */
export type CatalogRow = readonly [
  kind: string,
  name: string | null,
  partKind: string | null,
  partName: string | null,
  definition: string | null,
  comment: string | null,
  owner: string | null,
  grants: readonly Grant[] | null,
  usualGrants: readonly Grant[] | null,
  settings: readonly string[] | null,
];

/** Grantee (null is PUBLIC), whether that is the owner, privilege, with grant option. */
export type Grant = readonly [grantee: string | null, isOwner: boolean, privilege: string, grantable: boolean];
