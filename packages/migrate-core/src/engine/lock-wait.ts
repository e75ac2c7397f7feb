/** Waiting for whoever holds the lock. */

import { setTimeout as sleep } from 'node:timers/promises';

import { readLockHolder } from '../activity.ts';
import type { MigrationErrorOptions } from '../errors.ts';
import { lockKey } from '../guard.ts';
import type { HistoryTables } from '../history.ts';
import type { Blocker } from '../report.ts';
import type { Session } from '../session.ts';
import { describeBlocker } from './failure.ts';

const FIRST_POLL_MS = 50;
const LONGEST_POLL_MS = 1_000;
const TELL_EVERY_MS = 5_000;

export type LockWait =
  | { readonly kind: 'free'; readonly waitedMs: number; readonly wasHeld: boolean }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'gaveUp'; readonly waitedMs: number; readonly holder: Blocker };

/**
 * Polls `pg_locks`, never the lock itself: a statement that waits would hold a snapshot, for which the holder's CREATE INDEX
 * CONCURRENTLY waits, and both would wait for ever.
 */
export async function waitForLock(
  session: Session,
  tables: HistoryTables,
  options: { readonly limitMs: number; readonly signal: AbortSignal | undefined; readonly onWaiting: (holder: Blocker, waitedMs: number) => void },
): Promise<LockWait> {
  const began = performance.now();
  let told = -Infinity;
  let wasHeld = false;
  for (let delay = FIRST_POLL_MS; ; delay = Math.min(LONGEST_POLL_MS, delay * 1.5)) {
    const holder = await readLockHolder(session, tables);
    const waitedMs = performance.now() - began;
    if (holder === null) return { kind: 'free', waitedMs, wasHeld };
    wasHeld = true;
    if (waitedMs - told > TELL_EVERY_MS) {
      options.onWaiting(holder, waitedMs);
      told = waitedMs;
    }
    if (options.signal?.aborted === true) return { kind: 'stopped' };
    if (waitedMs > options.limitMs) return { kind: 'gaveUp', waitedMs, holder };
    // At the limit once more, and not long behind it.
    const pauseMs = Math.min(delay * (0.5 + Math.random()), options.limitMs - waitedMs + 1);
    await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

/** @param target Its name. */
export function gaveUpWaiting(tables: HistoryTables, target: string, holder: Blocker, waitedMs: number): MigrationErrorOptions {
  return {
    code: 'lockTimeout',
    message: `gave up after waiting ${(waitedMs / 1_000).toFixed(1)} s for the migration lock of ${tables.history} on ${target} (key ${lockKey(tables)}), held by ${describeBlocker(holder)}`,
    hint: 'wait for that run, or look at it with: migrate status',
  };
}
