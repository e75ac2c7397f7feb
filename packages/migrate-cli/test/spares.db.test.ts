/** A service that keeps places made ahead for its tenants: what is printed is in test/golden/spares. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, golden, migrate } from './support/command.ts';
import { keeping, thirdMigration } from './support/tenants.ts';

const file = 'services/visits/migrate.config.ts';

test('spares are made behind a run and behind new tenants, counted by status, and replaced when the migrations change', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema', ', place: (id) => `at_${id}`, spares: 2'));
  const expectKept = async (name: string, ...args: readonly string[]): Promise<void> => {
    const result = await migrate(args, { cwd: place.path, env: { DATABASE_URL: db.url } });
    await expect(golden(args, result, { [db.name]: 'DATABASE' })).toMatchFileSnapshot(`golden/spares/${name}.txt`);
  };
  await expectKept('up-without-tenants', 'up', '--service', 'users,visits');
  await expectKept('status-without-tenants', 'tenants', 'status');
  await expectKept('create', 'tenants', 'create', 'north');
  await expectKept('status', 'tenants', 'status');
  await expectKept('status.json', 'tenants', 'status', '--json');
  await expectKept('up-again', 'up', '--service', 'visits');
  await place.write(thirdMigration);
  await expectKept('status-behind', 'tenants', 'status');
  await expectKept('up-changed.json', 'up', '--service', 'visits', '--json');
  await expectKept('verify', 'tenants', 'verify');
  await place.write({ [file]: keeping('schema', ', place: (id) => `at_${id}`')[file] ?? '' });
  await expectKept('up-without-spares', 'up', '--service', 'visits');
  const client = await db.connect();
  expect((await client.query(`SELECT nspname FROM pg_namespace WHERE nspname LIKE '%spare%'`)).rows).toEqual([]);
});

test('where no spares can be made a run warns, and has not failed', async () => {
  await using db = await testDatabase();
  const operator = 'CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);\n';
  await using place = await folder({
    ...keeping('schema', ', place: (id) => `at_${id}`, spares: 1'),
    'services/visits/tenant-migrations/0003_operator.sql': operator,
  });
  const env = { DATABASE_URL: db.url };
  const up = await migrate(['up'], { cwd: place.path, env });
  expect([up.code, up.stdout]).toEqual([
    0,
    expect.stringContaining('! spares for new tenants: none can be made, since the template cannot be copied') as string,
  ]);
  expect((await migrate(['tenants', 'create', 'north'], { cwd: place.path, env })).code).toBe(0);
  await place.write({ [file]: keeping('schema', ', spares: 51')[file] ?? '' });
  const refused = await migrate(['up'], { cwd: place.path, env });
  expect([refused.code, refused.stderr]).toEqual([
    expect.any(Number) as number,
    expect.stringContaining('"spares" must be a whole number from 0 to 50') as string,
  ]);
});
