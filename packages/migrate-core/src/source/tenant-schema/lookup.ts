/** Queries that look for an object by its name in the catalogue of the whole database, where every tenant has one of that name. Pure. */

import type { Node } from '../parser.ts';
import { child, list, text } from '../tree.ts';

const CATALOGS = new Set([
  'pg_attribute',
  'pg_class',
  'pg_constraint',
  'pg_enum',
  'pg_indexes',
  'pg_matviews',
  'pg_policies',
  'pg_policy',
  'pg_proc',
  'pg_sequence',
  'pg_sequences',
  'pg_tables',
  'pg_trigger',
  'pg_type',
  'pg_views',
]);

/** Whatever says which schema, or which object, is meant. */
const SAYS_WHOSE = /"sval":"[^"]*(?:schema|nspname|namespace|reg(?:class|type|proc|oper|namespace)|is_visible|oid)[^"]*"|CURRENT_SCHEMA/i;

/** Whether a text may have one. */
export function mayLookUp(sql: string): boolean {
  return /\bpg_[a-z]+\b|information_schema/i.test(sql);
}

/** The names of the catalogues that such queries of a syntax tree read, in the order of the text. */
export function lookupsIn(tree: unknown): string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === 'object' && value !== null) {
      for (const [kind, one] of Object.entries(value)) {
        if (kind === 'SelectStmt') found.push(...lookupsOf(one as Node));
        visit(one);
      }
    }
  };
  visit(tree);
  return found;
}

function lookupsOf(select: Node): string[] {
  const where = select['whereClause'];
  const from = list(select, 'fromClause');
  // Without a condition nothing in particular is looked for.
  if (where === undefined || SAYS_WHOSE.test(JSON.stringify([where, from]))) return [];
  return from.flatMap(relationsOf);
}

function relationsOf(item: Node): string[] {
  const join = child(item, 'JoinExpr');
  if ('larg' in join) return [...relationsOf(child(join, 'larg')), ...relationsOf(child(join, 'rarg'))];
  const relation = child(item, 'RangeVar');
  const [schema, name] = [text(relation, 'schemaname'), text(relation, 'relname') ?? ''];
  if (schema === 'information_schema') return /^(?:schemata|sql_|enabled_roles)/.test(name) ? [] : [name];
  return (schema === null || schema === 'pg_catalog') && CATALOGS.has(name) ? [name] : [];
}
