/** Where the names of a statement are that runs by itself, without a search path. */

import type { Leftover, Moved, ObjectName, Statement } from '../migration.ts';
import { writtenOffset } from '../position.ts';
import type { RunState } from './run-state.ts';
import { identifier, literal, textArray } from '../sql.ts';

/** By the kind of a name: the catalogues that may have it, with their columns for the schema and the name. */
const CATALOGS: Readonly<Record<string, readonly (readonly [string, string, string])[]>> = {
  relation: [['pg_class', 'relnamespace', 'relname']],
  type: [['pg_type', 'typnamespace', 'typname']],
  routine: [['pg_proc', 'pronamespace', 'proname']],
  operator: [['pg_operator', 'oprnamespace', 'oprname']],
  other: [
    ['pg_opclass', 'opcnamespace', 'opcname'],
    ['pg_collation', 'collnamespace', 'collname'],
  ],
};

/**
 * The statement with a schema for every name that had none, as the search path would find it. What is found nowhere stays as it is, and the
 * server says so.
 */
export async function withSchemas({ main, tenantSchema }: Pick<RunState, 'main' | 'tenantSchema'>, statement: Statement): Promise<Statement> {
  const unresolved = statement.alone?.unresolved ?? [];
  if (unresolved.length === 0 || tenantSchema === null) return statement;
  const path = textArray(['pg_catalog', tenantSchema.schema, ...tenantSchema.behind]);
  const columns = unresolved.map(({ of, name }, index) => {
    const found = (CATALOGS[of] ?? []).map(
      ([table, namespace, column]) => `EXISTS (SELECT FROM pg_catalog.${table} x WHERE x.${namespace} = n.oid AND x.${column} = ${literal(name)})`,
    );
    return `(SELECT n.nspname FROM pg_catalog.unnest(${path}) WITH ORDINALITY p (name, place) JOIN pg_catalog.pg_namespace n ON n.nspname = p.name
 WHERE ${found.length === 0 ? 'false' : found.join(' OR ')} ORDER BY p.place LIMIT 1) AS "${index}"`;
  });
  const [row] = await main.read(`SELECT ${columns.join(', ')}`);
  let qualified = statement;
  // From the last one on, so that the places of those before it hold.
  for (const [index, { of, name, start }] of [...unresolved.entries()].toSorted(([, a], [, b]) => b.start - a.start)) {
    const found = row?.[String(index)];
    if (found == null || found === 'pg_catalog') continue;
    qualified = withSchema(qualified, start, found);
    if (of === 'relation' && qualified.leftover !== null) qualified = { ...qualified, leftover: leftoverIn(qualified.leftover, name, found) };
  }
  return qualified;
}

function withSchema(statement: Statement, start: number, schema: string): Statement {
  const prefix = `${identifier(schema)}.`;
  const moved = statement.moved ?? [];
  const at = writtenOffset(moved, start);
  const shift = ({ sent, written }: Moved): Moved => ({ sent: { start: sent.start + prefix.length, end: sent.end + prefix.length }, written });
  return {
    ...statement,
    text: statement.text.slice(0, start) + prefix + statement.text.slice(start),
    moved: [
      ...moved.filter(({ sent }) => sent.end <= start),
      { sent: { start, end: start + prefix.length }, written: { start: at, end: at } },
      ...moved.filter(({ sent }) => sent.end > start).map(shift),
    ],
  };
}

function leftoverIn(leftover: Leftover, name: string, schema: string): Leftover {
  const named = (object: ObjectName): ObjectName => (object.schema === null && object.name === name ? { schema, name } : object);
  switch (leftover.kind) {
    case 'createIndex':
      return { ...leftover, table: named(leftover.table) };
    case 'dropIndex':
      return { ...leftover, indexes: leftover.indexes.map(named) };
    case 'reindex':
      return { ...leftover, object: leftover.object === null ? null : named(leftover.object) };
    case 'detachPartition':
      return { ...leftover, table: named(leftover.table), partition: named(leftover.partition) };
    default:
      return leftover;
  }
}
