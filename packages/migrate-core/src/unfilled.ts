/** Migrations that were applied before anybody had written a statement into them: accepting their files would record what never ran. */

import { inHistoryOrder } from './history-order.ts';
import type { HistorySnapshot, HistoryTables } from './history.ts';
import type { AppliedMigration, AvailableMigration, Problem } from './plan.ts';
import type { Session } from './session.ts';
import { inQuotes } from './shell.ts';
import { tokens } from './source/lexer.ts';
import { textArray } from './sql.ts';

/** These problems, with another way out for such migrations. Asks the server only where a file was changed. */
export async function adviseUnfilled<Told extends Problem>(
  session: Session,
  tables: HistoryTables,
  { applied, tables: present }: HistorySnapshot,
  available: readonly AvailableMigration[],
  problems: readonly Told[],
): Promise<readonly Told[]> {
  const changed = new Set(problems.filter((one) => one.code === 'changed').map((one) => one.name));
  const keys = applied.flatMap(({ name, script }) => (script !== null && changed.has(name) ? [script] : []));
  if (keys.length === 0 || present !== 'present') return problems;
  const rows = await session.read(`SELECT key, up FROM ${tables.scripts} WHERE key = ANY (${textArray(keys)})`);
  const empty = new Set(rows.filter((row) => row['up'] != null && !hasStatement(row['up'])).map((row) => row['key']));
  const newest = inHistoryOrder(available, applied).at(-1)?.name;
  return problems.map((problem) => {
    const row = applied.find((one) => one.name === problem.name);
    if (row === undefined || problem.code !== 'changed' || !empty.has(row.script)) return problem;
    const message = `${row.name} had no statement when it was applied: what stands in it now has not run here. ${wayOut(row, row.name === newest ? 'newest' : 'below')}`;
    return { ...problem, message };
  });
}

function wayOut({ name, storedDown }: AppliedMigration, place: 'newest' | 'below'): string {
  if (place === 'below') return 'Restore the file, and write it into a new migration: migrate create';
  if (storedDown) return 'Apply it with: migrate redo';
  // It changed nothing, so that nothing has to be taken back.
  return `It changed nothing: let the history forget it with: migrate repair --mark-undone ${inQuotes(name)}, then apply it with: migrate up`;
}

function hasStatement(sql: string): boolean {
  for (const { kind, start } of tokens(sql)) if (kind !== 'lineComment' && kind !== 'blockComment' && sql[start] !== ';') return true;
  return false;
}
