/** Keeps the spares of a service's tenants made, in the background: nobody waits for it, and its failure is none of the service's. */

import type { Tenancy } from '@org/migrate-core';
import type { FastifyBaseLogger } from 'fastify';

export interface SparesOptions {
  readonly tenancy: Pick<Tenancy, 'prepareSpares'>;
  readonly signal: AbortSignal;
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
}

export class Spares {
  readonly #options: SparesOptions;
  #underWay: Promise<void> | null = null;
  /** Something was taken while the last look was under way. */
  #again = false;

  constructor(options: SparesOptions) {
    this.#options = options;
  }

  /** To be called when one may be lacking, or is one too many. Answers at once. */
  refill(): void {
    this.#again = true;
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
    const { tenancy, signal, log } = this.#options;
    while (this.#again && !signal.aborted) {
      this.#again = false;
      const { ready, made, dropped, error } = await tenancy.prepareSpares({ signal });
      if (made + dropped > 0) log.info({ ready, made, dropped }, 'places for new tenants were made ahead');
      if (error !== null && !signal.aborted) log.warn({ err: error }, `no places for new tenants can be made ahead just now: ${error.message}`);
    }
  }
}
