/** Work that loses to other sessions is tried again: shared objects race where locks do not keep them apart. */

import { setTimeout as sleep } from 'node:timers/promises';

import { isRetryable } from '../engine/failure.ts';
import { MigrationError } from '../errors.ts';
import type { ServerError } from '../session.ts';

/** Attempts, the first one included: about a minute in all. */
const ATTEMPTS = 60;
const LONGEST_DELAY_MS = 2_000;

/** How making something that is made meanwhile is answered. */
const MADE_MEANWHILE = new Set(['42P07', '42710', '23505']);

/** A whole transaction, or one statement by itself. `also`: further SQLSTATEs of the server that pass. */
export async function again<T>(work: () => Promise<T>, also: readonly string[] = [], signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const code = (error as ServerError).code ?? '';
      const passes = isRetryable(error as ServerError) || MADE_MEANWHILE.has(code) || also.includes(code);
      if (!passes || attempt === ATTEMPTS || signal?.aborted === true) throw error;
      await pause(attempt, signal);
    }
  }
}

/** Longer with each attempt, and never as long as that of whoever lost at the same time. An abort ends it. */
export async function pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(Math.min(LONGEST_DELAY_MS, 25 * 1.5 ** attempt) * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
}

/** The cause of an error that says: whoever is at work keeps all connections. */
export const NO_SECOND_CONNECTION: Error = new Error('no second connection');

/** The server has no connection, or no room in its lock table: fewer at once may do. */
export function isCrowded(error: unknown): boolean {
  return ['53300', '53200'].includes(sqlStateOf(error) ?? '') || (error instanceof Error && error.cause === NO_SECOND_CONNECTION);
}

/** The server's code of an error, whoever wrapped it. */
export function sqlStateOf(error: unknown): string | null {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth++) {
    if (one instanceof MigrationError && one.sqlState !== null) return one.sqlState;
    const { code, severity } = one as ServerError;
    if (severity !== undefined && code !== undefined) return code;
  }
  return null;
}
