import { setTimeout as sleep } from 'node:timers/promises';

import { requirePgBouncer, startPgBouncer, testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { connectTo, failureOf, folder, migratorOn, rows, type Files } from './support/target.ts';
import { startMigrating, type Ended } from './support/processes.ts';

/** Fourteen migrations, three concurrent builds among them. */
function manyFiles(): Files {
  const files: Record<string, string> = {};
  for (let n = 1; n <= 14; n++) {
    const number = String(n).padStart(4, '0');
    files[`${number}_m.sql`] =
      n % 4 === 0
        ? `CREATE INDEX CONCURRENTLY t${n - 1}_i ON t${n - 1} (a);\n`
        : `CREATE TABLE t${n} (id int PRIMARY KEY, a int);\nINSERT INTO t${n} SELECT g, g FROM generate_series(1, 200) g;\n`;
  }
  return files;
}

async function expectComplete(db: TestDatabase, files: Files): Promise<void> {
  const names = Object.keys(files).map((name) => name.replace('.sql', ''));
  expect((await rows<{ name: string }>(db, `SELECT name FROM schema_migrations_test WHERE state = 'applied' ORDER BY name`)).map((row) => row.name)).toEqual(
    names,
  );
  const log = await rows<{ name: string; times: string }>(
    db,
    `SELECT name, count(*) AS times FROM schema_migrations_test_log WHERE action = 'up' GROUP BY name ORDER BY name`,
  );
  expect(log.map((row) => `${row.name} ${row.times}`)).toEqual(names.map((name) => `${name} 1`));
  expect(await rows(db, 'SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid')).toEqual([]);
  expect(await rows(db, `SELECT 1 FROM pg_class WHERE relname ~ '^t[0-9]+_i$'`)).toHaveLength(3);
}

function failures(ended: readonly Ended[]): string[] {
  return ended.filter((one) => one.outcome !== 'applied' && one.outcome !== 'upToDate').map((one) => `${one.outcome} ${one.code} ${one.message}`);
}

test('twenty processes at once on an empty database apply each migration once, without an error', async () => {
  const files = manyFiles();
  await using directory = await folder(files);
  await using db = await testDatabase();
  const ended = await Promise.all(Array.from({ length: 20 }, () => startMigrating(directory.path, db.url).ended));
  expect(failures(ended)).toEqual([]);
  expect(ended.flatMap((one) => one.applied).toSorted()).toEqual(Object.keys(files).map((name) => name.replace('.sql', '')));
  await expectComplete(db, files);
}, 120_000);

test('the same through PgBouncer in transaction mode', async (context) => {
  requirePgBouncer(context);
  const files = manyFiles();
  await using directory = await folder(files);
  await using db = await testDatabase();
  await using bouncer = await startPgBouncer({ server: db.server, poolSize: 5 });
  const url = bouncer.url(db.name);
  const ended = await Promise.all(Array.from({ length: 20 }, () => startMigrating(directory.path, url).ended));
  expect(failures(ended)).toEqual([]);
  await expectComplete(db, files);
}, 180_000);

test('processes killed at random moments leave what the next run completes', async () => {
  const files = manyFiles();
  await using directory = await folder(files);
  for (let round = 0; round < 6; round++) {
    await using db = await testDatabase();
    const doomed = Array.from({ length: 4 }, () => startMigrating(directory.path, db.url));
    // Counted from the first trace in the database, so that the kills fall into the work and not into the start of Node.
    const watcher = await db.connect();
    for (;;) {
      const { rows: found } = await watcher.query(`SELECT to_regclass('schema_migrations_test') IS NOT NULL AS begun`);
      if ((found[0] as { begun: boolean }).begun) break;
      await sleep(5);
    }
    for (const one of doomed) void sleep(Math.random() * 200).then(() => one.process.kill('SIGKILL'));
    await Promise.all(doomed.map((one) => one.ended));
    const last = await startMigrating(directory.path, db.url).ended;
    expect(failures([last])).toEqual([]);
    await expectComplete(db, files);
  }
}, 180_000);

test('fifty starts with nothing pending do not wait for whoever holds the lock', async () => {
  await using directory = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);' });
  await using db = await testDatabase();
  await migratorOn(db, directory.path).migrator.up();
  await using later = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);', '0002_slow.sql': 'SELECT pg_sleep(4);' });
  const holder = migratorOn(db, later.path).migrator.up();
  await sleep(500);
  const began = performance.now();
  const reports = await Promise.all(Array.from({ length: 50 }, () => migratorOn(db, directory.path).migrator.up()));
  expect(performance.now() - began).toBeLessThan(2_500);
  expect(new Set(reports.map((report) => report.outcome))).toEqual(new Set(['upToDate']));
  await holder;
});

test('whoever waits longer than the limit is told who holds the lock, since when, doing what', async () => {
  await using directory = await folder({ '0001_slow.sql': 'SELECT pg_sleep(3);', '0002_b.sql': 'CREATE TABLE b (id int);' });
  await using db = await testDatabase();
  const holder = migratorOn(db, directory.path).migrator.up();
  await sleep(500);
  const { migrator, events } = migratorOn(db, directory.path, { waitLimitMs: 500 });
  const error = await failureOf(migrator.up());
  expect(error.code).toBe('lockTimeout');
  expect(error.message).toMatch(/^gave up after waiting \d\.\d s for the migration lock/);
  expect(error.message).toMatch(/held by pid \d+ \(postgres, migrate test, active, for \d/);
  expect(events.some((event) => event.type === 'waitingForLock')).toBe(true);
  const status = await migratorOn(db, directory.path).migrator.status();
  expect(status.running?.name).toBe('0001_slow');
  await holder;
});

test('two services in one database do not wait for each other', async () => {
  await using slow = await folder({ '0001_slow.sql': 'SELECT pg_sleep(2);' });
  await using quick = await folder({ '0001_b.sql': 'CREATE TABLE b (id int);' });
  await using db = await testDatabase();
  const first = migratorOn(db, slow.path, { service: 'user' }).migrator.up();
  await sleep(300);
  const began = performance.now();
  await migratorOn(db, quick.path, { service: 'patient' }).migrator.up();
  expect(performance.now() - began).toBeLessThan(1_000);
  await first;
});

test('a pool of one connection is said to be too small, not waited for', async (context) => {
  requirePgBouncer(context);
  await using directory = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);', '0002_i.sql': 'CREATE INDEX CONCURRENTLY a_i ON a (id);' });
  await using db = await testDatabase();
  await using bouncer = await startPgBouncer({ server: db.server, poolSize: 1 });
  const { migrator } = migratorOn(db, directory.path, { connect: () => connectTo(bouncer.url(db.name)) });
  const error = await failureOf(migrator.up());
  expect(error.code).toBe('connection');
  expect(error.message).toContain('two connections');
}, 60_000);

test('a connect that gives no second connection, as a pool of one in the same process, is not waited for either', async () => {
  await using directory = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);', '0002_i.sql': 'CREATE INDEX CONCURRENTLY a_i ON a (id);' });
  await using db = await testDatabase();
  let given = 0;
  const { migrator } = migratorOn(db, directory.path, { connect: () => (given++ === 0 ? connectTo(db.url) : new Promise(() => undefined)) });
  const error = await failureOf(migrator.up());
  expect(error).toMatchObject({ code: 'connection', message: expect.stringContaining('two connections') as string });
  expect((await migratorOn(db, directory.path).migrator.status()).applied.map((one) => one.name)).toEqual(['0001_a']);
}, 60_000);
