/** A copy's history tells of the template's making; its log says that it is a copy. */

import type { HistoryTables } from '../history.ts';
import type { Run } from '../record.ts';
import type { Session } from '../session.ts';
import { literal } from '../sql.ts';
import { runDone } from './registry.ts';

/** Adds the row once, whoever made the copy. Nothing where the source has no migrations. */
export async function recordClone(session: Session, tables: HistoryTables, run: Run, template: string): Promise<void> {
  const [row] = await session.read(`SELECT pg_catalog.to_regclass(${literal(tables.log)}) IS NOT NULL AS there`);
  if (row?.['there'] !== 't') return;
  const next = `GREATEST((SELECT pg_catalog.max(seq) FROM ${tables.log}), (SELECT pg_catalog.max(seq) FROM ${tables.history}), 0) + 1`;
  await runDone(
    session,
    `INSERT INTO ${tables.log} (seq, at, action, name, by, "from", run_id, detail)
 SELECT ${next}, pg_catalog.clock_timestamp(), 'clone', COALESCE((SELECT name FROM ${tables.history} ORDER BY seq DESC LIMIT 1), ''), SESSION_USER, ${[run.from, run.id, `cloned from ${template}`].map(literal).join(', ')}
 WHERE NOT EXISTS (SELECT FROM ${tables.log} WHERE action = 'clone')`,
  );
}
