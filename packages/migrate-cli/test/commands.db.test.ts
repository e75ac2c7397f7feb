/** What the commands print on one folder of migrations, as files to read: test/golden. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, golden, migrate } from './support/command.ts';
import { clinic, down } from './support/folders.ts';

test('the life of a folder: plan, up, status, log, down, and their documents', async () => {
  await using db = await testDatabase();
  await using place = await folder({ ...clinic, 'm/notes.txt': 'nothing' });
  const env = { DATABASE_URL: db.url };
  const at = { cwd: place.path, env };
  const replace = { [db.name]: 'DATABASE' };
  const keep = async (name: string, ...args: readonly string[]): Promise<void> => {
    await expect(golden(args, await migrate(args, at), replace)).toMatchFileSnapshot(`golden/${name}`);
  };
  await keep('status-before.txt', 'status', '--dir', 'm');
  await keep('plan.txt', 'plan', '--dir', 'm', '--verbose');
  await keep('plan.json.txt', 'plan', '--dir', 'm', '--json');
  await keep('up-dry-run.txt', 'up', '--dir', 'm', '--to', '2', '--dry-run');
  await keep('up.txt', 'up', '--dir', 'm', '--steps', '1');
  await keep('up.json.txt', 'up', '--dir', 'm', '--json');
  await keep('up-again.txt', 'up', '--dir', 'm');
  await keep('up-again.json.txt', 'up', '--dir', 'm', '--json');
  await keep('status.txt', 'status', '--dir', 'm', '--exit-code');
  await keep('status.json.txt', 'status', '--dir', 'm', '--json');
  await keep('plan-down.txt', 'plan', '--dir', 'm', '--down', '--to', '1');
  await keep('redo.txt', 'redo', '--dir', 'm', '--yes');
  await keep('down.txt', 'down', '--dir', 'm');
  await keep('status-pending.txt', 'status', '--dir', 'm', '--exit-code');
  await keep('redo-after-down.txt', 'redo', '--dir', 'm', '--yes');
  await keep('down.json.txt', 'down', '--dir', 'm', '--to', '0001_create_clinics', '--yes', '--json');
  await keep('down-again.json.txt', 'down', '--dir', 'm', '--only', '1', '--json');
  await keep('log.txt', 'log', '--dir', 'm');
  await keep('log.json.txt', 'log', '--dir', 'm', '--limit', '1', '--json');
});

test('what is wrong with a history is shown by status, and refused by up with what to type', async () => {
  await using db = await testDatabase();
  await using place = await folder(clinic);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const replace = { [db.name]: 'DATABASE' };
  await migrate(['up', '--dir', 'm'], at);
  await place.write({ 'm/0001_create_clinics.sql': down('', 'CREATE TABLE clinics (id bigint);', 'DROP TABLE clinics;'), 'm/0002_between.sql': 'SELECT 1;' });
  const duplicate = ['up', '--dir', 'm'];
  await expect(golden(duplicate, await migrate(duplicate, at), replace)).toMatchFileSnapshot('golden/up-duplicate.txt');
  await using other = await folder({ ...clinic, 'm/0001_create_clinics.sql': 'CREATE TABLE clinics (id bigint);', 'm/0000_first.sql': 'SELECT 1;' });
  const there = { ...at, cwd: other.path };
  for (const [name, args] of [
    ['status-problems.txt', ['status', '--dir', 'm']],
    ['up-refused.txt', ['up', '--dir', 'm']],
    ['up-refused.json.txt', ['up', '--dir', 'm', '--json']],
    ['plan-refused.txt', ['plan', '--dir', 'm']],
  ] as const) {
    await expect(golden(args, await migrate(args, there), replace)).toMatchFileSnapshot(`golden/${name}`);
  }
});

test('--order allow runs a migration below the newest; without it the way is told', async () => {
  await using db = await testDatabase();
  await using place = await folder(clinic);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  await place.write({ 'm/0000_before.sql': 'CREATE TABLE early (id int);' });
  const strict = await migrate(['up', '--dir', 'm'], at);
  expect(strict).toMatchObject({ code: 1 });
  expect(strict.stderr).toContain('--order allow');
  expect(await migrate(['up', '--dir', 'm', '--order', 'allow'], at)).toMatchObject({ code: 0 });
  expect(JSON.parse((await migrate(['status', '--dir', 'm', '--json'], at)).stdout)).toMatchObject({
    services: [{ targets: [{ current: '0003', pending: [] }] }],
  });
});

test('--atomic undoes everything when one migration fails', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_a.sql': 'CREATE TABLE a (id int);', 'm/0002_b.sql': 'SELECT 1 / (SELECT count(*) FROM a);' });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const run = await migrate(['up', '--dir', 'm', '--atomic', '--json'], at);
  expect(run.code).toBe(1);
  expect(JSON.parse(run.stdout)).toMatchObject({
    services: [{ targets: [{ outcome: 'failed', applied: [], failed: { version: '0002', sqlState: '22012' } }] }],
  });
  const client = await db.connect();
  expect((await client.query("SELECT to_regclass('a') AS a")).rows).toEqual([{ a: null }]);
});

test('a table, a schema and a history elsewhere are where the flags say', async () => {
  await using db = await testDatabase();
  await using place = await folder(clinic);
  const client = await db.connect();
  await client.query('CREATE SCHEMA "odd ""name"');
  const args = ['up', '--dir', 'm', '--url', db.url, '--schema', 'odd "name', '--table', 'a"; drop schema public cascade; --'];
  expect(await migrate(args, { cwd: place.path })).toMatchObject({ code: 0 });
  const { rows } = await client.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'odd "name' ORDER BY 1`);
  expect(rows.map((row) => row.tablename as string)).toEqual([
    'a"; drop schema public cascade; --',
    'a"; drop schema public cascade; --_log',
    'a"; drop schema public cascade; --_scripts',
    'clinics',
  ]);
  expect((await client.query("SELECT count(*)::int AS n FROM pg_namespace WHERE nspname = 'public'")).rows).toEqual([{ n: 1 }]);
});

test('the version at the end is the database’s, also where another process did the work', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_slow.sql': 'CREATE TABLE slow (id int); SELECT pg_sleep(2);', 'm/0002_next.sql': 'CREATE TABLE next (id int);' });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const client = await db.connect();
  const first = migrate(['up', '--dir', 'm'], at);
  await expect
    .poll(async () => (await client.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`)).rowCount, {
      timeout: 10_000,
    })
    .toBe(1);
  const second = await migrate(['up', '--dir', 'm'], at);
  expect((await first).stdout).toContain('2 migrations applied');
  expect(second.stdout).toMatch(/waiting for another migration run/);
  expect(second.stdout).toContain('Nothing to do: m is at 0002.');
});

test('a folder that holds only folders of migrations names them', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'all/users/0001_a.sql': 'SELECT 1;', 'all/billing/0001_b.sql': 'SELECT 1;', 'all/notes/readme.md': '' });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  for (const command of ['up', 'status']) {
    const { code, stdout } = await migrate([command, '--dir', 'all'], at);
    expect(code).toBe(0);
    expect(stdout).toContain('There is no migration in this folder itself, but in all/billing, all/users; name one of them: --dir all/billing');
  }
});

test('a redo of a file that cannot be parsed undoes nothing, and says where the mistake is', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_a.sql': 'CREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;\n' });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  await place.write({ 'm/0001_a.sql': 'CREATE TABEL a (id int);\n-- Down Migration\nDROP TABLE a;\n' });
  const broken = await migrate(['redo', '--dir', 'm', '--yes'], at);
  expect(broken).toMatchObject({ code: 1 });
  expect(broken.stderr).toMatch(/0001_a\.sql:1:8/);
  expect(broken.stderr).toContain('nothing was undone');
  expect(JSON.parse((await migrate(['status', '--dir', 'm', '--json'], at)).stdout)).toMatchObject({ services: [{ targets: [{ current: '0001' }] }] });
  await place.write({ 'm/0001_a.sql': 'CREATE TABLE a (id int, name text);\n-- Down Migration\nDROP TABLE a;\n' });
  expect(await migrate(['redo', '--dir', 'm', '--yes'], at)).toMatchObject({ code: 0 });
});
