/** What stands in a plan's way that only its target can tell. */

import { USUAL_NAMES } from './adoption/usual-names.ts';
import { emptiedProblems } from './emptied.ts';
import { mayBeEmptied, tablesCalled, type HistorySnapshot, type HistoryTables } from './history.ts';
import type { AvailableMigration, Problem } from './plan.ts';
import type { Session } from './session.ts';
import { adviseUnfilled } from './unfilled.ts';

/** A plan's problems, with those that only the server can tell, and its advice. */
export async function problemsHere(
  session: Session,
  tables: HistoryTables,
  snapshot: HistorySnapshot,
  available: readonly AvailableMigration[],
  problems: readonly Problem[],
): Promise<readonly Problem[]> {
  return [
    ...(await emptiedProblems(session, tables, snapshot)),
    ...(await otherTools(session, tables, snapshot, available)),
    ...(await adviseUnfilled(session, tables, snapshot, available, problems)),
  ];
}

/** Before anything was applied: what an earlier run tried in vain has left a history, and changed nothing of this. */
async function otherTools(
  session: Session,
  tables: HistoryTables,
  snapshot: HistorySnapshot,
  available: readonly AvailableMigration[],
): Promise<readonly Problem[]> {
  const others = mayBeEmptied(snapshot) ? await triedInVain(session, tables) : snapshot.others;
  if (others.length === 0) return [];
  const { elsewhereProblems } = await import('./adoption/elsewhere.ts');
  return elsewhereProblems(session, tables.schema, others, available);
}

/** As `others` of a snapshot; nothing where the log tells that something was applied once: what is undone since is there no more. */
async function triedInVain(session: Session, tables: HistoryTables): Promise<readonly string[]> {
  const usual = USUAL_NAMES.filter((name) => name !== tables.table);
  const rows = await session.read(`${tablesCalled(tables.schema, usual)} AND NOT EXISTS (SELECT FROM ${tables.log} WHERE action NOT IN ('started', 'failed'))`);
  return rows.flatMap((row) => row['relname'] ?? []);
}
