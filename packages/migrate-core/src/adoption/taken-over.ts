/** Whether a history of ours has taken another tool's over already: whose else it is then, is most unlikely. */

import { ownHistories, strangersOf } from '../history.ts';
import { TAKEN_OVER_FROM } from '../record.ts';
import type { ServerError, Session } from '../session.ts';
import { inQuotes } from '../shell.ts';
import { literal, qualified } from '../sql.ts';

/**
 * Histories of this schema that are not empty, and whose log tells that they began with that table; mostly none. What others own, or this role may
 * not read, is not read.
 *
 * @param place `schema.name`, as an adoption names it.
 */
export async function takenOverBy(session: Session, schema: string, place: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const table of await ownHistories(session, schema)) {
    const [history, log] = [qualified(schema, table), qualified(schema, `${table}_log`)];
    try {
      const [row] = await session.read(`SELECT ${strangersOf([history, log])} AS strangers`);
      if (row?.['strangers'] != null) continue;
      const detail = literal(`${TAKEN_OVER_FROM}${place}`);
      const began = await session.read(`SELECT FROM ${log} WHERE action = 'baseline' AND detail = ${detail} AND EXISTS (SELECT FROM ${history}) LIMIT 1`);
      if (began.length > 0) found.push(table);
    } catch (error) {
      const { code } = error as ServerError;
      // No right to read it, or no such table or column: it is no history that is in use.
      if (code !== '42501' && code !== '42P01' && code !== '42703') throw error;
    }
  }
  return found;
}

/** What to type for the history that is this folder's. */
export function namedTables(tables: readonly string[]): string {
  return `${tables.map((name) => `--table ${inQuotes(name)}`).join(' or ')} (history.table in migrate.config.ts)`;
}
