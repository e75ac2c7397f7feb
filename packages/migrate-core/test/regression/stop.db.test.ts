import { setTimeout as sleep } from 'node:timers/promises';

import { requirePgBouncer, startPgBouncer, testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createMigrator, listSource, MigrationError } from '../../src/index.ts';
import { connectTo, failureOf, folder, migratorOn, versions } from '../support/target.ts';
import { within } from '../support/within.ts';

test('a second connection that is never had does not hang a transactional migration', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_slow.sql': 'SELECT pg_sleep(1.5);\n' });
  let opened = 0;
  const connect = (): ReturnType<typeof connectTo> => (opened++ === 0 ? connectTo(db.url) : new Promise(() => undefined));
  const report = await within(10_000, migratorOn(db, files.path, { connect }).migrator.up());
  expect(versions(report.applied)).toEqual(['0001']);
});

test('an abort ends a run within ten seconds when the pooler has one connection', async (context) => {
  requirePgBouncer(context);
  await using db = await testDatabase();
  await using pool = await startPgBouncer({ poolSize: 1 });
  await using files = await folder({ '0001_slow.sql': 'SELECT pg_sleep(20);\n' });
  const stop = new AbortController();
  const run = failureOf(migratorOn(db, files.path, { connect: () => connectTo(pool.url(db.name)), signal: stop.signal }).migrator.up());
  await sleep(1_500);
  stop.abort();
  try {
    expect((await within(10_000, run)).code).toBe('aborted');
  } finally {
    await run.catch(() => undefined);
  }
});

test('an abort ends a query of a live migration', async () => {
  await using db = await testDatabase();
  const stop = new AbortController();
  const source = listSource([{ version: '0001', description: 'live', up: async (pgm) => void (await pgm.db.query('SELECT pg_sleep(20)')), down: false }]);
  const run = failureOf(createMigrator({ service: 'test', source, connect: () => connectTo(db.url), signal: stop.signal }).up());
  await sleep(1_000);
  stop.abort();
  try {
    expect((await within(10_000, run)).code).toBe('aborted');
  } finally {
    await run.catch(() => undefined);
  }
});

test('an abort ends a run that waits for the history table', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);\n' });
  await migratorOn(db, files.path).migrator.up();
  await files.write({ '0002_b.sql': 'CREATE TABLE b (id int);\n' });
  const other = await db.connect();
  await other.query('BEGIN; LOCK TABLE schema_migrations_test');
  const stop = new AbortController();
  const run = failureOf(migratorOn(db, files.path, { signal: stop.signal }).migrator.up());
  await sleep(500);
  stop.abort();
  try {
    expect((await within(10_000, run)).code).toBe('aborted');
  } finally {
    await other.query('COMMIT');
    await run.catch(() => undefined);
  }
});

test('an abort ends a run within ten seconds when the server has gone', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_slow.sql': 'SELECT pg_sleep(20);\n' });
  let gone = false;
  const stop = new AbortController();
  const connect = (): ReturnType<typeof connectTo> => (gone ? Promise.reject(new Error('connect ECONNREFUSED')) : connectTo(db.url));
  const run = failureOf(migratorOn(db, files.path, { connect, signal: stop.signal }).migrator.up());
  await sleep(500);
  gone = true;
  const other = await db.connect();
  await other.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '/*migrate run=%' AND datname = current_database()`);
  await sleep(300);
  stop.abort();
  try {
    expect(['aborted', 'connection']).toContain((await within(10_000, run)).code);
  } finally {
    await run.catch(() => undefined);
  }
});

test('a guardian that cannot connect fails the run with its report', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_t.sql': 'CREATE TABLE t (id int);\n',
    '0002_u.sql': 'CREATE TABLE u (id int);\n',
    '0003_i.sql': 'CREATE INDEX CONCURRENTLY t_id ON t (id);\n',
  });
  let opened = 0;
  const connect = (): ReturnType<typeof connectTo> =>
    opened++ === 0 ? connectTo(db.url) : Promise.reject(Object.assign(new Error('too many connections'), { code: '53300' }));
  const error = await failureOf(migratorOn(db, files.path, { connect }).migrator.up());
  expect(versions(error.report?.applied ?? [])).toEqual(['0001', '0002']);
});

test('a connection that dies while waiting for the lock is a MigrationError', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_slow.sql': 'SELECT pg_sleep(4);\n' });
  const first = migratorOn(db, files.path).migrator.up();
  await sleep(500);
  const waiting = migratorOn(db, files.path, {
    connect: async () => {
      const client = await connectTo(db.url);
      await client.query(`SET application_name = 'waiter'`);
      return client;
    },
  }).migrator.up();
  const outcome = waiting.then(
    (report) => report.outcome,
    (error: unknown) => (error instanceof MigrationError ? error.code : `raw ${String(error)}`),
  );
  await sleep(1_000);
  const other = await db.connect();
  await other.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waiter'`);
  await first;
  expect(['connection', 'upToDate']).toContain(await outcome);
});
