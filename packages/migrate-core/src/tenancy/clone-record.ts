/** A copy's history tells of the template's making; its log says that it is a copy. */

import type { HistoryTables } from '../history.ts';
import { insertClone, type Run } from '../record.ts';
import type { Session } from '../session.ts';
import { literal } from '../sql.ts';
import { runDone } from './registry.ts';

/** Adds the row once, whoever made the copy. Nothing where the source has no migrations. */
export async function recordClone(session: Session, tables: HistoryTables, run: Run, template: string): Promise<void> {
  const [row] = await session.read(`SELECT pg_catalog.to_regclass(${literal(tables.log)}) IS NOT NULL AS there`);
  if (row?.['there'] !== 't') return;
  await runDone(session, `${insertClone(tables, run, template)} WHERE NOT EXISTS (SELECT FROM ${tables.log} WHERE action = 'clone')`);
}
