/** What stands in a schema's tables and sequences, and the statements that put the same into a copy. */

import type { Session } from '../session.ts';
import { identifier, literal, qualified } from '../sql.ts';
import { isDistinctive } from './names.ts';
import type { Statement } from './node.ts';
import type { ColumnRow, RelationRow } from './rows/relations.ts';
import type { SchemaScript } from './script.ts';
import type { Text } from './text.ts';

export interface Contents {
  /** Names of tables that have rows. */
  readonly filled: ReadonlySet<string>;
  readonly sequences: readonly SequenceValue[];
  /** What could not be looked at, or would be wrong in a copy; for people. */
  readonly problems: readonly string[];
}

interface SequenceValue {
  readonly sequence: string;
  /** The table that owns it; `null` for none. */
  readonly table: string | null;
  readonly value: string;
  readonly called: boolean;
}

/** Reads which tables have rows and where sequences stand. Writes nothing. Where row-level security would hide rows from this role, that is a problem. */
export async function readContents(session: Session, script: SchemaScript): Promise<Contents> {
  const { schema } = script;
  const problems: string[] = [];
  const tables = script.rows.relations.filter((one) => one.kind === 'r');
  const hidden = await rowsHidden(session, schema);
  for (const { name } of tables) if (hidden.get(name) === 'filled') problems.push(`rows of table ${name}, which row-level security hides from this role`);
  const readable = tables.filter(({ name }) => !hidden.has(name));
  const filled = new Set<string>();
  // A name made for a template could stand in rows, if a migration asked for its schema's name.
  const named = isDistinctive(schema) ? `(SELECT pg_catalog.count(*) FROM ONLY %t x WHERE x.*::pg_catalog.text LIKE ${literal(`%${schema}%`)})` : '0';
  for (const { name, full, mentions } of await readEach(session, readable, schema, (table) => [
    `EXISTS (SELECT FROM ONLY ${table})`,
    named.replaceAll('%t', () => table),
  ])) {
    if (full === 't') filled.add(name);
    if (mentions !== '0') problems.push(`rows of table ${name} name the schema they are in`);
  }
  const sequences = script.rows.relations.filter((one) => one.kind === 'S');
  const values = await readValues(session, sequences, schema);
  return {
    filled,
    problems,
    sequences: sequences.flatMap((one, index) => {
      const { value = '', called = false } = values[index] ?? {};
      if (!called && value === one.sequence?.start) return [];
      const owner = one.owned === null ? undefined : script.rows.relations.find((table) => table.oid === one.owned?.[0]);
      return [{ sequence: one.name, table: owner?.name ?? null, value, called }];
    }),
  };
}

/** Tables under policies that hold for this role, and whether their files are empty all the same. */
async function rowsHidden(session: Session, schema: string): Promise<ReadonlyMap<string, 'empty' | 'filled'>> {
  const rows = await session.read(
    `SELECT c.relname, pg_catalog.pg_relation_size(c.oid) > 0 AS filled FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ${literal(schema)} AND c.relkind = 'r' AND c.relrowsecurity AND pg_catalog.row_security_active(c.oid)`,
  );
  return new Map(rows.map((row) => [row['relname'] ?? '', row['filled'] === 't' ? 'filled' : 'empty']));
}

/** So many tables are asked about by one query. */
const AT_ONCE = 250;

async function readEach(
  session: Session,
  tables: readonly RelationRow[],
  schema: string,
  columns: (table: string) => readonly [string, string],
): Promise<{ name: string; full: string; mentions: string }[]> {
  const found: { name: string; full: string; mentions: string }[] = [];
  for (let at = 0; at < tables.length; at += AT_ONCE) {
    const parts = tables.slice(at, at + AT_ONCE).map(({ name }) => {
      const [full, mentions] = columns(qualified(schema, name));
      return `SELECT ${literal(name)} AS name, ${full} AS "full", ${mentions} AS mentions`;
    });
    const rows = await session.read(parts.join(' UNION ALL '));
    found.push(...rows.map((row) => ({ name: row['name'] ?? '', full: row['full'] ?? '', mentions: row['mentions'] ?? '0' })));
  }
  return found;
}

async function readValues(session: Session, sequences: readonly RelationRow[], schema: string): Promise<{ value: string; called: boolean }[]> {
  const found: { value: string; called: boolean }[] = [];
  for (let at = 0; at < sequences.length; at += AT_ONCE) {
    const parts = sequences
      .slice(at, at + AT_ONCE)
      .map(({ name }, index) => `SELECT ${index} AS place, last_value::pg_catalog.text AS value, is_called FROM ${qualified(schema, name)}`);
    const rows = await session.read(`SELECT * FROM (${parts.join(' UNION ALL ')}) s ORDER BY place`);
    found.push(...rows.map((row) => ({ value: row['value'] ?? '', called: row['is_called'] === 't' })));
  }
  return found;
}

/** Copies one table's rows from the schema that the script was read from, in the same database. */
export function copyRows(script: SchemaScript, table: string): Statement {
  const columns = columnsToFill(script, table);
  const list = columns.map((one) => identifier(one.name)).join(', ');
  const values = columns.map((one) => (one.own_type ? `${identifier(one.name)}::pg_catalog.text::${one.type}` : identifier(one.name))).join(', ');
  const into = columns.length === 0 ? identifier(table) : `${identifier(table)} (${list}) OVERRIDING SYSTEM VALUE`;
  return { phase: 'rows', text: [`INSERT INTO ${into} SELECT ${values} FROM ONLY ${qualified(script.schema, table)}`] };
}

/** Those that are not generated. */
export function columnsToFill(script: SchemaScript, table: string): readonly ColumnRow[] {
  const relation = script.rows.relations.find((one) => one.name === table)?.oid;
  return script.rows.columns.filter((one) => one.relation === relation && one.generated === '');
}

export function setSequence({ sequence, value, called }: SequenceValue): Statement {
  const text: Text = [`SELECT pg_catalog.setval(${literal(identifier(sequence))}, ${value}, ${called})`];
  return { phase: 'rows', text };
}
