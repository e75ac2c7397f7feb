/** Connections to the databases of tenants that have one each: there may be thousands, of which a few are in use. */

import pLimit from 'p-limit';
import type pg from 'pg';
import { roleOnce, tenantTransaction, type Actor, type Queryable } from './database.ts';

export interface TenantPoolsOptions {
  /** A pool on this database that keeps what it is told. Its `max` is given. */
  readonly open: (database: string, limits: { readonly max: number; readonly idleTimeoutMillis: number }) => pg.Pool;
  /** The application's role, as for the service's own pool. */
  readonly role: string | null;
  /** The whole search path in each of them; `null` leaves it alone. */
  readonly path: readonly string[] | null;
  /** Most connections in use at once, to all tenants together; and most databases with a pool. */
  readonly most: number;
}

interface Kept {
  readonly pool: pg.Pool;
  readonly role: () => Promise<string | null>;
  using: number;
}

/** One tenant must not take all the others' connections. */
const MOST_EACH = 5;
/** A connection that waits for its tenant's next request is a place that another tenant does not have. */
const IDLE_MS = 5_000;

export class TenantPools {
  readonly #options: TenantPoolsOptions;
  /** The least recently used first. */
  readonly #kept = new Map<string, Kept>();
  readonly #limit: <T>(work: () => Promise<T>) => Promise<T>;

  constructor(options: TenantPoolsOptions) {
    this.#options = options;
    this.#limit = pLimit(options.most);
  }

  /** One transaction of the tenant, in its database. */
  async run<T>(database: string, actor: Actor, work: (db: Queryable) => Promise<T>): Promise<T> {
    return await this.#limit(async () => {
      const kept = this.#take(database);
      try {
        return await tenantTransaction(kept.pool, actor, { role: await kept.role(), path: this.#options.path }, work);
      } finally {
        kept.using--;
        this.#letGo(this.#options.most);
      }
    });
  }

  /** Of how many databases connections are kept. */
  get size(): number {
    return this.#kept.size;
  }

  async close(): Promise<void> {
    const pools = [...this.#kept.values()];
    this.#kept.clear();
    await Promise.all(pools.map(({ pool }) => pool.end()));
  }

  #take(database: string): Kept {
    let kept = this.#kept.get(database);
    if (kept === undefined) {
      // Room for it before it opens a connection, not after.
      this.#letGo(this.#options.most - 1);
      const pool = this.#options.open(database, { max: Math.min(MOST_EACH, this.#options.most), idleTimeoutMillis: IDLE_MS });
      kept = { pool, role: roleOnce(pool, this.#options.role), using: 0 };
    }
    kept.using++;
    this.#kept.delete(database);
    this.#kept.set(database, kept);
    return kept;
  }

  /** Closes what nobody uses, the least recently used first, until so many are left, or all that are left are in use. */
  #letGo(most: number): void {
    for (const [database, { pool, using }] of this.#kept) {
      if (this.#kept.size <= most) return;
      if (using > 0) continue;
      this.#kept.delete(database);
      void pool.end();
    }
  }
}
