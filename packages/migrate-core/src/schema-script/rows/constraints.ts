/** Constraints of tables and domains, and indexes. */

import { options, tablespace } from './common.ts';

export interface ConstraintRow {
  readonly oid: string;
  /** '0' for a domain's. Oids are text, as JSON gives them. */
  readonly relation: string;
  readonly type: string;
  readonly name: string;
  readonly kind: 'c' | 'f' | 'p' | 'u' | 'x' | 'n' | 't';
  readonly definition: string;
  readonly valid: boolean;
  readonly local: boolean;
  readonly inherited: boolean;
  /** From the constraint of the same name of the table that this one is a partition of. */
  readonly from_parent: boolean;
  /** Of a foreign key; else '0'. */
  readonly references: string;
  /** The index behind a key of a table, or which a foreign key points to; else '0'. */
  readonly index: string;
  /** Of a foreign key: its triggers were switched off, which only a superuser can do. */
  readonly disabled: boolean;
}

export interface IndexRow {
  readonly oid: string;
  readonly relation: string;
  readonly name: string;
  readonly definition: string;
  readonly options: readonly string[] | null;
  readonly tablespace: string | null;
  readonly clustered: boolean;
  readonly replica_identity: boolean;
  readonly valid: boolean;
  /** Statistics targets of its expressions: number of the column, target. */
  readonly statistics: readonly (readonly [number, number])[] | null;
  /** The constraint that it is behind; '0' for none. */
  readonly constraint: string;
}

export function constraintRows(schema: string): string {
  return `
SELECT c.oid, c.conrelid AS relation, c.contypid AS type, c.conname AS name, c.contype AS kind, pg_catalog.pg_get_constraintdef(c.oid) AS definition, c.convalidated AS valid,
  c.conislocal AS local, c.coninhcount > 0 AS inherited, c.conparentid <> 0::pg_catalog.oid AS from_parent, c.confrelid AS "references", c.conindid AS "index",
  c.contype = 'f' AND EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgconstraint = c.oid AND g.tgenabled <> 'O') AS disabled
FROM pg_catalog.pg_constraint c
WHERE c.connamespace = ${schema}::pg_catalog.oid`;
}

export function indexRows(schema: string): string {
  return `
SELECT x.oid, i.indrelid AS relation, x.relname AS name, pg_catalog.pg_get_indexdef(x.oid, 0, true) AS definition, ${options('x.reloptions')} AS options,
  ${tablespace('x.reltablespace')} AS tablespace, i.indisclustered AS clustered, i.indisreplident AS replica_identity, i.indisvalid AS valid,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attstattarget) ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = x.oid AND a.attstattarget >= 0) AS statistics,
  coalesce((SELECT c.oid FROM pg_catalog.pg_constraint c WHERE c.conrelid = i.indrelid AND c.conindid = x.oid AND c.contype IN ('p', 'u', 'x')), 0::pg_catalog.oid) AS "constraint"
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE t.relnamespace = ${schema}::pg_catalog.oid`;
}
