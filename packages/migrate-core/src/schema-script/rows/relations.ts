/** Tables, views, sequences, composite types, and their columns. */

import { access, type Access, columnRights, ofExtension, options, owner, type Right, tablespace } from './common.ts';

export interface RelationRow {
  readonly oid: string;
  readonly name: string;
  readonly kind: 'r' | 'p' | 'v' | 'm' | 'S' | 'c' | 'f';
  readonly persistence: 'p' | 'u';
  readonly owner: string | null;
  readonly access: Access | null;
  readonly options: readonly string[] | null;
  readonly toast: readonly string[] | null;
  /** `null` for heap. */
  readonly method: string | null;
  readonly tablespace: string | null;
  /** Of a typed table: its type. */
  readonly type: string | null;
  readonly partition_by: string | null;
  readonly is_partition: boolean;
  readonly bound: string | null;
  readonly parents: readonly (readonly [oid: string, name: string, detaching: boolean])[] | null;
  readonly row_security: boolean;
  readonly force_row_security: boolean;
  readonly replica_identity: 'd' | 'n' | 'f' | 'i';
  readonly populated: boolean;
  /** Of a view. */
  readonly definition: string | null;
  readonly sequence: SequenceRow | null;
  /** Of a sequence; `i` for that of an identity column, `a` for one that a column owns. */
  readonly owned: readonly [table: string, column: string, kind: 'a' | 'i'] | null;
}

export interface SequenceRow {
  readonly type: string;
  /** As text: they may be beyond what a number holds. */
  readonly start: string;
  readonly increment: string;
  readonly min: string;
  readonly max: string;
  readonly cache: string;
  readonly cycle: boolean;
}

export interface ColumnRow {
  readonly relation: string;
  readonly number: number;
  readonly name: string;
  readonly type: string;
  /** Its type is one of the schema, and another one in a copy. */
  readonly own_type: boolean;
  readonly collation: string | null;
  readonly not_null: boolean;
  /** Only from PostgreSQL 18. */
  readonly not_null_constraint: { readonly name: string; readonly no_inherit: boolean; readonly valid: boolean; readonly local: boolean } | null;
  readonly default_oid: string | null;
  readonly default: string | null;
  readonly generated: '' | 's' | 'v';
  readonly identity: '' | 'a' | 'd';
  /** `null` for the type's own. */
  readonly storage: 'PLAIN' | 'EXTERNAL' | 'MAIN' | 'EXTENDED' | null;
  readonly compression: 'pglz' | 'lz4' | null;
  readonly statistics: number | null;
  readonly options: readonly string[] | null;
  readonly rights: readonly Right[] | null;
  readonly inherited: boolean;
  readonly local: boolean;
}

export function relationRows(schema: string): string {
  return `
SELECT c.oid, c.relname AS name, c.relkind AS kind, c.relpersistence AS persistence, ${owner('c.relowner')} AS owner,
  CASE c.relkind WHEN 'S' THEN ${access('c.relacl', 's', 'c.relowner', schema)} ELSE ${access('c.relacl', 'r', 'c.relowner', schema)} END AS access,
  ${options('c.reloptions')} AS options,
  (SELECT ${options('t.reloptions')} FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid) AS toast,
  (SELECT a.amname FROM pg_catalog.pg_am a WHERE a.oid = c.relam AND a.amname <> 'heap') AS method,
  ${tablespace('c.reltablespace')} AS tablespace,
  CASE WHEN c.reloftype <> 0::pg_catalog.oid THEN pg_catalog.format_type(c.reloftype, NULL) END AS type,
  CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partition_by,
  c.relispartition AS is_partition, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(i.inhparent, i.inhparent::pg_catalog.regclass::pg_catalog.text, i.inhdetachpending) ORDER BY i.inhseqno)
    FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) AS parents,
  c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security, c.relreplident AS replica_identity, c.relispopulated AS populated,
  CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END AS definition,
  (SELECT pg_catalog.json_build_object('type', pg_catalog.format_type(s.seqtypid, NULL), 'start', s.seqstart::pg_catalog.text, 'increment', s.seqincrement::pg_catalog.text,
      'min', s.seqmin::pg_catalog.text, 'max', s.seqmax::pg_catalog.text, 'cache', s.seqcache::pg_catalog.text, 'cycle', s.seqcycle)
    FROM pg_catalog.pg_sequence s WHERE s.seqrelid = c.oid) AS sequence,
  (SELECT pg_catalog.json_build_array(d.refobjid, a.attname, d.deptype) FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE c.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0) AS owned
FROM pg_catalog.pg_class c
WHERE c.relnamespace = ${schema}::pg_catalog.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'c', 'f') AND NOT ${ofExtension('pg_class', 'c.oid')}`;
}

export function columnRows(schema: string): string {
  return `
SELECT a.attrelid AS relation, a.attnum AS number, a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, t.typnamespace = c.relnamespace AS own_type,
  CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::pg_catalog.regcollation::pg_catalog.text END AS collation,
  a.attnotnull AS not_null,
  (SELECT pg_catalog.json_build_object('name', n.conname, 'no_inherit', n.connoinherit, 'valid', n.convalidated, 'local', n.conislocal)
    FROM pg_catalog.pg_constraint n WHERE n.conrelid = c.oid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum]) AS not_null_constraint,
  d.oid AS default_oid, pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS "default", a.attgenerated AS generated, a.attidentity AS identity,
  CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END AS storage,
  CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
  CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END AS statistics,
  ${options('a.attoptions')} AS options, ${columnRights('a.attacl', 'c.relowner')} AS rights,
  a.attinhcount > 0 AS inherited, a.attislocal AS local
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = ${schema}::pg_catalog.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'c')
ORDER BY a.attrelid, a.attnum`;
}
