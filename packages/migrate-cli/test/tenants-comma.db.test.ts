/** Tenants whose ids have commas in them, which `--tenant` has between ids. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migrate } from './support/command.ts';
import { keeping, thirdMigration } from './support/tenants.ts';

interface Told {
  readonly services: readonly { readonly targets: readonly { readonly tenant: string; readonly outcome: string }[] }[];
}

test('a comma of an id has a backslash before it in --tenant, and hints write it so', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const migrated = async (...args: readonly string[]): Promise<readonly string[]> => {
    const { code, stdout } = await migrate(['up', '--json', '--concurrency', '1', ...args], at);
    expect(code).toBe(0);
    return (JSON.parse(stdout) as Told).services.flatMap((one) => one.targets.map(({ tenant, outcome }) => `${tenant} ${outcome}`));
  };
  await migrate(['up'], at);
  expect(await migrate(['tenants', 'create', 'north', 'west', 'north,west', 'a,b'], at)).toMatchObject({ code: 0 });
  await place.write(thirdMigration);
  expect(await migrated('--tenant', String.raw`north\,west`)).toEqual(['north,west applied']);
  expect(await migrated('--tenant', 'north,west')).toEqual(['north applied', 'west applied']);
  expect(await migrated('--tenant', String.raw`north\,west`, '--tenant', 'west')).toEqual(['north,west upToDate', 'west upToDate']);
  expect(await migrate(['tenants', 'status', 'north,west'], at)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('north,west: version 0003') as string,
  });

  const unescaped = await migrate(['up', '--tenant', 'a,b'], at);
  expect(unescaped).toMatchObject({ code: 2, stderr: expect.stringContaining('visits has no tenant "a".') as string });
  expect(unescaped.stderr).toContain(String.raw`→ a comma that belongs to an id has a backslash before it: --tenant 'a\,b'`);
  await migrate(['tenants', 'drop', 'a,b', '--yes'], at);
  const restored = await migrate(['tenants', 'restore', 'a,b'], at);
  expect(restored).toMatchObject({ code: 0, stdout: expect.stringContaining(String.raw`migrate up --tenant 'a\,b'`) as string });

  const query = ['--dir', 'services/visits/tenant-migrations', '--table', 'other', '--tenant-schemas', `SELECT 'a,b' UNION SELECT 'north'`];
  const told = await migrate(['status', ...query, '--tenant', String.raw`a\,b`], at);
  expect(told).toMatchObject({ code: 0, stdout: expect.stringContaining('a,b: nothing applied') as string });
  expect((await migrate(['status', ...query, '--tenant', 'a,b'], at)).stderr).toContain(String.raw`--tenant 'a\,b'`);
});
