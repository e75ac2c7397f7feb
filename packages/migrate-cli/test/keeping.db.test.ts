/** A service that keeps tenants, and one that does not, together: what is printed is in test/golden/keeping. */

import { testDatabase, type TestDatabase } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';

import { folder, golden, migrate, start, type Folder } from './support/command.ts';
import { down } from './support/folders.ts';
import { keeping, thirdMigration } from './support/tenants.ts';

interface Documented {
  readonly services: readonly { readonly service: string; readonly targets: readonly Record<string, unknown>[] }[];
}

const parse = (text: string): Documented => JSON.parse(text) as Documented;

const PLACE = ', place: (id) => `at_${id}`';

const byTenant = (one: Record<string, unknown>, other: Record<string, unknown>): number => String(one['tenant']).localeCompare(String(other['tenant']));

/** Runs a command and compares what it prints with its golden file. */
function expectations(place: Folder, db: TestDatabase): (name: string, ...args: readonly string[]) => Promise<void> {
  return async (name, ...args) => {
    const text = golden(args, await migrate(args, { cwd: place.path, env: { DATABASE_URL: db.url } }), { [db.name]: 'DATABASE' });
    await expect(text.replaceAll(/ (?:from the template|by its migrations)/g, ' HOW')).toMatchFileSnapshot(`golden/keeping/${name}.txt`);
  };
}

test('the life of a service that keeps tenants: the first one, the others, and one that fails', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema', PLACE));
  const client = await db.connect();
  const expectKept = expectations(place, db);
  await expectKept('up-without-tenants', 'up');
  await expectKept('status-without-tenants', 'status');
  await expectKept('list-empty', 'tenants', 'list');
  await expectKept('create', 'tenants', 'create', 'north');
  await expectKept('create-several', 'tenants', 'create', 'north', 'east', 'south', 'west', '--service', 'visits');
  await expectKept('list', 'tenants', 'list');
  await expectKept('up-again', 'up');
  await place.write(thirdMigration);
  await client.query('CREATE INDEX team_member_name ON at_south.team_member (id)');
  await expectKept('status-behind', 'status', '--exit-code');
  await expectKept('plan', 'plan');
  await expectKept('plan.json', 'plan', '--json', '--service', 'visits');
  await expectKept('up-one-fails', 'up');
  await expectKept('status', 'status', '--exit-code');
  await expectKept('status-of-one-service', 'status', '--service', 'visits');
  await expectKept('status-one', 'status', '--tenant', 'south');
  await expectKept('up.json', 'up', '--json', '--concurrency', '1');
  await expectKept('status.json', 'status', '--json', '--service', 'visits', '--concurrency', '1');
  await expectKept('log-one', 'log', '--tenant', 'south', '--limit', '2');
  await expectKept('down-different', 'down', '--source', 'tenant');
});

test('tenants are repaired, undone and done again when it is said that they are meant', async () => {
  await using db = await testDatabase();
  await using place = await folder({ ...keeping('schema', PLACE), ...thirdMigration });
  const client = await db.connect();
  const expectKept = expectations(place, db);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  await migrate(['tenants', 'create', 'east', 'north', 'south', 'west'], at);
  await migrate(['down', '--tenant', 'south', '--yes'], at);
  await client.query('CREATE INDEX team_member_name ON at_south.team_member (name)');
  await expectKept('repair-one', 'repair', '--mark-applied', '0003', '--tenant', 'south', '--yes');
  await expectKept('repair-nothing', 'repair', '--mark-applied', '0003', '--source', 'tenant', '--yes');
  await expectKept('down-unnamed', 'down', '--service', 'visits');
  await expectKept('redo-unnamed', 'redo', '--service', 'visits');
  await expectKept('repair-unnamed', 'repair', '0001', '--service', 'visits');
  await expectKept('to-of-two-sources', 'up', '--service', 'visits', '--to', '1');
  await expectKept('down-without-terminal', 'down', '--source', 'tenant');
  await expectKept('down-required', 'down', '--service', 'users');
  await expectKept('redo', 'redo', '--source', 'tenant', '--yes');
  await expectKept('down', 'down', '--source', 'tenant', '--yes');
  await expectKept('down-one-asks', 'down', '--tenant', 'west');
  await expectKept('down-one', 'down', '--tenant', 'west', '--yes');
  await expectKept('down-shared', 'down', '--service', 'visits', '--source', 'shared');
  await expectKept('check', 'check');
  await expectKept('status-after', 'tenants', 'status', '--verbose');
});

test('--json holds what is shared first, without a tenant, and then each tenant', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  const made = await migrate(['tenants', 'create', 'b', 'a', '--json'], at);
  expect(JSON.parse(made.stdout)).toMatchObject({
    services: [{ service: 'visits', tenants: [{ id: 'b', place: 'b', status: 'active', outcome: 'created', failed: null }, { id: 'a' }] }],
  });
  await place.write(thirdMigration);
  const up = parse((await migrate(['up', '--json'], at)).stdout);
  expect(
    up.services.map((one) => [
      one.service,
      [...one.targets.slice(0, 1), ...one.targets.slice(1).toSorted(byTenant)].map((target) => [target['tenant'], target['outcome']]),
    ]),
  ).toEqual([
    ['users', [[null, 'upToDate']]],
    ['visits', [[null, 'upToDate'], ...['a', 'b'].map((id) => [id, 'applied'])]],
  ]);
  const status = parse((await migrate(['status', '--json', '--source', 'tenant'], at)).stdout);
  expect(status.services).toMatchObject([{ service: 'visits', registry: { failed: [], unknown: [], absent: [] } }]);
  expect(status.services[0]?.targets.map((one) => [one['tenant'], one['schema'], one['current']]).toSorted()).toEqual([
    ['a', 'a', '0003'],
    ['b', 'b', '0003'],
  ]);
  const shared = parse((await migrate(['status', '--json', '--source', 'shared'], at)).stdout);
  expect(shared.services.map((one) => one.targets.map((target) => target['tenant']))).toEqual([[null], [null]]);
});

test('a database for each tenant: made, migrated, put away and deleted, on the server of the service', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('database', `, place: (id) => '${db.name}_' + id`));
  const client = await db.connect();
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const databases = async (): Promise<readonly string[]> => {
    const { rows } = await client.query<{ name: string }>(
      'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1) AND NOT datistemplate ORDER BY 1',
      [`${db.name}_`],
    );
    return rows.map((row) => row.name);
  };
  await migrate(['up'], at);
  expect(await migrate(['tenants', 'create', 'north', 'south'], at)).toMatchObject({ code: 0 });
  try {
    await place.write(thirdMigration);
    const up = parse((await migrate(['up', '--json', '--service', 'visits'], at)).stdout);
    const [shared, ...rest] = up.services[0]?.targets.map((one) => [one['target'], one['tenant'], one['outcome']]) ?? [];
    expect(shared).toEqual([db.name, null, 'upToDate']);
    expect(rest.toSorted((a, b) => String(a[1]).localeCompare(String(b[1])))).toEqual(['north', 'south'].map((id) => [`${db.name}_${id}`, id, 'applied']));
    expect(await migrate(['status', '--exit-code'], at)).toMatchObject({ code: 0, stdout: expect.stringContaining('2 tenants') as string });
    expect(await migrate(['check', '--source', 'tenant'], at)).toMatchObject({ code: 0, stdout: expect.stringContaining('3 of 3 left everything') as string });
    const refused = await migrate(['tenants', 'drop', 'south'], at);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain('add --yes when it is meant');
    expect(await migrate(['tenants', 'drop', 'south', '--yes'], at)).toMatchObject({ code: 0 });
    expect(await databases()).toHaveLength(2);
    expect(await migrate(['up', '--tenant', 'south'], at)).toMatchObject({ code: 2, stderr: expect.stringContaining('is archived') as string });
    expect(await migrate(['tenants', 'drop', 'south', '--delete', '--yes'], at)).toMatchObject({ code: 0 });
    expect(await databases()).toEqual([`${db.name}_north`]);
  } finally {
    await migrate(['tenants', 'drop', 'north', '--delete', '--yes'], at);
    await migrate(['tenants', 'drop', 'south', '--delete', '--yes'], at);
    const { rows } = await client.query<{ name: string }>('SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1) AND datistemplate', [
      db.name,
    ]);
    for (const { name } of rows) {
      await client.query(`ALTER DATABASE ${pg.escapeIdentifier(name)} IS_TEMPLATE false`);
      await client.query(`DROP DATABASE ${pg.escapeIdentifier(name)}`);
    }
  }
  expect(await databases()).toEqual([]);
});

test('a failed service keeps its tenants and the services behind it from being begun; some failed tenants keep nobody', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  await place.write({
    'services/zoo/package.json': '{ "name": "zoo", "type": "module", "dependencies": { "visits": "workspace:*" } }',
    'services/zoo/migrate.config.ts': `export default { name: 'zoo', migrations: './migrations', database: 'zoo_db' };\n`,
    'services/zoo/migrations/0001_create_zoo.sql': down('', 'CREATE TABLE zoo (id int);', 'DROP TABLE zoo;'),
  });
  const client = await db.connect();
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--service', 'users,visits'], at);
  await migrate(['tenants', 'create', 'a', 'b'], at);
  await client.query('CREATE INDEX team_member_name ON a.team_member (id)');
  await place.write(thirdMigration);
  const some = await migrate(['up'], at);
  expect(some).toMatchObject({ code: 4, stderr: expect.stringContaining('✗ a: relation "team_member_name" already exists') as string });
  expect(some.stdout).toMatch(/visits tenants +2 tenants +1 at 000[23], 1 at 000[23] +1 migrated, 1 failed\nzoo .* 1 applied/);
  await place.write({ 'services/visits/migrations/0002_broken.sql': 'SELECT nothing;' });
  await place.write({ 'services/zoo/migrations/0002_more.sql': down('', 'ALTER TABLE zoo ADD b int;', 'ALTER TABLE zoo DROP b;') });
  const none = await migrate(['up'], at);
  expect(none.code).toBe(1);
  expect(none.stdout).toMatch(/visits tenants .* not run\nzoo .* not run/);
});

test('a tenant’s migration waits for what it requires of another service, and keeps that one from being undone', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  await migrate(['tenants', 'create', 'a', 'b'], at);
  await place.write({
    'services/users/migrations/0002_more.sql': down('', 'ALTER TABLE users ADD b int;', 'ALTER TABLE users DROP b;'),
    'services/visits/tenant-migrations/0003_more.sql': down('-- migrate: requires=users@0002\n', 'CREATE TABLE more (id int);', 'DROP TABLE more;'),
  });
  const alone = await migrate(['up', '--service', 'visits'], at);
  expect(alone.code).toBe(5);
  expect(alone.stderr).toContain('a, b: 0003_more requires users@0002, but users has applied 0001_create_users');
  // It is waited for as long as is said, and not by each tenant.
  const { process: child, finished: waiting } = start(['up', '--service', 'visits', '--lock-wait', '50s'], at);
  await new Promise<void>((resolve) => {
    child.stdout?.on('data', (text: string) => text.includes('waiting for users@0002') && resolve());
    child.once('exit', () => resolve());
  });
  expect(await migrate(['up', '--service', 'users'], at)).toMatchObject({ code: 0 });
  expect(await waiting).toMatchObject({ code: 0, stdout: expect.stringContaining('2 tenants: 2 applied') as string });
  expect(await migrate(['down', '--source', 'tenant', '--yes'], at)).toMatchObject({ code: 0 });
  expect(await migrate(['down', '--service', 'users'], at)).toMatchObject({ code: 0 });
  // In order it is met, in the plan as well.
  expect(await migrate(['plan'], at)).toMatchObject({ code: 0 });
  expect(await migrate(['up'], at)).toMatchObject({ code: 0 });
  const refused = await migrate(['down', '--service', 'users'], at);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain('visits 0003_more (in 2 tenants) → requires users@0002 → users 0002_more');
  const told = /migrate (down --service visits --source tenant --only 0003_more)/.exec(refused.stderr)?.[1] ?? '';
  expect(await migrate([...told.split(' '), '--yes'], at)).toMatchObject({ code: 0 });
  expect(await migrate(['down', '--service', 'users'], at)).toMatchObject({ code: 0 });
  await place.write({ 'services/visits/tenant-migrations/0004_x.sql': down('-- migrate: requires=users@0077\n', 'SELECT 1;', 'SELECT 1;') });
  const unknown = await migrate(['up'], at);
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toContain('visits 0004_x requires users@0077, which users does not have');
});

test('create writes into the tenants’ folder when it is told to, in that folder’s style', async () => {
  await using place = await folder(keeping('schema'));
  const inside = { cwd: `${place.path}/services/visits` };
  expect(await migrate(['create', 'add phone', '--source', 'tenant'], inside)).toMatchObject({ code: 0, stdout: '+ tenant-migrations/0003_add_phone.sql\n' });
  expect(await migrate(['create', 'add phone'], inside)).toMatchObject({ code: 0, stdout: '+ migrations/0002_add_phone.sql\n' });
  expect(await migrate(['create', 'add phone', '--service', 'users', '--source', 'tenant'], { cwd: place.path })).toMatchObject({ code: 2 });
});
