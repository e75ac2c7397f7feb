/** Trying the same work again: how often, and how long in all. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { ServerError } from '../session.ts';
import type { RunState } from './run-state.ts';

/** No attempt waits less for a lock; with less than this left there is none. */
const SHORTEST_ATTEMPT_MS = 100;

/** How long one piece of work is tried, from now on. */
export class Patience {
  readonly #until: number;

  /** @param limitMs For all attempts, and the pauses between them. */
  constructor(limitMs: number) {
    this.#until = performance.now() + limitMs;
  }

  /** What an attempt may wait for a lock: not longer than there is time left for. 0, which is for ever, was asked for and stays. */
  lockTimeoutMs(wantedMs: number): number {
    return wantedMs === 0 ? 0 : Math.min(wantedMs, Math.max(SHORTEST_ATTEMPT_MS, Math.ceil(this.#leftMs())));
  }

  /** Whether there is time for another attempt. */
  get isOver(): boolean {
    return this.#leftMs() < SHORTEST_ATTEMPT_MS;
  }

  /**
   * Tells that it will be tried again, and waits about so long: from half of it to half as much again, so that those who
   * lost against each other do not meet again; but an attempt still fits in behind. `false` when an abort came first.
   */
  async pause(state: RunState, name: string, error: ServerError, attempt: number, aboutMs: number): Promise<boolean> {
    const longest = Math.max(0, this.#leftMs() - SHORTEST_ATTEMPT_MS);
    const delayMs = Math.round(Math.min(longest, aboutMs * (0.5 + Math.random())));
    state.emit({ type: 'retrying', target: state.target, name, sqlState: error.code ?? '', attempt, delayMs });
    return sleep(delayMs, true, { signal: state.signal }).catch(() => false);
  }

  #leftMs(): number {
    return this.#until - performance.now();
  }
}
