/** Connections that tenants take turns with: opening one costs as much as a small migration. */

import type { ConnectionMemory } from '../sharing.ts';
import { Session, type DatabaseClient } from '../session.ts';
import { isFull } from './outage.ts';

/** A server process keeps what it learned of every table it met: after so many tenants a fresh one is cheaper. */
const LONGEST_USE = 1_000;
/** Nothing that was committed is kept back for longer than this. */
const FLUSH_EVERY_MS = 250;
/** A server that had no connection to give is asked for another one after this, while there are some. */
const ASK_AGAIN_MS = 200;
/** For so long a server may count a connection that was ended. */
const LET_GO_MS = 2_000;

/** Something that was committed and may not be on the server's disk yet. */
export interface Owed {
  /** Tells it: now it is. */
  readonly tell: () => void;
}

/**
 * One connection. What is committed on it without a flush is owed until a later transaction of the *same* connection is on disk: had the server
 * crashed in between, the connection would be gone.
 */
export class Slot<Debt extends Owed = Owed> {
  readonly database: string | null;
  readonly client: DatabaseClient;
  readonly memory: ConnectionMemory = { ownSettings: null };
  uses = 0;
  #owed: Debt[] = [];
  #flushed = performance.now();
  #isDead = false;
  #direct: Promise<boolean> | null = null;

  constructor(database: string | null, client: DatabaseClient, onLost: (error: unknown) => void) {
    this.database = database;
    this.client = client;
    const die = (): void => {
      this.#isDead = true;
    };
    // A connection that dies while nobody uses it must not end the process.
    client.on('error', (error: unknown) => {
      if (!this.#isDead) onLost(error);
      die();
    });
    client.on('end', die);
  }

  get isUsable(): boolean {
    return !this.#isDead && this.client.getTransactionStatus() === 'I';
  }

  /** How the next transaction should end. A pooler would outlive a crash of the server, and so would our connection to it. */
  async ending(): Promise<'flush' | 'later'> {
    if (performance.now() - this.#flushed > FLUSH_EVERY_MS) return 'flush';
    this.#direct ??= Session.borrow(this.client, (session) => session.isDirect());
    return (await this.#direct) ? 'later' : 'flush';
  }

  owe(debt: Debt): void {
    this.#owed.push(debt);
  }

  /** A transaction that is on disk came behind everything that is owed. */
  settled(): void {
    if (this.#isDead) return;
    this.#flushed = performance.now();
    for (const debt of this.#owed.splice(0)) debt.tell();
  }

  /** Answers what cannot be told: the connection is gone, and whether the server had it on disk before is not known. */
  async settle(): Promise<readonly Debt[]> {
    if (this.#owed.length > 0 && this.isUsable && (await flush(this.client))) this.settled();
    return this.#owed.splice(0);
  }
}

/** Puts everything committed before on disk. The transaction must write: an empty one flushes nothing. */
export async function flush(client: DatabaseClient): Promise<boolean> {
  const sql = `/*migrate flush*/BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\nSET LOCAL synchronous_commit = on;\nSELECT pg_catalog.pg_logical_emit_message(true, 'migrate', '');\nCOMMIT`;
  const result = await Session.borrow(client, (session) => session.run(sql));
  return result.kind === 'done';
}

export class Slots<Debt extends Owed = Owed> implements AsyncDisposable {
  readonly #connect: (database: string | null) => Promise<DatabaseClient>;
  #free: Slot<Debt>[] = [];
  /** In use, or being opened. */
  #used = 0;
  /** When one was ended. */
  #ended = -Infinity;
  /** When the server had no connection to give. */
  #refused = -Infinity;
  /** Those who wait for one in use. */
  readonly #waiting: (() => void)[] = [];
  #unsettled: Debt[] = [];
  #isDisposed = false;
  readonly #onLost: (error: unknown) => void;
  readonly #onFew: () => void;

  /**
   * @param onLost A connection died of itself.
   * @param onFew The server has no more to give than there are. Told once.
   */
  constructor(
    connect: (database: string | null) => Promise<DatabaseClient>,
    onLost: (error: unknown) => void = () => undefined,
    onFew: () => void = () => undefined,
  ) {
    this.#connect = connect;
    this.#onLost = onLost;
    this.#onFew = onFew;
  }

  /** Does the work on a connection to this database that nobody else uses meanwhile. */
  async use<T>(database: string | null, work: (slot: Slot<Debt>) => Promise<T>): Promise<T> {
    const slot = await this.#take(database);
    try {
      return await this.#workOn(slot, work);
    } finally {
      this.#used--;
      for (const goOn of this.#waiting.splice(0)) goOn();
    }
  }

  async #workOn<T>(slot: Slot<Debt>, work: (slot: Slot<Debt>) => Promise<T>): Promise<T> {
    let keep = false;
    try {
      const result = await work(slot);
      keep = true;
      return result;
    } finally {
      slot.uses++;
      // Whatever failed may have left its connection dead, or in a state that is nobody's business to find out. One that comes back late would never be ended.
      if (keep && !this.#isDisposed && slot.uses < LONGEST_USE && slot.isUsable) this.#free.push(slot);
      else await this.#end(slot);
    }
  }

  /** Tells what is owed, while nobody is at work. Answers what cannot be told. */
  async settle(): Promise<readonly Debt[]> {
    const left = await Promise.all(this.#free.map((slot) => slot.settle()));
    this.#free = this.#free.filter((slot) => slot.isUsable);
    return [...this.#unsettled.splice(0), ...left.flat()];
  }

  /** Where the server has none to give, one of those in use is waited for, if there are any. */
  async #take(database: string | null): Promise<Slot<Debt>> {
    for (;;) {
      this.#used++;
      let slot: Slot<Debt> | null = null;
      try {
        slot = (await this.#takeFree(database)) ?? (await this.#open(database));
      } finally {
        if (slot === null) this.#used--;
      }
      if (slot !== null) return slot;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        setTimeout(resolve, ASK_AGAIN_MS);
      });
    }
  }

  async #takeFree(database: string | null): Promise<Slot<Debt> | null> {
    for (;;) {
      const index = this.#free.findIndex((slot) => slot.database === database);
      if (index === -1) return null;
      const [slot] = this.#free.splice(index, 1) as [Slot<Debt>];
      if (slot.isUsable) return slot;
      await this.#end(slot);
    }
  }

  /** `null`: one of those in use is to be waited for. */
  async #open(database: string | null): Promise<Slot<Debt> | null> {
    // Of another database: with one for each tenant, kept connections would only pile up.
    const other = this.#free.shift();
    if (other !== undefined) await this.#end(other);
    else if (this.#used > 1 && performance.now() - this.#refused < ASK_AGAIN_MS) return null;
    try {
      return new Slot<Debt>(database, await this.#connect(database), this.#onLost);
    } catch (error) {
      const mayCome = this.#used > 1 || performance.now() - this.#ended < LET_GO_MS;
      if (!mayCome || !isFull(error, database)) throw error;
      if (this.#refused === -Infinity) this.#onFew();
      this.#refused = performance.now();
      return null;
    }
  }

  async #end(slot: Slot<Debt>): Promise<void> {
    this.#ended = performance.now();
    this.#unsettled.push(...(await slot.settle()));
    try {
      await slot.client.end();
    } catch {
      // It was dead already.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await Promise.all(this.#free.splice(0).map((slot) => this.#end(slot)));
  }
}
