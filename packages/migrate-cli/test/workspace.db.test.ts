/** Several services: which ones a command is about, and in which order. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, golden, migrate } from './support/command.ts';
import { down, workspace } from './support/folders.ts';

interface Document {
  readonly services: readonly { readonly service: string; readonly targets: readonly Record<string, unknown>[] }[];
}

const parse = (text: string): Document => JSON.parse(text) as Document;

test('at the root: all services at one URL, what is needed first comes first, and down the other way round', async () => {
  await using db = await testDatabase();
  await using place = await folder(workspace);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const keep = async (name: string, ...args: readonly string[]): Promise<void> => {
    await expect(golden(args, await migrate(args, at), { [db.name]: 'DATABASE' })).toMatchFileSnapshot(`golden/workspace/${name}`);
  };
  await keep('plan.txt', 'plan');
  await keep('up.txt', 'up');
  await keep('status.txt', 'status');
  await keep('down-refused.txt', 'down', '--service', 'users');
  await keep('down-several.txt', 'down');
  await keep('plan-down.txt', 'plan', '--down');
  await keep('down.txt', 'down', '--yes');
  await keep('status-after.txt', 'status', '--service', 'users,app', '--exit-code');
  await keep('to-of-several.txt', 'up', '--to', '1');
  await keep('unknown-service.txt', 'up', '--service', 'user');
});

test('inside a service’s folder it is that service, and what it requires is asked of the others', async () => {
  await using db = await testDatabase();
  await using place = await folder(workspace);
  const env = { DATABASE_URL: db.url };
  const inside = { cwd: `${place.path}/services/billing/migrations`, env };
  const refused = await migrate(['up', '--json'], inside);
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain('0001_create_bills requires users@2, but users has applied nothing');
  expect(parse(refused.stdout)).toMatchObject({
    services: [{ service: 'billing', targets: [{ outcome: 'failed', failed: { code: 'unmetRequirement', version: '0001' } }] }],
  });
  expect(await migrate(['up', '--service', 'users'], inside)).toMatchObject({ code: 0 });
  expect(await migrate(['up'], inside)).toMatchObject({ code: 0 });
});

test('a database of their own each: the requirement is learned from the other’s', async () => {
  await using users = await testDatabase();
  await using rest = await testDatabase();
  await using place = await folder(workspace);
  const env = { USERS_DATABASE_URL: users.url, DATABASE_URL: rest.url };
  const run = await migrate(['up', '--json'], { cwd: place.path, env });
  expect(run.code).toBe(0);
  expect(parse(run.stdout).services.map((one) => [one.service, one.targets[0]?.['target'], one.targets[0]?.['applied']])).toEqual([
    ['users', users.name, ['0001', '0002']],
    ['billing', rest.name, ['0001']],
    ['app', rest.name, ['0001']],
  ]);
  expect(await migrate(['down', '--only', '1'], { cwd: `${place.path}/services/users`, env })).toMatchObject({ code: 1 });
});

test('when one service fails, those after it are not begun, and the exit code is its', async () => {
  await using db = await testDatabase();
  await using place = await folder(workspace);
  await place.write({ 'services/billing/migrations/0002_broken.sql': 'SELECT nothing;' });
  const run = await migrate(['up', '--json'], { cwd: place.path, env: { DATABASE_URL: db.url } });
  expect(run.code).toBe(1);
  expect(parse(run.stdout).services.map((one) => [one.service, one.targets[0]?.['outcome']])).toEqual([
    ['users', 'applied'],
    ['billing', 'failed'],
    ['app', 'notRun'],
  ]);
});

test('one service out of reach does not hide the others from status', async () => {
  await using db = await testDatabase();
  await using place = await folder(workspace);
  const run = await migrate(['status', '--json'], { cwd: place.path, env: { DATABASE_URL: db.url, BILLING_DATABASE_URL: 'postgres://127.0.0.1:1/nowhere' } });
  expect(run.code).toBe(1);
  expect(parse(run.stdout).services.map((one) => [one.service, one.targets[0]?.['problems']])).toEqual([
    ['users', []],
    ['billing', [{ code: 'connection', version: null, message: expect.stringContaining('nothing listens') as string }]],
    ['app', []],
  ]);
});

test('a local server that does not start is told of once, with the services that wanted it', async () => {
  await using place = await folder({
    ...workspace,
    'migrate.workspace.mjs': `export default { services: ['services/*'], localDatabase: async () => { throw new Error('the port is taken'); } };\n`,
  });
  const table = await migrate(['status'], { cwd: place.path });
  expect(table.code).toBe(1);
  expect(table.stdout.split('the port is taken')).toHaveLength(2);
  expect(table.stdout).toMatch(/✗ users, billing, app: .*the port is taken/);
  const json = await migrate(['status', '--json'], { cwd: place.path });
  expect(json.stderr.split('the port is taken')).toHaveLength(2);
});

test('a requirement that no dependency covers, a circle, and a wrong configuration are refused before anything runs', async () => {
  await using place = await folder(workspace);
  const at = { cwd: place.path, env: { DATABASE_URL: 'postgres://127.0.0.1:1/d' } };
  await place.write({ 'services/users/migrations/0003_x.sql': down('-- migrate: requires=app@1\n', 'SELECT 1;', 'SELECT 1;') });
  const backwards = await migrate(['up'], at);
  expect(backwards.code).toBe(2);
  expect(backwards.stderr).toMatch(/users 0003_x requires app@1, but .* One of the two must do without the other/);
  await place.write({ 'services/users/package.json': '{ "name": "users", "dependencies": { "app": "workspace:*" } }' });
  const circle = await migrate(['plan'], at);
  expect(circle.code).toBe(2);
  expect(circle.stderr).toContain('in a circle: app → billing → users → app');
  await place.write({ 'services/app/migrate.config.ts': `export default { name: 'app', migrations: 'm', database: 'd', tabel: 'x' };` });
  const unknownKey = await migrate(['status'], at);
  expect(unknownKey.code).toBe(2);
  expect(unknownKey.stderr).toContain('unknown key "tabel"');
});

test('a configuration sees what .env says, as the service does that is started with it; the process wins', async () => {
  await using db = await testDatabase();
  await using place = await folder({
    ...workspace,
    '.env': 'BILLING_TABLE=from_file\nPGOPTIONS=-c search_path=nowhere\n',
    'services/billing/migrate.config.ts': `export default { name: 'billing', migrations: './migrations', database: 'billing_db', history: { table: process.env.BILLING_TABLE ?? 'none' } };\n`,
  });
  const client = await db.connect();
  const tables = async (): Promise<string[]> =>
    (await client.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relname IN ('from_file', 'from_process', 'none') ORDER BY 1`)).rows.map(
      (row) => row.name,
    );
  const run = (env: Record<string, string>) => migrate(['up', '--service', 'users,billing'], { cwd: place.path, env: { DATABASE_URL: db.url, ...env } });
  expect((await run({})).code).toBe(0);
  expect(await tables()).toEqual(['from_file']);
  await run({ BILLING_TABLE: 'from_process' });
  expect(await tables()).toContain('from_process');
});

test('variables come from .env beside the service, from --env-file, and from the process, which wins', async () => {
  await using db = await testDatabase();
  await using place = await folder(workspace);
  await place.write({
    'services/users/.env': 'USERS_DATABASE_URL=postgres://127.0.0.1:1/from_dotenv\n',
    'other.env': 'DATABASE_URL=postgres://127.0.0.1:1/from_file\n',
  });
  const cwd = `${place.path}/services/users`;
  expect((await migrate(['status'], { cwd })).stderr).toContain('/from_dotenv (from USERS_DATABASE_URL)');
  expect((await migrate(['status', '--env-file', '../../other.env'], { cwd })).stderr).toContain('/from_file (from DATABASE_URL)');
  expect(await migrate(['status'], { cwd, env: { USERS_DATABASE_URL: db.url } })).toMatchObject({ code: 0 });
});

test('create follows the style of the folder and overwrites nothing', async () => {
  await using place = await folder(workspace);
  const cwd = place.path;
  const env = {};
  const first = await migrate(['create', 'add phone', '--service', 'users', '--json'], { cwd, env });
  expect(JSON.parse(first.stdout)).toEqual({ service: 'users', name: '0003_add_phone', files: ['services/users/migrations/0003_add_phone.sql'] });
  const again = await migrate(['create', 'add phone', '--format', 'pair'], { cwd: `${cwd}/services/users` });
  expect(again.stdout).toBe('+ migrations/0004_add_phone.up.sql\n+ migrations/0004_add_phone.down.sql\n');
  expect(await migrate(['create', 'x'], { cwd })).toMatchObject({ code: 2 });
  const elsewhere = await migrate(['create', 'first', '--dir', 'new/folder', '--format', 'ts'], { cwd });
  expect(elsewhere).toMatchObject({ code: 0, stdout: '+ new/folder/0001_first.ts\n' });
});
