/** Before the first run on a target: whether another tool's history says that these migrations are applied there. They would run again on what they have made. */

import { strangersOf } from '../history.ts';
import type { AvailableMigration, Problem } from '../plan.ts';
import type { ServerError, Session } from '../session.ts';
import { inQuotes } from '../shell.ts';
import { literal, qualified } from '../sql.ts';
import { readColumns } from './adoption.ts';
import { recognise, type ForeignRow, type ForeignTable } from './foreign-history.ts';
import { isCalled, Names } from './names.ts';
import { namedTables, takenOverBy } from './taken-over.ts';

/** A number of so many digits is a time, which no other folder has by chance. */
const SURE_DIGITS = 8;
/** A table with more rows is no history, whatever it is called: `migrations` may be those of birds. */
const MOST_ROWS = 100_000;

/** @param tables Those of this schema that are called like a history. A role that may not read one learns nothing of it. */
export async function elsewhereProblems(
  session: Session,
  schema: string,
  tables: readonly string[],
  available: readonly AvailableMigration[],
): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const { table, columns } of await readColumns(session, schema, tables)) {
    const history = recognise(columns);
    if (history === null) continue;
    const rows = await rowsOf(session, schema, table, history);
    const problem = problemOf(`${schema}.${table}`, table, history, rows, available);
    if (problem !== null) problems.push(await advised(session, schema, table, problem, available));
  }
  return problems;
}

/** Nobody asked for it to be read: so what somebody else owns is not, since its policies and casts would run as us. */
async function rowsOf(session: Session, schema: string, table: string, history: ForeignTable): Promise<readonly ForeignRow[]> {
  const name = qualified(schema, table);
  try {
    const [owner] = await session.read(
      `SELECT ${strangersOf([name])} AS strangers, (SELECT c.relkind FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass(${literal(name)})) AS kind`,
    );
    if (owner?.['strangers'] != null || !'rp'.includes(owner?.['kind'] ?? '-')) return [];
    const rows = await session.read(`SELECT ${history.select} FROM ${name} LIMIT ${MOST_ROWS + 1}`);
    return rows.length > MOST_ROWS ? [] : rows.map((row) => history.read(row));
  } catch (error) {
    if ((error as ServerError).code === '42501') return [];
    throw error;
  }
}

function problemOf(
  place: string,
  table: string,
  { tool, rows: kind }: ForeignTable,
  rows: readonly ForeignRow[],
  available: readonly AvailableMigration[],
): Problem | null {
  const names = new Names(available);
  // What did not finish was begun: it is there as well, or half of it.
  const told = rows.filter((row) => row.state !== 'undone').map((row) => ({ row, found: names.of(row) }));
  const matched = told.flatMap(({ row, found }) => found.map((migration) => ({ row, migration })));
  const applied = new Set(matched.map(({ migration }) => migration.name));
  const newest = available.findLast(({ name }) => applied.has(name));
  if (newest === undefined) return null;
  // The history of another folder has a few names by chance, or the same small numbers: most of its rows are nobody's here.
  const ours = told.filter(({ row, found }) => found.some((one) => isCalled(row, one)) || (found.length > 0 && digits(row.version ?? row.name) >= SURE_DIGITS));
  const sure = ours.length * 2 > told.length;
  const count = kind === 'newest' ? available.indexOf(newest) + 1 : applied.size;
  const says = `${place} is a history of ${tool}, which says that ${count} of these migrations ${count === 1 ? 'is' : 'are'} applied (the newest: ${newest.name})`;
  const message = sure ? `${says}: they would run again on what they have made` : `${says}, if it is theirs and not another folder's`;
  return { code: 'foreignHistory', severity: sure ? 'error' : 'warning', name: newest.name, version: newest.version, message };
}

/** With what to type. To take over once more what a history of ours has taken over would be right for nobody. */
async function advised(session: Session, schema: string, table: string, problem: Problem, available: readonly AvailableMigration[]): Promise<Problem> {
  const { severity, message } = problem;
  const before = await takenOverBy(session, schema, `${schema}.${table}`);
  const adopt = `migrate adopt --from ${inQuotes(table)}`;
  const mine = `It was taken over before, by the history ${before.join(', ')}: where that is the history of these migrations, name it: ${namedTables(before)}`;
  if (severity !== 'error')
    return {
      ...problem,
      message: before.length > 0 ? `${message}. ${mine}` : `${message}. Then take it over before they run again on what they have made: ${adopt}`,
    };
  const first = inQuotes(available[0]?.version ?? problem.version);
  const takeOver = before.length > 0 ? mine : `Take it over with: ${adopt}; or, where nothing of it is there any more, rename that table or drop it`;
  return {
    ...problem,
    message: `${message}. ${takeOver}. Where it is another folder's, run the first of these with psql and mark it: migrate repair --mark-applied ${first}`,
  };
}

function digits(text: string | null): number {
  return /\d+(?:[-_:T]\d+)*/.exec(text ?? '')?.[0].replaceAll(/\D/g, '').length ?? 0;
}
