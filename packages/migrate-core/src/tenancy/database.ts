/** What is known of a server's databases, from a connection to any of them. */

import type { Session } from '../session.ts';
import { literal } from '../sql.ts';

/** SQLSTATE: somebody is connected to it. */
export const IN_USE = '55006';
/** SQLSTATE: there is one of that name. */
export const EXISTS = '42P04';
/** SQLSTATE: there is none. */
export const ABSENT = '3D000';

export async function databaseExists(session: Session, name: string): Promise<boolean> {
  const rows = await session.read(`SELECT 1 FROM pg_catalog.pg_database WHERE datname = ${literal(name)}`);
  return rows.length > 0;
}

/** Ends every other session there. Throws where one is somebody's whom this role may not end. */
export async function endSessions(session: Session, name: string): Promise<void> {
  await session.read(
    `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = ${literal(name)} AND pid <> pg_catalog.pg_backend_pid()`,
  );
}
