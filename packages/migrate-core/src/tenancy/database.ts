/** What is known of a server's databases, from a connection to any of them. */

import { setTimeout as sleep } from 'node:timers/promises';

import { MigrationError } from '../errors.ts';
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

/** How long sessions that this role may not end are waited for, and an ended one to be gone. */
const LIMIT_MS = 60_000;
const POLL_MS = 100;

/**
 * Ends every other session there, and waits until they are gone; those of roles that are none of its business this role can only wait for. Nobody new can
 * have come in. Throws `lockTimeout` when some stay for longer than the limit, in milliseconds.
 */
export async function endSessions(session: Session, name: string, signal?: AbortSignal, limitMs: number = LIMIT_MS): Promise<void> {
  // Of other roles' sessions it is not seen what they are; what has a role is no worker of the server's own.
  const others = `FROM pg_catalog.pg_stat_activity a WHERE a.datname = ${literal(name)} AND a.pid <> pg_catalog.pg_backend_pid()
 AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.usesysid IS NOT NULL`;
  const until = performance.now() + limitMs;
  for (;;) {
    // Fails as a whole where one of them may not be ended: then they are ended one by one.
    const ended = await session.run(`SELECT pg_catalog.pg_terminate_backend(a.pid) ${others}`);
    const left = await session.read(`SELECT a.pid, a.usename ${others}`);
    if (left.length === 0) return;
    if (ended.kind === 'failed') for (const { pid } of left) await session.run(`SELECT pg_catalog.pg_terminate_backend(${Number(pid)})`);
    if (performance.now() > until || signal?.aborted === true) {
      const roles = [...new Set(left.map((row) => row['usename'] ?? 'unknown'))].join(', ');
      throw new MigrationError({
        code: 'lockTimeout',
        message: `${left.length} sessions of ${roles} are still connected to the database ${JSON.stringify(name)}, and this role may not end them`,
        hint: 'end them, or GRANT pg_signal_backend to the role that migrates; then do the same again',
        sqlState: IN_USE,
      });
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
