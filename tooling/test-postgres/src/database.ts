/** A database of a test's own. */

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { runOn, testServer, type TestServer } from './server.ts';

export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  /** The superuser's. */
  readonly url: string;
  readonly server: TestServer;
  /** Another connected client, closed at the end of the test. Default: as the superuser. */
  connect(as?: { readonly name: string; readonly password: string }): Promise<pg.Client>;
  /** Leaves the database there, to look into; its name is printed. */
  keep(): void;
}

export interface TestDatabaseOptions {
  /** Default: the test run's server. */
  readonly server?: TestServer;
  /** Part of the name, to find it among others; letters, digits and `_`. Default `test`. */
  readonly label?: string;
  /** The database to copy, which nobody may be connected to. Default: `template0`. */
  readonly template?: string;
}

/**
 * Creates a database. It is dropped when disposed of; inside a vitest test, after the test and only if the test passed: a failed one leaves
 * its database, and prints its name.
 */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const server = options.server ?? (await testServer());
  const name = `${options.label ?? 'test'}_${randomBytes(6).toString('hex')}`;
  await runOn(server, `CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${pg.escapeIdentifier(options.template ?? 'template0')}`);
  const clients: pg.Client[] = [];
  let kept = false;
  let gone = false;

  const drop = async (): Promise<void> => {
    if (gone) return;
    gone = true;
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    if (kept) console.error(whereKept(name, server));
    else await runOn(server, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
  };
  const decidedAfterTest = await afterThisTest(async (outcome) => {
    if (outcome === 'failed') kept = true;
    await drop();
  });

  return {
    name,
    server,
    url: server.url(name),
    async connect(as) {
      const client = new pg.Client({ connectionString: server.url(name, as), application_name: 'test' });
      // The server may end the session (a test kills it, the database is dropped): without a listener that would end the process.
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    keep() {
      kept = true;
    },
    async [Symbol.asyncDispose]() {
      if (!decidedAfterTest) return await drop();
      await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
    },
  };
}

function whereKept(name: string, server: TestServer): string {
  const where = `The test's database is kept: ${name} on ${server.host}:${server.port}`;
  return process.env['TEST_SERVER_ENDS'] === 'with-the-run'
    ? `${where}, which ends with this run. To look into it, run the test on a server that stays: TEST_DATABASE_URL=$(pnpm -s db:url).`
    : `${where}.`;
}

/** Calls back when the running test is over. Returns false where there is no such test: in beforeAll, in a concurrent test, or outside vitest. */
async function afterThisTest(callback: (outcome: 'passed' | 'failed') => Promise<void>): Promise<boolean> {
  if (!process.env['VITEST']) return false;
  try {
    const { onTestFinished } = await import('vitest');
    onTestFinished(({ task }) => callback(task.result?.state === 'fail' ? 'failed' : 'passed'), 30_000);
    return true;
  } catch {
    return false;
  }
}
