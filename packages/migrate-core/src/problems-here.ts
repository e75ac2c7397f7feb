/** What stands in a plan's way that only its target can tell. */

import { emptiedProblems } from './emptied.ts';
import type { HistorySnapshot, HistoryTables } from './history.ts';
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

async function otherTools(
  session: Session,
  tables: HistoryTables,
  { others }: HistorySnapshot,
  available: readonly AvailableMigration[],
): Promise<readonly Problem[]> {
  if (others.length === 0) return [];
  const { elsewhereProblems } = await import('./adoption/elsewhere.ts');
  return elsewhereProblems(session, tables.schema, others, available);
}
