/** Between two attempts at the same work. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { ServerError } from '../session.ts';
import type { RunState } from './run-state.ts';

/**
 * Tells that it will be tried again, and waits about so long: from half of it to half as much again, so that those who
 * lost against each other do not meet again. `false` when an abort came first.
 */
export async function pauseBeforeRetry(state: RunState, name: string, error: ServerError, attempt: number, aboutMs: number): Promise<boolean> {
  const delayMs = Math.round(aboutMs * (0.5 + Math.random()));
  state.emit({ type: 'retrying', target: state.target, name, sqlState: error.code ?? '', attempt, delayMs });
  return sleep(delayMs, true, { signal: state.signal }).catch(() => false);
}
