/** A history that somebody emptied or dropped: its log still tells what was applied, and all of that would run again. */

import { mayBeEmptied, type HistorySnapshot, type HistoryTables } from './history.ts';
import type { Problem } from './plan.ts';
import { parseName } from './version.ts';
import type { Session } from './session.ts';
import { inQuotes } from './shell.ts';

/** More than these are too many to type. */
const MOST_NAMED = 20;

/** One problem where what was done last with any migration is that it was applied; none where all was undone, or nothing ever done. */
export async function emptiedProblems(session: Session, tables: HistoryTables, snapshot: HistorySnapshot): Promise<readonly Problem[]> {
  if (!mayBeEmptied(snapshot)) return [];
  const [row] = await session.read(`SELECT pg_catalog.json_agg(name ORDER BY seq) AS names FROM (
 SELECT DISTINCT ON (name) name, seq, action, detail FROM ${tables.log} WHERE action IN ('up', 'down', 'baseline', 'repair', 'clone') ORDER BY name, seq DESC) l
 WHERE action IN ('up', 'baseline', 'clone') OR action = 'repair' AND detail NOT LIKE 'marked as undone%'`);
  const names = JSON.parse(row?.['names'] ?? '[]') as readonly string[];
  if (names.length === 0) return [];
  // A copy of a template has one line for all of them, without a name.
  const newest = names.at(-1) ?? '';
  const what =
    newest === '' ? 'that it is a copy of a template' : `of ${names.length} that ${names.length === 1 ? 'is' : 'are'} applied, the newest of them ${newest}`;
  const them = newest === '' || names.length > MOST_NAMED ? 'VERSION,VERSION' : inQuotes(names.join(','));
  const gone = snapshot.tables === 'absent' ? 'gone' : 'empty';
  return [
    {
      code: 'historyLost',
      severity: 'error',
      name: newest,
      version: parseName(newest).version,
      message: `the history ${tables.history} is ${gone}, while its log tells ${what}: they would run again on what they have made. Get the history back from a backup; or look with migrate log, and mark what is there with: migrate repair --mark-applied ${them}; or, where nothing of it is there any more, begin anew with: DROP TABLE ${tables.log}`,
    },
  ];
}
