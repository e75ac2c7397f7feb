/** Keeps the spares of a service's tenants made, in the background: nobody waits for it, and its failure is none of the service's. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Tenancy } from '@org/migrate-core';
import type { FastifyBaseLogger } from 'fastify';

export interface SparesOptions {
  readonly tenancy: Pick<Tenancy, 'prepareSpares'>;
  readonly signal: AbortSignal;
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
  /** After what passes by itself it is tried again, each time twice as late, up to five minutes. Milliseconds, default 5_000. */
  readonly retryMs?: number | undefined;
}

const MOST_MS = 300_000;
/** Codes of what passes by itself: another service's migrations that are still to come, a server that is away. */
const PASSING: ReadonlySet<string> = new Set(['unmetRequirement', 'connection', 'lockTimeout']);

export class Spares {
  readonly #options: SparesOptions;
  #underWay: Promise<void> | null = null;
  /** Something was taken while the last look was under way. */
  #again = false;
  #waiting = new AbortController();

  constructor(options: SparesOptions) {
    this.#options = options;
  }

  /** To be called when one may be lacking, or is one too many. Answers at once. */
  refill(): void {
    this.#again = true;
    this.#waiting.abort();
    this.#underWay ??= this.#prepare().finally(() => {
      this.#underWay = null;
      // Asked for when the last look had just ended.
      if (this.#again && !this.#options.signal.aborted) this.refill();
    });
  }

  /** Nothing is under way any more. Ends soon after the signal. */
  async settled(): Promise<void> {
    await this.#underWay;
  }

  async #prepare(): Promise<void> {
    const { tenancy, signal, log, retryMs = 5_000 } = this.#options;
    for (let delay = retryMs; this.#again && !signal.aborted; delay = Math.min(2 * delay, MOST_MS)) {
      this.#again = false;
      const { ready, made, dropped, error } = await tenancy.prepareSpares({ signal });
      if (made + dropped > 0) log.info({ ready, made, dropped }, 'places for new tenants were made ahead');
      if (error === null) delay = retryMs / 2;
      if (error === null || signal.aborted) continue;
      log.warn({ err: error }, `no places for new tenants can be made ahead just now: ${error.message}`);
      if (!PASSING.has(error.code) || this.#again) continue;
      this.#waiting = new AbortController();
      // A new tenant, or a stop, ends it.
      await sleep(delay, undefined, { signal: AbortSignal.any([signal, this.#waiting.signal]) }).catch(() => undefined);
      this.#again = true;
    }
  }
}
