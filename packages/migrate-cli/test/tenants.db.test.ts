/** `up`, `down`, `status` and `plan` over many tenants: what they print is in test/golden/tenants. */

import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, golden, migrate, start } from './support/command.ts';
import { workspace } from './support/folders.ts';
import { clinicNames, createTenants, perTenant, schemasQuery, timesApplied } from './support/tenants.ts';

const SCHEMAS = ['--dir', 'm', '--tenant-schemas', schemasQuery] as const;

interface Documented {
  readonly services: readonly { readonly stopped?: string | null; readonly targets: readonly Record<string, unknown>[] }[];
}

function targetsOf(text: string): readonly Record<string, unknown>[] {
  return (JSON.parse(text) as Documented).services.flatMap((service) => service.targets);
}

test('the life of a fleet: one tenant fails, the others are done; after the repair only it is touched; and down again', async () => {
  await using db = await testDatabase();
  await using place = await folder(perTenant);
  const names = clinicNames(14);
  const client = await createTenants(db, names);
  await client.query('CREATE TABLE clinic_07.vendor (id int)');
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const keep = async (name: string, ...args: readonly string[]): Promise<void> => {
    const line = [...args, ...SCHEMAS];
    await expect(golden(line, await migrate(line, at), { [db.name]: 'DATABASE' })).toMatchFileSnapshot(`golden/tenants/${name}.txt`);
  };
  await keep('plan', 'plan');
  await keep('status-before', 'status');
  await keep('up', 'up');
  await keep('status', 'status', '--exit-code');
  await keep('status-one', 'status', '--tenant', 'clinic_07');
  await keep('plan-groups', 'plan', '--verbose');
  await keep('plan-groups.json', 'plan', '--json');
  await keep('up.json', 'up', '--json', '--concurrency', '1', '--tenant', 'clinic_06', '--tenant', 'clinic_07');
  await keep('down-different', 'down');
  await client.query('DROP TABLE clinic_07.vendor');
  await keep('up-repaired', 'up');
  await keep('up-again', 'up', '--verbose', '--tenant', 'clinic_01,clinic_02');
  await keep('status.json', 'status', '--json', '--tenant', 'clinic_01');
  await keep('down-one', 'down', '--tenant', 'clinic_01', '--yes');
  await keep('down-without-terminal', 'down', '--to', '2');
  await keep('down', 'down', '--to', '2', '--yes');
  await keep('down.json', 'down', '--steps', '1', '--yes', '--json', '--concurrency', '1', '--tenant', 'clinic_01,clinic_02');
  await keep('status-pending', 'status', '--exit-code');
  await keep('status-each', 'status', '--verbose');
  expect(await timesApplied(client, names)).toEqual({ '0001_create_team': [1], '0002_create_vendors': [1], '0003_index_names': [1] });
});

test('tenants whose migrations are in another folder are told, and canaries behind whom nobody is left keep nobody back', async () => {
  await using db = await testDatabase();
  await using place = await folder({ ...perTenant, 'empty/README.md': 'nothing yet', 'broken/0001_team.sql': 'SELECT nothing;\n' });
  const names = clinicNames(5);
  await createTenants(db, names);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const broken = await migrate(['up', '--dir', 'broken', '--tenant-schemas', schemasQuery, '--canary', '5'], at);
  expect(broken).toMatchObject({ code: 1, stdout: expect.not.stringContaining('were not begun') as string });
  expect(await migrate(['up', ...SCHEMAS], at)).toMatchObject({ code: 0 });
  const line = ['up', '--dir', 'empty', '--tenant-schemas', schemasQuery];
  const empty = await migrate(line, at);
  expect(empty.code).toBe(0);
  await expect(golden(line, empty, { [db.name]: 'DATABASE' })).toMatchFileSnapshot('golden/tenants/up-elsewhere.txt');
});

test('--json has one target for each tenant, and tells when of all only for the one that was read', async () => {
  await using db = await testDatabase();
  await using place = await folder(perTenant);
  const names = clinicNames(30);
  await createTenants(db, names);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const up = await migrate(['up', '--json', ...SCHEMAS], at);
  expect(up).toMatchObject({ code: 0 });
  const targets = targetsOf(up.stdout);
  expect(targets.map((one) => String(one['tenant'])).toSorted()).toEqual(names);
  expect(targets[0]).toEqual({
    target: `${db.name}.${String(targets[0]?.['tenant'])}`,
    tenant: expect.any(String) as string,
    outcome: 'applied',
    applied: ['0001', '0002', '0003'],
    undone: [],
    failed: null,
    durationMs: expect.any(Number) as number,
  });
  const status = targetsOf((await migrate(['status', '--json', ...SCHEMAS], at)).stdout);
  expect(status).toHaveLength(30);
  const read = status.filter((one) => (one['applied'] as { appliedAt: string | null }[])[0]?.appliedAt !== null);
  expect(read).toHaveLength(1);
  expect(status.find((one) => one['tenant'] === 'clinic_30')).toMatchObject({
    database: db.name,
    schema: 'clinic_30',
    current: '0003',
    pending: [],
    problems: [],
    applied: [{ version: '0001', name: '0001_create_team', checksum: expect.stringMatching(/^[0-9a-f]{64}$/) as string }, {}, {}],
  });
});

test('a database for each tenant: one that does not exist fails alone, with what to do', async () => {
  await using db = await testDatabase();
  await using first = await testDatabase();
  await using second = await testDatabase();
  await using place = await folder(perTenant);
  const client = await db.connect();
  await client.query('CREATE TABLE clinics (database_name text)');
  await client.query(`INSERT INTO clinics VALUES ($1), ($2), ('no_such_clinic')`, [first.name, second.name]);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const where = ['--dir', 'm', '--tenant-databases', 'SELECT database_name FROM clinics'];
  const up = await migrate(['up', '--json', ...where], at);
  expect(up.code).toBe(4);
  const targets = targetsOf(up.stdout);
  expect(targets.find((one) => one['tenant'] === first.name)).toMatchObject({ target: first.name, outcome: 'applied', applied: ['0001', '0002', '0003'] });
  expect(targets.find((one) => one['tenant'] === 'no_such_clinic')).toMatchObject({ outcome: 'failed', failed: { code: 'connection', sqlState: '3D000' } });
  expect(up.stderr).toContain('there is no database "no_such_clinic" on this server');
  const status = await migrate(['status', ...where], at);
  expect(status.code).toBe(4);
  expect(status.stdout).toContain('3 tenants, 1 cannot be read');
  const named = await migrate(['status', ...where, '--tenant', `${second.name},no_such_clinic`], at);
  expect(named).toMatchObject({ code: 4, stdout: expect.stringContaining(`${second.name}: version 0003, 3 applied, 0 pending`) as string });
  expect(named.stdout).toContain('there is no database "no_such_clinic" on this server');
  const one = [...where, '--tenant', second.name];
  expect(await migrate(['down', '--yes', ...one], at)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('This will undo 0003_index_names in one tenant') as string,
  });
  expect(targetsOf((await migrate(['status', '--json', ...one], at)).stdout)).toMatchObject([
    { target: second.name, database: second.name, schema: 'public', tenant: second.name, current: '0002' },
  ]);
  // The database that the query ran on is nobody's.
  expect((await client.query(`SELECT to_regclass('schema_migrations') AS history`)).rows).toEqual([{ history: null }]);
});

test('exit codes: 1 when all failed or a canary did, 4 when some did, and 1 when the rest was left out', async () => {
  await using db = await testDatabase();
  await using place = await folder(perTenant);
  const names = clinicNames(8);
  const client = await createTenants(db, names);
  await client.query('CREATE TABLE clinic_01.vendor (id int); CREATE TABLE clinic_05.vendor (id int)');
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const canary = await migrate(['up', '--canary', '2', ...SCHEMAS, '--json'], at);
  expect(canary.code).toBe(1);
  expect(JSON.parse(canary.stdout)).toMatchObject({ services: [{ stopped: 'canary' }] });
  const outcomes = targetsOf(canary.stdout).map((one) => one['outcome'] as string);
  expect(outcomes.filter((one) => one === 'notRun')).toHaveLength(6);
  expect(await migrate(['up', '--max-failures', '1', '--concurrency', '1', ...SCHEMAS], at)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('As many failed as --max-failures allows') as string,
  });
  expect(await migrate(['up', '--tenant', 'clinic_01,clinic_05', ...SCHEMAS], at)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('2 tenants: 2 failed') as string,
    stderr: expect.stringContaining('clinic_01, clinic_05: relation "vendor" already exists') as string,
  });
  expect((await migrate(['up', ...SCHEMAS], at)).code).toBe(4);
  expect((await migrate(['up', ...SCHEMAS, '--to', '77'], at)).code).toBe(2);
  expect((await migrate(['status', '--exit-code', ...SCHEMAS], at)).code).toBe(3);
});

test('names with quotes, spaces and statements in them are names, and nothing else', async () => {
  await using db = await testDatabase();
  await using place = await folder(perTenant);
  const names = ['a"; drop schema public cascade; --', "o'clinic", 'select', 'Klinik Zürich 診療所', `x${'y'.repeat(62)}`, '\u001b[31mred'];
  const client = await createTenants(db, names);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const up = await migrate(['up', '--verbose', ...SCHEMAS], at);
  expect(up).toMatchObject({ code: 0 });
  expect(up.stdout).not.toContain('\u001b');
  expect(await migrate(['status', '--tenant', names[0] ?? '', ...SCHEMAS], at)).toMatchObject({ code: 0 });
  expect(await migrate(['down', '--yes', ...SCHEMAS], at)).toMatchObject({ code: 0 });
  const { rows } = await client.query<{ schema: string }>(
    `SELECT schemaname AS schema FROM pg_tables WHERE tablename = 'team_member' ORDER BY schemaname COLLATE "C"`,
  );
  expect(rows.map((row) => row.schema).toSorted()).toEqual(names.toSorted());
  expect((await client.query(`SELECT to_regclass('public.tenants') IS NOT NULL AS there`)).rows).toEqual([{ there: true }]);
});

test('what cannot be done is one paragraph, exits 2, and touches nothing', async () => {
  await using db = await testDatabase();
  await using place = await folder(perTenant);
  const client = await createTenants(db, clinicNames(3));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const texts: string[] = [];
  const up = (...args: readonly string[]): readonly string[] => ['up', '--dir', 'm', ...args];
  const query = (text: string): readonly string[] => up('--tenant-schemas', text);
  for (const args of [
    up('--tenant-schemas', schemasQuery, '--tenant-databases', schemasQuery),
    up('--tenant', 'clinic_01'),
    up('--concurrency', '8'),
    up('--tenant-schemas', schemasQuery, '--schema', 'public'),
    up('--tenant-schemas', schemasQuery, '--tenant', 'clinc_01'),
    up('--tenant-schemas', schemasQuery, '--tenant', 'somebody-else'),
    up('--tenant-schemas', schemasQuery, '--concurrency', '0'),
    query('SELECT schema_name FROM clinics'),
    query('SELECT schema_name, 1 FROM tenants'),
    query('SELECT NULL::text'),
    query('DELETE FROM tenants RETURNING schema_name'),
    query('COMMIT; DROP TABLE tenants; SELECT 1'),
    query(`SELECT unnest(ARRAY['clinic_01', 'public', 'pg_toast', '', repeat('z', 64)])`),
    up('--tenant-databases', `SELECT unnest(ARRAY['postgres', 'template1'])`),
    ['plan', '--dir', 'm', '--canary', '1'],
  ]) {
    const finished = await migrate(args, at);
    expect(finished).toMatchObject({ code: 2, stdout: '' });
    texts.push(golden(args, finished, { [db.name]: 'DATABASE' }));
  }
  await expect(texts.join('\n')).toMatchFileSnapshot('golden/tenants/refused.txt');
  const { rows } = await client.query(`SELECT count(*)::int AS tables FROM pg_tables WHERE tablename LIKE 'schema_migrations%'`);
  expect(rows).toEqual([{ tables: 0 }]);
  expect((await client.query('SELECT FROM tenants')).rowCount).toBe(3);
  const json = await migrate([...query('SELECT schema_name FROM clinics'), '--json'], at);
  expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'invalidOptions', sqlState: '42P01' } });
});

test('a fleet without tenants has nothing to do; production is not undone by accident; of several services one is named', async () => {
  await using db = await testDatabase();
  await using place = await folder({ ...perTenant, ...workspace });
  await createTenants(db, clinicNames(3));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const none = ['--dir', 'm', '--tenant-schemas', 'SELECT schema_name FROM tenants WHERE false'];
  for (const command of ['up', 'down', 'status', 'plan']) {
    expect(await migrate([command, ...none], at)).toMatchObject({ code: 0, stdout: expect.stringContaining('there is nothing to do') as string });
  }
  expect(targetsOf((await migrate(['up', '--json', ...none], at)).stdout)).toEqual([]);
  expect(await migrate(['up', ...SCHEMAS], at)).toMatchObject({ code: 0 });
  const production = await migrate(['down', '--yes', ...SCHEMAS], { ...at, env: { ...at.env, NODE_ENV: 'production' } });
  expect(production).toMatchObject({ code: 2 });
  expect(production.stderr).toContain('undo 0003_index_names in 3 tenants, for m; the data in what is dropped is lost');
  const several = await migrate(['up', '--url', db.url, '--tenant-schemas', schemasQuery], { cwd: place.path });
  expect(several).toMatchObject({ code: 2 });
  expect(several.stderr).toContain('--tenant-schemas names the tenants of one service: add --service');
});

test('a service’s tenants have its history table, each in its own schema', async () => {
  await using db = await testDatabase();
  await using place = await folder(workspace);
  const client = await createTenants(db, clinicNames(2));
  const line = ['--service', 'users', '--url', db.url, '--tenant-schemas', schemasQuery];
  expect(await migrate(['up', ...line], { cwd: place.path })).toMatchObject({ code: 0 });
  const { rows } = await client.query<{ place: string }>(
    `SELECT schemaname || '.' || tablename AS place FROM pg_tables WHERE tablename IN ('users', 'schema_migrations_users') ORDER BY 1`,
  );
  expect(rows.map((row) => row.place)).toEqual([
    'clinic_01.schema_migrations_users',
    'clinic_01.users',
    'clinic_02.schema_migrations_users',
    'clinic_02.users',
  ]);
});

test('a failure names the command that puts it right, with whom and with the query; repair and log take both', async () => {
  await using db = await testDatabase();
  await using place = await folder(perTenant);
  const client = await createTenants(db, clinicNames(5));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const texts: string[] = [];
  const keep = async (...args: readonly string[]): Promise<void> => {
    texts.push(golden(args, await migrate(args, at), { [db.name]: 'DATABASE' }));
  };
  await migrate(['up', ...SCHEMAS], at);
  await client.query(`UPDATE clinic_02.schema_migrations SET checksum = repeat('0', 64) WHERE name = '0002_create_vendors'`);
  await keep('up', ...SCHEMAS);
  await keep('status', ...SCHEMAS);
  await keep('repair', '0002', ...SCHEMAS);
  await keep('repair', '--tenant', 'clinic_03', '0002', '--yes', ...SCHEMAS);
  await keep('repair', '0009', ...SCHEMAS);
  const told = /migrate (repair --tenant clinic_02 --dir m) --tenant-schemas "([^"]+)" (\S+)/.exec((await migrate(['up', ...SCHEMAS], at)).stderr);
  const [, words = '', query = '', version = ''] = told ?? [];
  expect(query).toBe(schemasQuery);
  // As it was told, with nothing added but the consent.
  await keep(...words.split(' '), '--tenant-schemas', query, version, '--yes');
  await keep('up', ...SCHEMAS);
  await keep('log', '--limit', '2', '--json', '--tenant', 'clinic_02', ...SCHEMAS);
  await keep('repair', '--mark-undone', '3', '--yes', '--json', ...SCHEMAS);
  await expect(texts.join('\n')).toMatchFileSnapshot('golden/tenants/repair.txt');
});

test('what is left as it is in the migrations is told once, and who waits for whom as it happens', async () => {
  await using db = await testDatabase();
  await using place = await folder({
    'm/0001_a.sql': `CREATE TABLE public.team (id int);\nDO $$ BEGIN EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I (id int)', 'dyn'); END $$;\n`,
  });
  const client = await createTenants(db, clinicNames(3));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const first = await migrate(['up', ...SCHEMAS], at);
  expect(first).toMatchObject({ code: 0 });
  expect(`${first.stdout}${first.stderr}`.match(/! 0001_a: .*0001_a\.sql:2:\d+: left as it is for tenants: .*/g)).toHaveLength(1);

  await place.write({ 'm/0002_b.sql': '-- migrate: lock-timeout=300ms\nALTER TABLE team ADD note text;\n' });
  await client.query('BEGIN; LOCK TABLE clinic_02.team IN ACCESS SHARE MODE');
  const running = start(['up', ...SCHEMAS], at);
  await sleep(3_000);
  await client.query('COMMIT');
  const { code, stdout, stderr } = await running.finished;
  expect(code).toBe(0);
  // In the middle of an attempt, however short it is: afterwards nobody knows who held it.
  expect(`${stdout}${stderr}`.match(/clinic_02: 0002_b .*/g)).toEqual([expect.stringMatching(/ waits for a lock on clinic_02\.team held by pid \d+/)]);
});
