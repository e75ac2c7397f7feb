/** Schemas that are dropped whatever their size: a DROP holds a lock for each object until it ends, and the server has room for so many. */

import type { ServerError, Session } from '../session.ts';
import { identifier, literal, qualified } from '../sql.ts';
import { runDone } from './registry.ts';

/** So many tables at once where all are too many. */
const TABLES = 20;

/**
 * Drops a schema with everything in it, in one transaction with `after`; where that does not fit, its tables some at a time before. Nothing happens where there is
 * no such schema, but `after`. `settings`: at the beginning of each transaction.
 */
export async function dropSchema(session: Session, schema: string, after: readonly string[] = [], settings: readonly string[] = []): Promise<void> {
  const whole = ['BEGIN', ...settings, `DROP SCHEMA IF EXISTS ${identifier(schema)} CASCADE`, ...after, 'COMMIT'].join(';\n');
  try {
    return await runDone(session, whole);
  } catch (error) {
    if ((error as ServerError).code !== '53200') throw error;
  }
  for (let size = TABLES; ;) {
    const rows = await session.read(
      `SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ${literal(schema)} AND c.relkind IN ('r', 'p') ORDER BY c.relispartition DESC, c.oid DESC LIMIT ${size}`,
    );
    if (rows.length === 0) break;
    const tables = rows.map((row) => qualified(schema, row['relname'] ?? '')).join(', ');
    const dropped = await session.run(['BEGIN', ...settings, `DROP TABLE IF EXISTS ${tables} CASCADE`, 'COMMIT'].join(';\n'));
    if (dropped.kind === 'lost' || (dropped.kind === 'failed' && (dropped.error.code !== '53200' || size === 1))) throw dropped.error;
    if (dropped.kind === 'failed') size = Math.ceil(size / 2);
  }
  await runDone(session, whole);
}
