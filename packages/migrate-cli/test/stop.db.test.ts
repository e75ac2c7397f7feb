/** Signals, locks and other sessions: the process ends in time, with the right exit code, and the record is true. */

import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migrate, start } from './support/command.ts';
import { down } from './support/folders.ts';

async function until(db: TestDatabase, query: string): Promise<void> {
  const client = await db.connect();
  for (let attempt = 0; attempt < 300; attempt++) {
    if ((await client.query(query)).rows.length > 0) return;
    await sleep(50);
  }
  throw new Error(`never true: ${query}`);
}

const sleeping = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep' AND datname = current_database()";

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('%s during a long statement cancels it in the server, records what was done, and exits %i', async (signal, code) => {
  await using db = await testDatabase();
  await using place = await folder({
    'm/0001_a.sql': down('', 'CREATE TABLE a (id int);', 'DROP TABLE a;'),
    'm/0002_b.sql': 'CREATE TABLE b (id int);\nSELECT pg_sleep(60);',
  });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const running = start(['up', '--dir', 'm', '--json'], at);
  await until(db, sleeping);
  const began = performance.now();
  running.process.kill(signal);
  // As a terminal and pnpm do, each for itself.
  await sleep(50);
  running.process.kill(signal);
  const { code: ended, stdout, stderr } = await running.finished;
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(ended).toBe(code);
  expect(stderr).toContain(`${signal}: cancelling what runs in the server`);
  expect(JSON.parse(stdout)).toMatchObject({
    services: [{ targets: [{ outcome: 'interrupted', applied: ['0001'], failed: { code: 'aborted', version: '0002' } }] }],
  });
  const client = await db.connect();
  expect((await client.query(sleeping)).rows).toEqual([]);
  expect((await client.query('SELECT name FROM schema_migrations ORDER BY seq')).rows).toEqual([{ name: '0001_a' }]);
});

test('status shows what runs, and whom it waits for; a second run gives up waiting with exit 5', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_a.sql': 'CREATE TABLE a (id int);', 'm/0002_b.sql': 'ALTER TABLE a ADD COLUMN b int;' });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  expect(await migrate(['up', '--dir', 'm', '--to', '1'], at)).toMatchObject({ code: 0 });
  const reader = await db.connect();
  await reader.query('BEGIN');
  await reader.query("SELECT 'secret of a patient', * FROM a");
  const running = start(['up', '--dir', 'm', '--lock-timeout', '30s'], at);
  await until(db, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '/*migrate%' AND datname = current_database()");
  const status = await migrate(['status', '--dir', 'm'], at);
  expect(status.stdout).toMatch(/0002_b runs now in pid \d+/);
  expect(status.stdout).toMatch(/it waits for pid \d+ .*SELECT '…', \* FROM a/);
  expect(status.stdout).not.toContain('secret');
  const second = await migrate(['up', '--dir', 'm', '--lock-wait', '300ms'], at);
  expect(second.code).toBe(5);
  expect(second.stderr).toContain('gave up after waiting');
  await reader.query('COMMIT');
  expect(await running.finished).toMatchObject({ code: 0 });
});

test('status names the migration that waits among those that were sent together, its statements without literals, and each wait once', async () => {
  await using db = await testDatabase();
  await using place = await folder({
    'm/0001_a.sql': 'CREATE TABLE a (id int);',
    'm/0002_b.sql': 'CREATE TABLE b (id int);',
    'm/0003_c.sql': "CREATE TABLE c (id int);\nINSERT INTO b VALUES (1234567);\nALTER TABLE a ADD COLUMN note text DEFAULT 'secret';",
  });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  expect(await migrate(['up', '--dir', 'm', '--to', '1'], at)).toMatchObject({ code: 0 });
  const reader = await db.connect();
  await reader.query('BEGIN');
  await reader.query('SELECT * FROM a');
  // Each attempt waits anew.
  const running = start(['up', '--dir', 'm', '--lock-timeout', '1s'], at);
  const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '/*migrate%' AND datname = current_database()";
  // The first attempt, with 0002_b in one transaction, is the shortest.
  await until(db, "SELECT 1 FROM schema_migrations WHERE name = '0002_b'");
  let status = await migrate(['status', '--dir', 'm'], at);
  for (let attempt = 0; attempt < 20 && !status.stdout.includes('wants AccessExclusiveLock'); attempt++) {
    await until(db, waiting);
    status = await migrate(['status', '--dir', 'm'], at);
  }
  expect(status.stdout).toMatch(
    /▶ m: 0003_c runs now in pid \d+ \([^)]*, wants AccessExclusiveLock on a\): CREATE TABLE c; INSERT INTO b VALUES; ALTER TABLE a ADD COLUMN note text/,
  );
  expect(status.stdout.match(/it waits for/g)).toHaveLength(1);
  expect(status.stdout).not.toMatch(/secret|1234567|BEGIN/);
  await sleep(2_500);
  await reader.query('COMMIT');
  const { code, stdout, stderr } = await running.finished;
  expect(code).toBe(0);
  expect(`${stdout}${stderr}`).toMatch(/0003_c lost against other sessions/);
  expect(`${stdout}${stderr}`.match(/waits for a lock .*/g)).toEqual([expect.stringMatching(/^waits for a lock on a held by pid \d+/)]);
});

test('a folder that was removed under the shell is told in one paragraph', async () => {
  const place = await folder({ 'gone/x': '' });
  const program = fileURLToPath(new URL('../bin/migrate.js', import.meta.url));
  const line = `cd gone && rm -r ../gone && exec "$0" "$1" status`;
  const end = spawnSync('sh', ['-c', line, process.execPath, program], { cwd: place.path, encoding: 'utf8' });
  await place[Symbol.asyncDispose]();
  expect(end.stderr).toContain('✗ The folder in which this was started is not there any more.');
  expect(end.stderr).not.toContain('    at ');
  expect(end.status).toBe(2);
});
