/** What needs what, and what hangs on the schema without being known here. */

export interface DependencyRow {
  /** `pg_class:1234` needs … */
  readonly from: string;
  readonly to: string;
  readonly kind: 'n' | 'a' | 'i' | 'P' | 'S';
}

/** Every object of the schema that is of a kind known here, also indexes, row types and arrays. */
export function known(schema: string): string {
  const inSchema = (catalog: string, column: string): string =>
    `SELECT '${catalog}' AS name, 'pg_catalog.${catalog}'::pg_catalog.regclass::pg_catalog.oid AS catalog, k.oid FROM pg_catalog.${catalog} k WHERE k.${column} = ${schema}::pg_catalog.oid`;
  const ofRelation = (catalog: string, column: string): string =>
    `SELECT '${catalog}', 'pg_catalog.${catalog}'::pg_catalog.regclass::pg_catalog.oid, k.oid FROM pg_catalog.${catalog} k JOIN pg_catalog.pg_class c ON c.oid = k.${column} WHERE c.relnamespace = ${schema}::pg_catalog.oid`;
  return [
    inSchema('pg_class', 'relnamespace'),
    inSchema('pg_type', 'typnamespace'),
    inSchema('pg_proc', 'pronamespace'),
    inSchema('pg_constraint', 'connamespace'),
    inSchema('pg_statistic_ext', 'stxnamespace'),
    ofRelation('pg_attrdef', 'adrelid'),
    ofRelation('pg_rewrite', 'ev_class'),
    ofRelation('pg_trigger', 'tgrelid'),
    ofRelation('pg_policy', 'polrelid'),
  ].join('\nUNION ALL ');
}

export function dependencyRows(schema: string): string {
  return `
WITH known AS MATERIALIZED (${known(schema)})
SELECT DISTINCT a.name || ':' || a.oid AS "from", b.name || ':' || b.oid AS "to", d.deptype AS kind
FROM known a
JOIN pg_catalog.pg_depend d ON d.classid = a.catalog AND d.objid = a.oid
JOIN known b ON b.catalog = d.refclassid AND b.oid = d.refobjid
WHERE a.oid <> b.oid`;
}

/** Objects of other kinds in the schema or on its objects: operators, casts, publications, extensions … */
export function strangerRows(schema: string): string {
  return `
WITH known AS MATERIALIZED (${known(schema)})
SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, 0) AS name
FROM (SELECT k.catalog, k.oid FROM known k UNION ALL SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, ${schema}::pg_catalog.oid) k
JOIN pg_catalog.pg_depend d ON d.refclassid = k.catalog AND d.refobjid = k.oid AND d.deptype <> 'i'
WHERE NOT EXISTS (SELECT FROM known o WHERE o.catalog = d.classid AND o.oid = d.objid)
  AND d.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class t WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND t.oid = d.objid AND t.relkind IN ('t', 'i'))
ORDER BY 1`;
}
