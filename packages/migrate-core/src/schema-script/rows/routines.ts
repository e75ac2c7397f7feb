/** Types, functions, procedures and aggregates. */

import { access, type Access, functionName, ofExtension, owner } from './common.ts';

export interface TypeRow {
  readonly oid: string;
  readonly name: string;
  /** `e` enum, `c` composite or a relation's row type, `d` domain, `r` range, `m` multirange, `b` base or array, `p` shell. */
  readonly kind: 'e' | 'c' | 'd' | 'r' | 'm' | 'b' | 'p';
  readonly relation: string;
  /** Of an array that a type brings: that type. '0' for none. */
  readonly element: string;
  /** Of a multirange: its range. '0' for none. */
  readonly range: string;
  readonly owner: string | null;
  readonly access: Access | null;
  readonly labels: readonly string[] | null;
  readonly domain: { readonly base: string; readonly collation: string | null; readonly not_null: boolean; readonly default: string | null } | null;
  readonly definition: RangeRow | null;
}

export interface RangeRow {
  readonly subtype: string;
  readonly operator_class: string | null;
  readonly collation: string | null;
  readonly canonical: string | null;
  readonly difference: string | null;
  readonly multirange: string;
}

export interface RoutineRow {
  readonly oid: string;
  readonly name: string;
  readonly kind: 'f' | 'p' | 'a' | 'w';
  /** For a name in COMMENT ON and the like. */
  readonly identity: string;
  readonly arguments: string;
  readonly result: string | null;
  readonly language: string;
  readonly transforms: readonly string[] | null;
  readonly volatility: 'i' | 's' | 'v';
  readonly strict: boolean;
  readonly leakproof: boolean;
  readonly definer: boolean;
  readonly parallel: 's' | 'r' | 'u';
  readonly cost: number;
  readonly rows: number;
  readonly support: string | null;
  readonly settings: readonly string[] | null;
  readonly library: string | null;
  readonly source: string | null;
  /** An SQL-standard body. */
  readonly body: string | null;
  readonly owner: string | null;
  readonly access: Access | null;
  readonly aggregate: AggregateRow | null;
}

/** Words and values of CREATE AGGREGATE, in order. */
export type AggregateRow = readonly (readonly [word: string, value: string | null])[];

export function typeRows(schema: string): string {
  return `
SELECT t.oid, t.typname AS name, t.typtype AS kind, t.typrelid AS relation,
  coalesce((SELECT e.oid FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid), 0::pg_catalog.oid) AS element,
  coalesce((SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngmultitypid = t.oid), 0::pg_catalog.oid) AS range,
  ${owner('t.typowner')} AS owner, CASE WHEN t.typtype IN ('e', 'c', 'd', 'r') THEN ${access('t.typacl', 'T', 't.typowner', schema)} END AS access,
  (SELECT pg_catalog.json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) AS labels,
  CASE WHEN t.typtype = 'd' THEN pg_catalog.json_build_object('base', pg_catalog.format_type(t.typbasetype, t.typtypmod),
    'collation', (SELECT t.typcollation::pg_catalog.regcollation::pg_catalog.text FROM pg_catalog.pg_type b WHERE b.oid = t.typbasetype AND b.typcollation <> t.typcollation),
    'not_null', t.typnotnull, 'default', coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0::pg_catalog.oid), pg_catalog.quote_literal(t.typdefault))) END AS domain,
  (SELECT pg_catalog.json_build_object('subtype', pg_catalog.format_type(r.rngsubtype, NULL),
      'operator_class', (SELECT pg_catalog.quote_ident(m.nspname) || '.' || pg_catalog.quote_ident(o.opcname) FROM pg_catalog.pg_opclass o
        JOIN pg_catalog.pg_namespace m ON m.oid = o.opcnamespace WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
      'collation', CASE WHEN r.rngcollation <> 0::pg_catalog.oid THEN r.rngcollation::pg_catalog.regcollation::pg_catalog.text END,
      'canonical', ${functionName('r.rngcanonical', schema)}, 'difference', ${functionName('r.rngsubdiff', schema)},
      'multirange', (SELECT m.typname FROM pg_catalog.pg_type m WHERE m.oid = r.rngmultitypid))
    FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid) AS definition
FROM pg_catalog.pg_type t
WHERE t.typnamespace = ${schema}::pg_catalog.oid AND NOT ${ofExtension('pg_type', 't.oid')}`;
}

const aggregate = (schema: string): string => {
  const call = (word: string, column: string): string => `pg_catalog.json_build_array('${word}', ${functionName(column, schema)})`;
  const plain = (word: string, value: string): string => `pg_catalog.json_build_array('${word}', ${value})`;
  const modify = (column: string, usual: string): string =>
    `CASE WHEN ${column} <> ${usual} THEN CASE ${column} WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END`;
  const usual = `CASE WHEN g.aggkind = 'n' THEN 'r' ELSE 'w' END`;
  return `(SELECT pg_catalog.json_build_array(${[
    call('SFUNC', 'g.aggtransfn'),
    plain('STYPE', 'pg_catalog.format_type(g.aggtranstype, NULL)'),
    plain('SSPACE', `CASE WHEN g.aggtransspace <> 0 THEN g.aggtransspace::pg_catalog.text END`),
    call('FINALFUNC', 'g.aggfinalfn'),
    plain('FINALFUNC_EXTRA', `CASE WHEN g.aggfinalextra THEN '' END`),
    plain('FINALFUNC_MODIFY', modify('g.aggfinalmodify', usual)),
    call('COMBINEFUNC', 'g.aggcombinefn'),
    call('SERIALFUNC', 'g.aggserialfn'),
    call('DESERIALFUNC', 'g.aggdeserialfn'),
    plain('INITCOND', 'pg_catalog.quote_literal(g.agginitval)'),
    call('MSFUNC', 'g.aggmtransfn'),
    call('MINVFUNC', 'g.aggminvtransfn'),
    plain('MSTYPE', 'CASE WHEN g.aggmtranstype <> 0::pg_catalog.oid THEN pg_catalog.format_type(g.aggmtranstype, NULL) END'),
    plain('MSSPACE', `CASE WHEN g.aggmtransspace <> 0 THEN g.aggmtransspace::pg_catalog.text END`),
    call('MFINALFUNC', 'g.aggmfinalfn'),
    plain('MFINALFUNC_EXTRA', `CASE WHEN g.aggmfinalextra THEN '' END`),
    plain('MFINALFUNC_MODIFY', `CASE WHEN g.aggmfinalfn <> 0::pg_catalog.oid THEN ${modify('g.aggmfinalmodify', usual)} END`),
    plain('MINITCOND', 'pg_catalog.quote_literal(g.aggminitval)'),
    plain(
      'SORTOP',
      `(SELECT 'OPERATOR(' || pg_catalog.quote_ident(m.nspname) || '.' || o.oprname || ')' FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace m ON m.oid = o.oprnamespace WHERE o.oid = g.aggsortop)`,
    ),
    plain('HYPOTHETICAL', `CASE WHEN g.aggkind = 'h' THEN '' END`),
    plain('PARALLEL', `CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' END`),
  ].join(', ')}) FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid)`;
};

export function routineRows(schema: string): string {
  return `
SELECT p.oid, p.proname AS name, p.prokind AS kind, pg_catalog.pg_get_function_identity_arguments(p.oid) AS identity, pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
  pg_catalog.pg_get_function_result(p.oid) AS result, l.lanname AS language,
  (SELECT pg_catalog.json_agg(pg_catalog.format_type(t, NULL)) FROM pg_catalog.unnest(p.protrftypes) t) AS transforms,
  p.provolatile AS volatility, p.proisstrict AS strict, p.proleakproof AS leakproof, p.prosecdef AS definer, p.proparallel AS parallel, p.procost AS cost, p.prorows AS rows,
  ${functionName('p.prosupport::pg_catalog.oid', schema)} AS support, pg_catalog.to_json(p.proconfig) AS settings, p.probin AS library, p.prosrc AS source,
  pg_catalog.pg_get_function_sqlbody(p.oid) AS body, ${owner('p.proowner')} AS owner, ${access('p.proacl', 'f', 'p.proowner', schema)} AS access,
  CASE WHEN p.prokind = 'a' THEN ${aggregate(schema)} END AS aggregate
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = ${schema}::pg_catalog.oid AND NOT ${ofExtension('pg_proc', 'p.oid')}
  -- The constructors of a range type come with it.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'i')`;
}
