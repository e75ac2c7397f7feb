import { setTimeout as sleep } from 'node:timers/promises';

import { runOn, startServer, testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { directorySource, verify } from '../src/index.ts';
import { connectTo, failureOf, folder, migratorOn, rows, versions } from './support/target.ts';

const slow = {
  '0001_a.sql': 'CREATE TABLE a (id int);',
  '0002_slow.sql': 'CREATE TABLE slow (id int); SELECT pg_sleep(1.5); CREATE TABLE slow2 (id int);',
  '0003_c.sql': 'CREATE TABLE c (id int);',
};

async function runningPid(db: TestDatabase): Promise<number> {
  for (;;) {
    const found = await rows<{ pid: number }>(
      db,
      `SELECT pid FROM pg_stat_activity WHERE query LIKE '/*migrate run=%' AND state = 'active' AND wait_event = 'PgSleep'`,
    );
    if (found[0] !== undefined) return found[0].pid;
    await sleep(30);
  }
}

test('a session that an administrator ends stops the run, which says so and leaves a line in the log', async () => {
  await using db = await testDatabase();
  await using files = await folder(slow);
  const { migrator, events } = migratorOn(db, files.path);
  const run = failureOf(migrator.up());
  await rows(db, `SELECT pg_terminate_backend(${await runningPid(db)})`);
  const error = await run;
  expect(error).toMatchObject({ code: 'migrationFailed', sqlState: '57P01', migration: '0002_slow' });
  expect(error.message).toContain('an administrator ended the session');
  expect(error.message).toContain('rolled back');
  expect(error.hint).toContain('migrate up');
  expect(versions(error.report?.applied ?? [])).toEqual(['0001']);
  expect(error.report).toMatchObject({ outcome: 'failed', notRun: ['0003_c'] });
  expect(events.filter((event) => event.type === 'failed')).toHaveLength(1);
  expect((await migrator.log())[0]).toMatchObject({ action: 'failed', name: '0002_slow', detail: expect.stringContaining('57P01') });
  expect(versions((await migrator.up()).applied)).toEqual(['0002', '0003']);
});

test('a session that transaction_timeout ends is not opened again and again, and the way that is named lifts it', async (context) => {
  await using db = await testDatabase();
  if (Number((await rows<{ v: string }>(db, `SELECT current_setting('server_version_num') AS v`))[0]?.v) < 170_000) return context.skip();
  await rows(db, `ALTER DATABASE "${db.name}" SET transaction_timeout = '400ms'`);
  await using files = await folder(slow);
  const { migrator, events } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error).toMatchObject({ code: 'migrationFailed', sqlState: '25P04', migration: '0002_slow' });
  expect(error.message).toContain('transaction_timeout ended the session');
  expect(error.hint).toContain('SET transaction_timeout = 0; in front of its first statement');
  expect(events.filter((event) => event.type === 'started' && event.name === '0002_slow')).toHaveLength(1);
  expect((await migrator.log())[0]).toMatchObject({ action: 'failed', name: '0002_slow', detail: expect.stringContaining('25P04') });
  await files.write({ '0002_slow.sql': `SET transaction_timeout = 0;\n${slow['0002_slow.sql']}` });
  expect(versions((await migratorOn(db, files.path).migrator.up()).applied)).toEqual(['0002', '0003']);
});

test('a search path without a schema, and a role that reads only, are named as what is wrong', async () => {
  await using db = await testDatabase();
  await rows(db, `ALTER DATABASE "${db.name}" SET search_path = nowhere`);
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);' });
  expect(await failureOf(migratorOn(db, files.path).migrator.up())).toMatchObject({
    sqlState: '3F000',
    hint: expect.stringContaining('search_path'),
  });
  await rows(db, `ALTER DATABASE "${db.name}" RESET search_path; ALTER DATABASE "${db.name}" SET default_transaction_read_only = on`);
  await files.write({ '0001_a.sql': '-- migrate: transaction=none\nCREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);' });
  expect(await failureOf(migratorOn(db, files.path).migrator.up())).toMatchObject({
    sqlState: '25006',
    hint: expect.stringContaining('default_transaction_read_only'),
  });
});

test('one of several transactions that an administrator ends is recorded as interrupted', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': '-- migrate: transaction=none\nCREATE TABLE a (id int);\nSELECT pg_sleep(1.5);\n' });
  const { migrator } = migratorOn(db, files.path);
  const run = failureOf(migrator.up());
  await rows(db, `SELECT pg_terminate_backend(${await runningPid(db)})`);
  const error = await run;
  expect(error.sqlState).toBe('57P01');
  expect(error.message).toContain('interrupted');
  expect((await migrator.log())[0]?.action).toBe('failed');
  expect((await migrator.up()).outcome).toBe('applied');
});

test('a server that is restarted in the middle: the history is read again and the run goes on', async () => {
  await using server = await startServer();
  await runOn(server, 'CREATE DATABASE restarted');
  await using files = await folder(slow);
  const { migrator, events } = migratorOn({ url: server.url('restarted') } as TestDatabase, files.path);
  const run = migrator.up();
  while (!events.some((event) => event.type === 'started' && event.name === '0002_slow')) await sleep(10);
  await sleep(300);
  // The server says 57P01, as it does to a session that is terminated.
  await server.stop('fast');
  await server.start();
  expect(versions((await run).applied)).toEqual(['0001', '0002', '0003']);
  expect(events.some((event) => event.type === 'notice' && event.message.includes('terminating connection due to administrator command'))).toBe(true);
  expect((await migrator.log()).map((entry) => entry.name).toReversed()).toEqual(['0001_a', '0002_slow', '0003_c']);
}, 60_000);

test('the socket vanishes while the server works: nothing is reported before the outcome is known', async () => {
  await using db = await testDatabase();
  await using files = await folder(slow);
  const clients: Awaited<ReturnType<typeof connectTo>>[] = [];
  const { migrator } = migratorOn(db, files.path, {
    connect: async () => {
      const client = await connectTo(db.url);
      clients.push(client);
      return client;
    },
  });
  const run = migrator.up();
  await runningPid(db);
  (clients[0] as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  const report = await run;
  expect(versions(report.applied)).toEqual(['0001', '0002', '0003']);
  expect(await rows(db, `SELECT name FROM schema_migrations_test ORDER BY seq`)).toEqual([{ name: '0001_a' }, { name: '0002_slow' }, { name: '0003_c' }]);
});

test('a server that vanishes for good is said to be unknown, within bounds', async () => {
  await using server = await startServer();
  await runOn(server, 'CREATE DATABASE doomed');
  const db = { url: server.url('doomed') } as TestDatabase;
  // The last one is not sent along, since it runs by itself.
  await using files = await folder({ ...slow, '0003_c.sql': '-- migrate: transaction=none\nCREATE TABLE c (id int);\n' });
  const { migrator, events } = migratorOn(db, files.path);
  const run = failureOf(migrator.up());
  while (!events.some((event) => event.type === 'started' && event.name === '0002_slow')) await sleep(10);
  await sleep(300);
  await server.stop('immediate');
  const error = await run;
  expect(error.code).toBe('connection');
  expect(error.message).toContain('not known');
  expect(error.report?.outcome).not.toBe('applied');
  // What was under way is not among what was not run.
  const { applied = [], unknown = [], notRun } = error.report ?? {};
  expect(unknown).toContain('0002_slow');
  expect(notRun).toEqual(['0003_c']);
  expect([...applied.map((step) => step.name), ...unknown]).toEqual(['0001_a', '0002_slow']);
  await server.start();
  expect((await migratorOn(db, files.path).migrator.up()).outcome).toBe('applied');
  const status = await migratorOn(db, files.path).migrator.status();
  expect(status.applied).toHaveLength(3);
}, 60_000);

test('an abort cancels the statement in the server and leaves a true record', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...slow, '0002_slow.sql': 'CREATE TABLE slow (id int); SELECT pg_sleep(60);' });
  const stop = new AbortController();
  const { migrator } = migratorOn(db, files.path, { signal: stop.signal });
  const run = failureOf(migrator.up());
  await runningPid(db);
  const began = performance.now();
  stop.abort();
  const error = await run;
  expect(performance.now() - began).toBeLessThan(3_000);
  expect(error.code).toBe('aborted');
  expect(error.report?.outcome).toBe('interrupted');
  expect(versions(error.report?.applied ?? [])).toEqual(['0001']);
  expect(error.report?.notRun).toEqual(['0003_c']);
  expect(await rows(db, `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`)).toEqual([]);
  expect((await migratorOn(db, files.path).migrator.status()).pending.map((one) => one.version)).toEqual(['0002', '0003']);
});

test('a table held by a reader is retried until it is free, its holder named, and other readers go on', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);', '0002_b.sql': 'ALTER TABLE a ADD COLUMN b int;' });
  await migratorOn(db, files.path).migrator.up({ to: '1' });
  const reader = await db.connect();
  await reader.query("SET application_name = 'the report'; BEGIN; SELECT * FROM a");
  const { migrator, events } = migratorOn(db, files.path, { lockTimeoutMs: 1_000 });
  const run = migrator.up();
  const other = await db.connect();
  let longest = 0;
  for (const until = performance.now() + 5_000; performance.now() < until;) {
    const began = performance.now();
    await other.query('SELECT * FROM a');
    longest = Math.max(longest, performance.now() - began);
    await sleep(20);
  }
  await reader.query('COMMIT');
  expect((await run).outcome).toBe('applied');
  expect(longest).toBeLessThan(1_500);
  const blocked = events.find((event) => event.type === 'blocked');
  expect(blocked?.type === 'blocked' && blocked.blockers[0]).toMatchObject({ application: 'the report', state: 'idle in transaction' });
  expect(events.filter((event) => event.type === 'retrying').length).toBeGreaterThan(1);
});

test('a lock that is not to be had within the limit fails and names the holder', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);', '0002_b.sql': 'ALTER TABLE a ADD COLUMN b int;' });
  await migratorOn(db, files.path).migrator.up({ to: '1' });
  const reader = await db.connect();
  await reader.query("BEGIN; SELECT * FROM a WHERE id = 4711 AND 'Amina' <> ''");
  const error = await failureOf(migratorOn(db, files.path, { lockTimeoutMs: 800, retryLimitMs: 1_000 }).migrator.up());
  expect(error.code).toBe('lockTimeout');
  expect(error.hint).toContain('idle in transaction');
  expect(error.hint).not.toContain('Amina');
  expect(error.hint).not.toContain('4711');
});

const twice = {
  '0001_a.sql': 'CREATE TABLE IF NOT EXISTS a (id int);\n-- Down Migration\nDROP TABLE a;\n',
  '0002_rows.sql': 'INSERT INTO a VALUES (1);\n-- Down Migration\nDELETE FROM a;\n',
};

test.each([
  ['dropped', 'DROP TABLE schema_migrations_test', 'gone'],
  ['emptied', 'TRUNCATE schema_migrations_test', 'empty'],
])('a history that somebody has %s does not let its migrations run again', async (_, sql, word) => {
  await using db = await testDatabase();
  await using files = await folder(twice);
  const { migrator } = migratorOn(db, files.path);
  await migrator.up();
  await rows(db, sql);
  const error = await failureOf(migratorOn(db, files.path, { signal: AbortSignal.timeout(20_000) }).migrator.up());
  expect(error).toMatchObject({ code: 'planRefused', problems: [{ code: 'historyLost', name: '0002_rows', version: '0002' }] });
  expect(error.message).toContain(`is ${word}, while its log tells of 2 that are applied, the newest of them 0002_rows`);
  expect((await failureOf(migrator.down())).code).toBe('planRefused');
  for (const { problems } of [await migrator.status(), (await migrator.plan({ direction: 'up' })).plan]) expect(problems[0]?.code).toBe('historyLost');
  const [finding] = (await verify({ service: 'test', source: directorySource(files.path), connect: () => connectTo(db.url), scratch: 'none' })).findings;
  expect(finding).toMatchObject({ code: 'notMigrated', message: expect.stringContaining(`is ${word}, while`) });
  expect(await rows(db, 'SELECT count(*)::int AS rows FROM a')).toEqual([{ rows: 1 }]);
  // What the message says to type.
  await migrator.repair({ markApplied: ['1', '2'] });
  expect((await migrator.up()).outcome).toBe('upToDate');
  expect((await migrator.log()).map(({ seq }) => seq)).toEqual([4, 3, 2, 1]);
});

test('a history whose migrations were all undone, or whose log was dropped with it, is begun anew', async () => {
  await using db = await testDatabase();
  await using files = await folder(twice);
  const { migrator } = migratorOn(db, files.path);
  await migrator.up();
  await migrator.down({ steps: 2 });
  expect((await migrator.status()).problems).toEqual([]);
  expect((await migrator.up({ steps: 1 })).applied).toHaveLength(1);
  // Of one migration everything is undone before it is done again.
  expect((await migrator.plan({ direction: 'up' }, { undone: '0001_a' })).plan.problems).toEqual([]);
  await migrator.repair({ markUndone: ['1'] });
  expect((await migrator.up()).applied).toHaveLength(2);
  await rows(db, 'DROP TABLE a, schema_migrations_test, schema_migrations_test_log');
  expect((await migrator.up()).applied).toHaveLength(2);
});
