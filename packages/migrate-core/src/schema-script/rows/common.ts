/** Parts of queries that several kinds of objects share. `me` is the role that reads, and will make the copy. */

/** A right: grantee (null is PUBLIC), whether that is the owner, privilege, with grant option. */
export type Right = readonly [grantee: string | null, isOwner: boolean, privilege: string, grantable: boolean];

export interface Access {
  readonly now: readonly Right[];
  /** What such an object has when this role has just made it. */
  readonly usual: readonly Right[];
  /** What it has besides, made in a schema that has the default privileges already. */
  readonly here: readonly Right[];
}

const ME = '(SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER)';

/** The owner's name; null where that is this role. */
export function owner(oid: string): string {
  return `CASE WHEN ${oid} <> ${ME} THEN pg_catalog.pg_get_userbyid(${oid}) END`;
}

function rights(acl: string, ownerOid: string): string {
  return `coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(CASE WHEN e.grantee <> 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(e.grantee) END,
    e.grantee = ${ownerOid}, e.privilege_type, e.is_grantable)) FROM pg_catalog.aclexplode(${acl}) e), '[]')`;
}

/** Of a kind of object as acldefault knows it; null where nothing was ever granted or revoked. */
export function access(acl: string, kind: 'r' | 's' | 'f' | 'T' | 'n', ownerOid: string, schema: string): string {
  const preset = (namespace: string): string =>
    `(SELECT d.defaclacl FROM pg_catalog.pg_default_acl d WHERE d.defaclnamespace = ${namespace}::pg_catalog.oid AND d.defaclrole = ${ME} AND d.defaclobjtype = '${kind === 's' ? 'S' : kind}')`;
  return `CASE WHEN ${acl} IS NOT NULL OR ${preset('0')} IS NOT NULL OR ${preset(schema)} IS NOT NULL THEN pg_catalog.json_build_object(
    'now', ${rights(`coalesce(${acl}, pg_catalog.acldefault('${kind}'::pg_catalog."char", ${ownerOid}))`, ownerOid)},
    'usual', ${rights(`coalesce(${preset('0')}, pg_catalog.acldefault('${kind}'::pg_catalog."char", ${ME}))`, ME)},
    'here', ${rights(preset(schema), ME)}) END`;
}

/** Of a column, which has none by itself. */
export function columnRights(acl: string, ownerOid: string): string {
  return `CASE WHEN ${acl} IS NOT NULL THEN ${rights(acl, ownerOid)} END`;
}

/** Some servers (Debian's 15.20) keep the WAL position of a column's last change among its options, where nobody can set it. */
export function options(array: string): string {
  return `(SELECT pg_catalog.json_agg(o ORDER BY o COLLATE pg_catalog."C") FROM pg_catalog.unnest(${array}) o WHERE o NOT LIKE 'pg\\_attver=%')`;
}

export function tablespace(oid: string): string {
  return `(SELECT s.spcname FROM pg_catalog.pg_tablespace s WHERE s.oid = ${oid})`;
}

/** A function's name as the schema at hand would write it, without its arguments. */
export function functionName(oid: string, schema: string): string {
  return `(SELECT CASE WHEN f.pronamespace = ${schema}::pg_catalog.oid THEN pg_catalog.quote_ident(f.proname) ELSE pg_catalog.quote_ident(m.nspname) || '.' || pg_catalog.quote_ident(f.proname) END
    FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace m ON m.oid = f.pronamespace WHERE f.oid = ${oid})`;
}

/** What belongs to an extension is not the schema's. */
export function ofExtension(catalog: string, oid: string): string {
  return `EXISTS (SELECT FROM pg_catalog.pg_depend x WHERE x.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass AND x.objid = ${oid} AND x.deptype = 'e')`;
}
