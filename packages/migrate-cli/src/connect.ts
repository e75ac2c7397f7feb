/** From a chosen connection to an open one. The only file that uses the driver. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { ChosenConnection, Connect, DatabaseClient } from '@org/migrate-core';
import { displayConnection, tlsOf } from '@org/migrate-core';
import type { ClientConfig } from 'pg';

const CONNECT_TIMEOUT_MS = 15_000;
const LOOK_AGAIN_MS = 500;

export interface ConnectOptions {
  /** How long to keep trying while the server is not up. Milliseconds; 0: one attempt. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
  /** Told once, when the waiting begins. */
  readonly onWait: (message: string) => void;
}

/** Opens connections of one service; throws `MigrationError` `connection` in words for people. */
export class Connector {
  readonly #choose: () => Promise<ChosenConnection>;
  readonly #options: ConnectOptions;
  #begun: Promise<DatabaseClient> | null = null;
  #told = false;
  /** From then on the signal is not asked: what cancels a running migration needs a connection of its own. */
  #reached = false;

  constructor(choose: () => Promise<ChosenConnection>, options: ConnectOptions) {
    this.#choose = choose;
    this.#options = options;
  }

  /** Opens the first connection while the caller does something else, such as reading files. */
  begin(): void {
    this.#begun = this.#open();
    // Whoever connects gets the error; nobody may.
    this.#begun.catch(() => undefined);
  }

  /** Closes a connection that was begun and that nobody took: it would keep the process alive. */
  async abandon(): Promise<void> {
    const client = await this.#begun?.catch(() => null);
    this.#begun = null;
    await client?.end();
  }

  readonly connect: Connect = () => {
    const begun = this.#begun ?? this.#open();
    this.#begun = null;
    return begun;
  };

  /** A connection to another database of the same server. */
  connectTo(database: string): Promise<DatabaseClient> {
    return this.#open(database);
  }

  async #open(database: string | null = null): Promise<DatabaseClient> {
    const { waitMs, signal, onWait } = this.#options;
    const choosing = this.#choose();
    const { Client } = await import('#driver');
    const named = await choosing;
    const chosen = database === null ? named : inDatabase(named, database);
    const until = performance.now() + waitMs;
    for (;;) {
      try {
        const opening = open(Client, chosen);
        const client = await (this.#reached ? opening : unlessAborted(opening, signal));
        this.#reached = true;
        return client;
      } catch (error) {
        if (!this.#reached) signal.throwIfAborted();
        const { connectError, mayComeUp } = await import('./connect-error.ts');
        if (signal.aborted || !mayComeUp(error, chosen) || performance.now() >= until) throw connectError(error, chosen);
        if (!this.#told) onWait(connectError(error, chosen).message);
        this.#told = true;
        await sleep(LOOK_AGAIN_MS, undefined, { signal });
      }
    }
  }
}

/** The same server, another database. */
export function inDatabase({ source, settings }: ChosenConnection, database: string): ChosenConnection {
  // The password is hidden from whatever lists properties, and has to stay so.
  const there = Object.defineProperty({ ...settings, database }, 'password', { value: settings.password, enumerable: false });
  return { source, settings: there, display: displayConnection(there) };
}

/** A server that does not answer is not waited for once somebody has said stop. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** The way in for whoever opens connections as they come. */
export function connector(choose: () => Promise<ChosenConnection>, options: ConnectOptions): Connect {
  return new Connector(choose, options).connect;
}

type Client = new (config: ClientConfig) => DatabaseClient & { connect(): Promise<unknown> };

async function open(Client: Client, chosen: ChosenConnection): Promise<DatabaseClient> {
  const config = clientConfig(chosen);
  try {
    return await attempt(Client, config);
  } catch (error) {
    // `prefer` and `allow` mean: with TLS if the server has it.
    const mode = chosen.settings.parameters['sslmode'];
    if ((mode !== 'prefer' && mode !== 'allow') || !/does not support SSL/.test((error as Error).message)) throw error;
    return attempt(Client, { ...config, ssl: false });
  }
}

async function attempt(Client: Client, config: ClientConfig): Promise<DatabaseClient> {
  const client = new Client(config);
  // Until a session listens: a socket that dies now must not end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

function clientConfig({ settings, source }: ChosenConnection): ClientConfig {
  const { host, port, user, password, database, parameters } = settings;
  const seconds = Number(parameters['connect_timeout']);
  return {
    host,
    port,
    user,
    database,
    ssl: tlsOf(settings, source),
    ...driverPassword(password),
    application_name: parameters['application_name'] ?? 'migrate',
    ...(parameters['options'] === undefined ? {} : { options: parameters['options'] }),
    connectionTimeoutMillis: seconds > 0 ? seconds * 1_000 : CONNECT_TIMEOUT_MS,
    // A guard's connection is idle for as long as an index is built: firewalls forget such connections.
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
  };
}

/**
 * Sources never mix: PGPASSWORD belongs to PG*, and the driver would take it for any of them. Without it the driver looks into
 * `~/.pgpass`, which names its server itself.
 */
function driverPassword(password: string | null): Pick<ClientConfig, 'password'> {
  if (password !== null) return { password };
  return process.env['PGPASSWORD'] ? { password: (() => undefined) as unknown as () => string } : {};
}
