/** What is known of a server's databases, from a connection to any of them. */

import type { Session } from '../session.ts';
import { literal } from '../sql.ts';

/** SQLSTATE: somebody is connected to it. */
export const IN_USE = '55006';
/** SQLSTATE: there is one of that name. */
export const EXISTS = '42P04';
/** SQLSTATE: there is none. */
export const ABSENT = '3D000';

/** `null` where there is none of that name. */
export async function databaseOid(session: Session, name: string): Promise<string | null> {
  const [row] = await session.read(`SELECT oid FROM pg_catalog.pg_database WHERE datname = ${literal(name)}`);
  return row?.['oid'] ?? null;
}

/** Ends every other session there. Throws where one is somebody's whom this role may not end. */
export async function endSessions(session: Session, name: string): Promise<void> {
  await session.read(
    `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = ${literal(name)} AND pid <> pg_catalog.pg_backend_pid()`,
  );
}
