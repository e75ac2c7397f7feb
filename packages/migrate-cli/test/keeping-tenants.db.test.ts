/** `migrate tenants`: making, putting away and mending them, and what is refused. Texts are in test/golden/keeping. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, golden, migrate } from './support/command.ts';
import { down, workspace } from './support/folders.ts';
import { keeping, thirdMigration } from './support/tenants.ts';

test('a tenant is put away under another name, and gone for good only when that is said', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const client = await db.connect();
  const at = { cwd: `${place.path}/services/visits`, env: { DATABASE_URL: db.url } };
  await migrate(['up'], { ...at, cwd: place.path });
  await migrate(['tenants', 'create', 'north', 'south'], at);
  await client.query(`INSERT INTO north.team_member VALUES (1, 'Nadia')`);
  const texts: string[] = [];
  const keep = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> => {
    const finished = await migrate(args, { ...at, env: { ...at.env, ...env } });
    const text = golden(args, finished, { [db.name]: 'DATABASE' });
    texts.push(text.replaceAll(/_archived_\d{8}_[0-9a-f]{10}/g, '_archived_ON_DAY').replaceAll(/[\d.]+ kB/g, 'SIZE'));
  };
  await keep(['tenants', 'drop', 'north']);
  await keep(['tenants', 'drop', 'north', '--yes'], { NODE_ENV: 'production' });
  await keep(['tenants', 'drop', 'nort', '--yes']);
  await keep(['tenants', 'drop', 'north', '--yes']);
  await keep(['tenants', 'drop', 'north', '--yes']);
  await keep(['tenants', 'list']);
  const { rows } = await client.query<{ schema: string }>(
    `SELECT schemaname AS schema FROM pg_tables WHERE tablename = 'team_member' AND schemaname !~ '_tpl_' ORDER BY 1`,
  );
  expect(rows.map((row) => row.schema.replace(/_\d{8}_[0-9a-f]{10}$/, ''))).toEqual(['north_archived', 'south']);
  expect((await client.query(`SELECT name FROM ${rows[0]?.schema ?? ''}.team_member`)).rows).toEqual([{ name: 'Nadia' }]);
  await keep(['tenants', 'create', 'north']);
  await keep(['up', '--tenant', 'north']);
  await keep(['tenants', 'restore', 'nort']);
  await keep(['tenants', 'restore', 'north']);
  await keep(['tenants', 'restore', 'north', '--json']);
  expect((await client.query('SELECT name FROM north.team_member')).rows).toEqual([{ name: 'Nadia' }]);
  await keep(['up', '--tenant', 'north']);
  await keep(['tenants', 'drop', 'north', '--yes']);
  await keep(['tenants', 'drop', 'north', '--delete', '--yes']);
  await keep(['tenants', 'drop', 'south', '--delete', '--yes', '--json']);
  await keep(['tenants', 'list', '--json']);
  await expect(texts.join('\n')).toMatchFileSnapshot('golden/keeping/drop.txt');
  expect((await client.query(`SELECT count(*)::int AS count FROM pg_tables WHERE tablename = 'team_member' AND schemaname !~ '_tpl_'`)).rows).toEqual([
    { count: 0 },
  ]);
});

test('several tenants are dropped when all of them are there and meant', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  await migrate(['tenants', 'create', 'north', 'south', 'west'], at);
  expect(await migrate(['tenants', 'drop', 'north', 'sout', '--yes'], at)).toMatchObject({ code: 2, stderr: expect.stringContaining('"sout"') as string });
  expect(await migrate(['tenants', 'drop', 'north', 'south'], at)).toMatchObject({ code: 2 });
  expect((await migrate(['tenants', 'list'], at)).stdout).toContain('3 tenants: 3 active');
  const dropped = await migrate(['tenants', 'drop', 'north', 'south', 'north', '--yes'], at);
  expect(dropped).toMatchObject({ code: 0, stdout: expect.stringMatching(/north {2}put away as .*\n.*south {2}put away as /) as string });
  const deleted = await migrate(['tenants', 'drop', 'north', 'south', '--delete', '--yes', '--json'], at);
  expect(JSON.parse(deleted.stdout)).toMatchObject({ services: [{ tenants: ['north', 'south'].map((id) => ({ id, outcome: 'deleted' })) }] });
  expect((await migrate(['tenants', 'list'], at)).stdout).toContain('1 tenant: 1 active');
});

test('ids with anything in them are refused or harmless, and shown so that they do nothing to a terminal', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const client = await db.connect();
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await client.query('CREATE TABLE precious (id int)');
  await migrate(['up'], at);
  const harmless = ['a"; drop schema public cascade; --', "o'clinic", 'select', 'Klinik Zürich 診療所', '-x', 'a,b', '$(touch pwned)', '%s%n'];
  const refused = ['', ' ', 'a\nb', '\u001b[31mred', 'public', 'PUBLIC', 'pg_toast', 'pg_mine', 'information_schema', 'z'.repeat(64), '診'.repeat(22)];
  const made = await migrate(['tenants', 'create', '--', ...harmless, ...refused], at);
  expect(made.code).toBe(4);
  expect(`${made.stdout}${made.stderr}`).not.toContain('\u001b');
  expect(made.stderr.match(/^✗ /gm)).toHaveLength(refused.length);
  const { rows } = await client.query<{ schema: string }>(
    `SELECT schemaname AS schema FROM pg_tables WHERE tablename = 'team_member' AND schemaname !~ '_tpl_'`,
  );
  expect(rows.map((row) => row.schema).toSorted()).toEqual(harmless.toSorted());
  const list = await migrate(['tenants', 'list'], at);
  expect(list).toMatchObject({ code: 0 });
  expect(list.stdout).toContain(`${harmless.length} active`);
  await place.write(thirdMigration);
  expect(await migrate(['up', '--verbose'], at)).toMatchObject({ code: 0 });
  expect(await migrate(['status', `--tenant=${harmless[0] ?? ''}`], at)).toMatchObject({ code: 0 });
  for (const id of harmless) {
    const dropped = await migrate(['tenants', 'drop', '--delete', '--yes', '--', id], at);
    expect(dropped, id).toMatchObject({ code: 0 });
    expect(dropped.stdout).not.toContain('\u001b');
  }
  expect(
    (await client.query(`SELECT count(*)::int AS count FROM pg_tables WHERE tablename IN ('team_member', 'precious') AND schemaname !~ '_tpl_'`)).rows,
  ).toEqual([{ count: 1 }]);
});

test('a required table that a tenant lost is told, and made again', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const client = await db.connect();
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  await migrate(['tenants', 'create', 'a', 'b', 'c'], at);
  await client.query('DROP TABLE b.vendor');
  const dry = await migrate(['tenants', 'backfill', '--dry-run'], at);
  expect(dry).toMatchObject({ code: 0, stdout: expect.stringMatching(/\+ b +would be made again: vendor/) as string });
  expect(dry.stdout).toContain('    ! it would be EMPTY, but for rows that migrations insert: its own rows are lost. Look for a backup that has them\n');
  expect(dry.stdout).toContain('3 tenants: 1 would be mended; nothing was written.');
  expect((await client.query(`SELECT to_regclass('b.vendor') AS there`)).rows).toEqual([{ there: null }]);
  expect(await migrate(['tenants', 'backfill', '--tenant', 'nobody'], at)).toMatchObject({ code: 2 });
  const whole = await migrate(['tenants', 'backfill', 'a', 'c', '--json'], at);
  expect(JSON.parse(whole.stdout)).toEqual({
    services: [{ service: 'visits', tenants: ['a', 'c'].map((id) => ({ id, created: [], filled: [], failure: null })) }],
  });
  expect(await migrate(['tenants', 'verify', 'a', '--tenant', 'c'], at)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('2 tenants verified') as string,
  });
  expect(await migrate(['tenants', 'verify', 'b'], at)).toMatchObject({ code: 1, stdout: expect.stringContaining('1 tenant verified') as string });
  expect(await migrate(['tenants', 'status', 'nobody'], at)).toMatchObject({ code: 2, stderr: expect.stringContaining('has no tenant "nobody"') as string });
  const mended = await migrate(['tenants', 'backfill'], at);
  expect(mended).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/✓ b +made again: vendor\n +! it is EMPTY, but for .* Look for a backup that has them\n +3 tenants: 1 mended\./) as string,
  });
  expect((await client.query(`SELECT to_regclass('b.vendor') IS NOT NULL AS there`)).rows).toEqual([{ there: true }]);
  expect(await migrate(['tenants', 'backfill', '--dry-run'], at)).toMatchObject({ stdout: expect.stringContaining('all have what they need') as string });
});

test('what cannot be asked is one paragraph and exits 2: no tenants here, too many services, no such command', async () => {
  await using place = await folder({ ...workspace, m: '' });
  const at = { cwd: place.path, env: { DATABASE_URL: 'postgres://127.0.0.1:1/d' } };
  const texts: string[] = [];
  for (const args of [
    ['tenants', 'list'],
    ['tenants', 'list', '--service', 'users'],
    ['tenants', 'create', 'a', '--dir', 'm', '--url', 'postgres://127.0.0.1:1/d'],
    ['tenants', 'creat', 'a'],
    ['tenants', 'create'],
    ['tenants', 'drop', 'a', 'b'],
    ['tenants', 'list', 'a'],
    ['tenants'],
    ['tenants', '--help'],
    ['up', '--source', 'tenant'],
    ['up', '--source', 'both'],
    ['up', '--source', 'shared', '--tenant', 'a'],
    ['down', '--source', 'shared', '--canary', '1'],
    ['tenant', 'list'],
  ]) {
    const finished = await migrate(args, at);
    expect(finished.code, args.join(' ')).toBe(args.includes('--help') ? 0 : 2);
    texts.push(golden(args, finished));
  }
  await expect(texts.join('\n')).toMatchFileSnapshot('golden/keeping/refused.txt');
  expect(await migrate(['help', 'tenants', 'create'], at)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('migrate tenants create [options] <id...>') as string,
  });
});

test('schemas that nobody registered, and registered ones that are gone, are told', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const client = await db.connect();
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  await migrate(['tenants', 'create', 'a', 'b', 'c'], at);
  await client.query(`DROP SCHEMA b CASCADE; DELETE FROM schema_migrations_visits_tenants WHERE id = 'c'`);
  const status = await migrate(['status'], at);
  expect(status).toMatchObject({ code: 4 });
  expect(status.stdout).toContain('c: has a history of this service, and the registry knows no such place');
  expect(status.stdout).toContain('its schema "b" is not on the server, also not under another name');
  expect(status.stdout).toContain('migrate tenants drop b --delete');
  const json = await migrate(['status', '--json', '--source', 'tenant'], at);
  expect(JSON.parse(json.stdout)).toMatchObject({ services: [{ registry: { unknown: ['c'], absent: ['b'] } }] });
  expect(await migrate(['up', '--service', 'visits'], at)).toMatchObject({ code: 4 });
});

test('a schema that somebody renamed is told wherever it is missed, with what puts it back; only --delete forgets the tenant', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const client = await db.connect();
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const texts: string[] = [];
  const keep = async (...args: string[]): Promise<void> => void texts.push(golden(args, await migrate(args, at), { [db.name]: 'DATABASE' }));
  await migrate(['up'], at);
  await migrate(['tenants', 'create', 'north'], at);
  await client.query('ALTER SCHEMA north RENAME TO lost_north');
  await keep('tenants', 'create', 'north');
  await keep('tenants', 'drop', 'north', '--yes');
  await keep('up', '--source', 'tenant');
  await keep('tenants', 'status');
  await keep('status', '--tenant', 'north');
  await keep('tenants', 'verify');
  await keep('tenants', 'backfill');
  await keep('tenants', 'drop', 'north', '--delete', '--yes');
  await expect(texts.join('\n')).toMatchFileSnapshot('golden/keeping/lost.txt');
  expect((await client.query('SELECT FROM lost_north.team_member')).rowCount).toBe(0);
});

test('tenants of another mode than the configuration’s are told by every command about tenants', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  await migrate(['tenants', 'create', 'north', 'south'], at);
  await place.write(keeping('database'));
  const said = '2 tenants have a schema of their own, and tenancy.mode says database: they are left out';
  for (const args of [['tenants', 'list'], ['tenants', 'status'], ['status'], ['up'], ['plan']]) {
    const finished = await migrate(args, at);
    expect(finished, args.join(' ')).toMatchObject({ code: 0, stdout: expect.stringContaining(said) as string });
    expect(finished.stdout).toContain(`set tenancy.mode back to 'schema'`);
    expect(finished.stdout).not.toContain('no tenant yet');
  }
  expect((await migrate(['tenants', 'list', '--json'], at)).stderr).toContain(said);
  const { stdout } = await migrate(['status', '--json', '--source', 'tenant'], at);
  expect(JSON.parse(stdout)).toMatchObject({ services: [{ registry: { leftOut: { mode: 'schema', count: 2 } } }] });
});

test('tenants of a registry of the service’s own are migrated, and made and dropped where the service does', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema', `, query: 'SELECT id, place FROM clinics'`));
  const client = await db.connect();
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await client.query('CREATE TABLE clinics (id text, place text)');
  const none = await migrate(['up'], at);
  expect(none).toMatchObject({ code: 0, stdout: expect.stringContaining('the query of its own registry (tenancy.query) returns nobody') as string });
  await client.query(`INSERT INTO clinics VALUES ('1', 'at_1'), ('2', 'at_2'); CREATE SCHEMA at_1; CREATE SCHEMA at_2`);
  expect(await migrate(['up'], at)).toMatchObject({ code: 0, stdout: expect.stringContaining('2 tenants: 2 applied') as string });
  expect(await migrate(['status', '--tenant', '2', '--exit-code'], at)).toMatchObject({ code: 0 });
  expect(await migrate(['tenants', 'list'], at)).toMatchObject({ code: 0, stdout: expect.stringContaining('2 tenants: 2 active') as string });
  const refused = await migrate(['tenants', 'create', '3'], at);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is its own (tenancy.query), which is only read') as string });
  expect(await migrate(['tenants', 'drop', '1', '--yes'], at)).toMatchObject({ code: 2 });
});

test('a tenant whose making failed is told with the reason and what comes first, and is gone on with', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  await place.write({
    'services/visits/migrations/0002_create_one.sql': down('', 'CREATE FUNCTION one() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;', 'DROP FUNCTION one();'),
    'services/visits/tenant-migrations/0003_use_one.sql': down('', 'CREATE TABLE uses (id int DEFAULT one());', 'DROP TABLE uses;'),
  });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const early = await migrate(['tenants', 'create', 'a'], at);
  expect(early).toMatchObject({ code: 5, stderr: expect.stringContaining('0001_create_team requires users@0001') as string });
  await migrate(['up', '--service', 'users'], at);
  const failed = await migrate(['tenants', 'create', 'a'], at);
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('function one() does not exist') as string });
  expect(failed.stderr).toContain('what the tenants of visits share is not there yet: migrate up --service visits --source shared. Then create it again');
  const status = await migrate(['status'], at);
  expect(status).toMatchObject({ code: 0, stdout: expect.stringMatching(/visits tenants +0 tenants .* 1 not whole/) as string });
  expect(status.stdout).toMatch(/✗ a: making it failed: .*\n {2}→ go on with: migrate tenants create a/);
  for (const command of [['status'], ['tenants', 'status']])
    expect(await migrate([...command, '--exit-code'], at)).toMatchObject({ code: 1, stdout: expect.stringContaining('1 not whole') as string });
  const backfill = await migrate(['tenants', 'backfill'], at);
  expect(backfill.stdout).toContain('No active tenant, so there is nothing to mend.\n  1 tenant is not whole, since making it never ended');
  expect(backfill.stdout).not.toContain('all have what they need');
  expect(await migrate(['up', '--tenant', 'a'], at)).toMatchObject({ code: 2, stderr: expect.stringContaining('is not whole: making it failed') as string });
  const up = await migrate(['up', '--service', 'visits'], at);
  expect(up).toMatchObject({ code: 0, stdout: expect.stringContaining('1 tenant is not whole. Go on with: migrate tenants create a') as string });
  expect(await migrate(['tenants', 'create', 'a'], at)).toMatchObject({ code: 0 });
  expect(await migrate(['status', '--tenant', 'a', '--exit-code'], at)).toMatchObject({ code: 0 });
  await (await db.connect()).query(`UPDATE schema_migrations_visits_tenants SET status = 'failed', failure = 'no' WHERE id = 'a'`);
  await migrate(['tenants', 'create', 'b'], at);
  const some = await migrate(['tenants', 'status', '--exit-code'], at);
  expect(some).toMatchObject({ code: 4, stdout: expect.stringContaining('1 tenant, 1 more not whole') as string });
  expect((await migrate(['tenants', 'status'], at)).code).toBe(0);
});
