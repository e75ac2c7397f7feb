/** A pooler with few server connections lets us wait for ourselves, since the guardian keeps one. */

import { setTimeout as sleep } from 'node:timers/promises';

import { MigrationError } from '../errors.ts';
import { Session, type DatabaseClient } from '../session.ts';
import { NO_SECOND_CONNECTION } from './again.ts';

const LIMIT_MS = 10_000;

/** Throws `connection` when this connection gets no answer while the guardian has one. */
async function answersInTime(session: Session): Promise<void> {
  const limit = new AbortController();
  const answer = session.read('SELECT 1').finally(() => limit.abort());
  const slow = await sleep(LIMIT_MS, true, { signal: limit.signal }).catch(() => false);
  if (!slow) return void (await answer);
  answer.catch(() => undefined);
  await session.abandon();
  throw new MigrationError({
    code: 'connection',
    message: `making a tenant needs two connections to the service's database at once, and the second one got no answer for ${LIMIT_MS / 1000} s`,
    hint: 'give the pooler a pool of at least two connections for each tenant that is made at the same time, or connect to PostgreSQL directly',
    cause: NO_SECOND_CONNECTION,
  });
}

/** The second connection to the service's database, opened beside what the first one is still asked. */
export class SecondConnection {
  readonly #open: () => Promise<DatabaseClient>;
  #client: Promise<DatabaseClient> | null = null;
  #session: Session | null = null;

  constructor(open: () => Promise<DatabaseClient>) {
    this.#open = open;
  }

  /** It will be needed. */
  begin(): void {
    this.#client ??= this.#open();
    // Whoever uses it is told.
    this.#client.catch(() => undefined);
  }

  /** Throws what opening it throws, and `connection` where it gets no answer. */
  async use(): Promise<{ readonly session: Session; readonly client: DatabaseClient }> {
    this.begin();
    const client = await (this.#client as Promise<DatabaseClient>);
    if (this.#session === null) {
      this.#session = new Session(client);
      await answersInTime(this.#session);
    }
    return { session: this.#session, client };
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => null);
    if (client != null) await (this.#session ?? new Session(client)).close();
  }
}
