/** The server is away in the middle of a fleet's run: told at once, waited for, and given up for everybody together. */

import { setTimeout as sleep } from 'node:timers/promises';

import { reconnectLimitMs } from '../engine/reconnect.ts';
import { MigrationError } from '../errors.ts';
import type { Away } from './report.ts';

const LONGEST_DELAY_MS = 2_000;

/** SQLSTATEs of a server that ends or begins, besides class 08. */
const AWAY: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03']);

/**
 * Whether the server has no connection to give.
 *
 * @param database The tenant's own, if it has one: the limit of that is no matter of the others.
 */
export function isFull(error: unknown, database: string | null): boolean {
  const cause = (error instanceof MigrationError ? error.cause : error) as { readonly routine?: unknown } | undefined;
  return stateOf(error) === '53300' && (database === null || cause?.routine !== 'CheckMyDatabase');
}

/** Whether the server was not to be reached, as opposed to having refused. */
export function isLost(error: unknown, database: string | null = null): boolean {
  const told = error instanceof MigrationError ? error : null;
  if (told !== null && told.code !== 'connection') return false;
  const state = stateOf(error);
  // Five characters are the server's own word; a system's error (ECONNREFUSED) is longer, or has none.
  if (typeof state === 'string' && /^[0-9A-Z]{5}$/.test(state)) return state.startsWith('08') || AWAY.has(state) || isFull(error, database);
  return told !== null || typeof state === 'string' || /connection/i.test((error as Error).message);
}

function stateOf(error: unknown): unknown {
  return error instanceof MigrationError ? error.sqlState : (error as { code?: unknown }).code;
}

export class Outage {
  readonly #tell: (reason: Away, limitMs: number) => void;
  readonly #signal: AbortSignal | undefined;
  #since: number | null = null;

  /** @param tell Of each outage once: why, and how long the server is waited for. Milliseconds. */
  constructor(tell: (reason: Away, limitMs: number) => void, signal: AbortSignal | undefined) {
    this.#tell = tell;
    this.#signal = signal;
  }

  lost(error: unknown): void {
    if (this.#since !== null) return;
    this.#since = performance.now();
    this.#tell(isFull(error, null) ? 'noneLeft' : 'lost', reconnectLimitMs(this.#signal));
  }

  /** Tries until it works; `false` when the server was away for too long. The limit counts from the loss, for everybody. */
  async isBack(attempt: () => Promise<unknown>, database: string | null = null): Promise<boolean> {
    for (let delay = 200; ; delay = Math.min(LONGEST_DELAY_MS, delay * 2)) {
      try {
        await attempt();
        this.#since = null;
        return true;
      } catch (error) {
        // Whatever else it says, it is there.
        if (!isLost(error, database)) return true;
        this.lost(error);
        if (performance.now() - (this.#since ?? 0) > reconnectLimitMs(this.#signal)) return false;
        await sleep(delay);
      }
    }
  }
}
