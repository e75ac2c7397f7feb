/** Connections that tenants take turns with: opening one costs as much as a small migration. */

import type { DatabaseClient } from '../session.ts';

/** A server process keeps what it learned of every table it met: after so many tenants a fresh one is cheaper. */
const LONGEST_USE = 1_000;

interface Slot {
  readonly database: string | null;
  readonly client: DatabaseClient;
  uses: number;
}

export class Slots implements AsyncDisposable {
  readonly #connect: (database: string | null) => Promise<DatabaseClient>;
  #free: Slot[] = [];

  constructor(connect: (database: string | null) => Promise<DatabaseClient>) {
    this.#connect = connect;
  }

  /** Does the work on a connection to this database that nobody else uses meanwhile. */
  async use<T>(database: string | null, work: (client: DatabaseClient) => Promise<T>): Promise<T> {
    const slot = await this.#take(database);
    let keep = false;
    try {
      const result = await work(slot.client);
      keep = true;
      return result;
    } finally {
      slot.uses++;
      // Whatever failed may have left its connection dead, or in a state that is nobody's business to find out.
      if (keep && slot.uses < LONGEST_USE && slot.client.getTransactionStatus() === 'I') this.#free.push(slot);
      else await end(slot);
    }
  }

  async #take(database: string | null): Promise<Slot> {
    const index = this.#free.findIndex((slot) => slot.database === database);
    if (index !== -1) return this.#free.splice(index, 1)[0] as Slot;
    // Of another database: with one for each tenant, kept connections would only pile up.
    const other = this.#free.shift();
    if (other !== undefined) await end(other);
    const client = await this.#connect(database);
    // A connection that dies while nobody uses it must not end the process.
    client.on('error', () => undefined);
    return { database, client, uses: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#free.splice(0).map(end));
  }
}

async function end(slot: Slot): Promise<void> {
  try {
    await slot.client.end();
  } catch {
    // It was dead already.
  }
}
