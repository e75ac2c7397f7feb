/** How far a migration of several transactions has come. */

import { createHash } from 'node:crypto';

import type { HistoryTables, Progress } from '../history.ts';
import type { Script } from '../migration.ts';
import type { Session } from '../session.ts';
import { literal } from '../sql.ts';
import { inQuotes } from '../shell.ts';

/** As the history's row has it now. */
export async function readProgress(session: Session, tables: HistoryTables, name: string): Promise<Progress | null> {
  const [row] = await session.read(`SELECT progress FROM ${tables.history} WHERE name = ${literal(name)}`);
  const progress = row?.['progress'] ?? null;
  return progress === null ? null : (JSON.parse(progress) as Progress);
}

/** Why an interrupted migration cannot go on: `null` when what is done is still what its script begins with. */
export function whyNotResumed(name: string, script: Script, progress: Progress | null): string | null {
  if (progress === null || progress.prefix === prefixOf(script, progress.done)) return null;
  const done = progress.done === 1 ? 'the first of its statements, and that has' : `${progress.done} of its statements, and those have`;
  return `it was interrupted after ${done} been changed in the file since: what is done and what is left cannot be told apart. Restore the file, or look at the schema and type: migrate repair --mark-applied ${inQuotes(name)} (or --mark-undone ${inQuotes(name)})`;
}

/** SHA-256 in hex of the first statements: what is done may not change under an interrupted migration. */
export function prefixOf(script: Script, done: number): string {
  const hash = createHash('sha256');
  for (const statement of script.statements.slice(0, done)) hash.update(`${statement.written ?? statement.text}\0`);
  return hash.digest('hex');
}
