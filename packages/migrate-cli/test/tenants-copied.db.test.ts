/** What `status` says of a tenant that was copied from a template, whose history tells of the template: golden/keeping/copied-*. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, golden, migrate } from './support/command.ts';
import { down } from './support/folders.ts';
import { keeping, thirdMigration } from './support/tenants.ts';

interface Target {
  readonly tenant: string;
  readonly applied: readonly { readonly version: string; readonly appliedAt: string }[];
  readonly template: { readonly name: string; readonly copiedAt: string; readonly versions: readonly string[] } | null;
}

interface Told {
  readonly services: readonly { readonly targets: readonly Target[] }[];
}

test.each(['schema', 'database'] as const)('with a %s for each: which migrations came with the template, and when', async (mode) => {
  await using db = await testDatabase();
  await using place = await folder(keeping(mode, `, place: (id) => \`${db.name}_\${id}\``));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const run = async (...args: readonly string[]): Promise<string> => {
    const finished = await migrate(args, at);
    expect(finished).toMatchObject({ code: 0 });
    return finished.stdout;
  };
  const told = async (...args: readonly string[]): Promise<readonly Target[]> =>
    (JSON.parse(await run('status', '--json', ...args)) as Told).services.flatMap((one) => one.targets);
  await run('up');
  expect(await run('tenants', 'create', 'east', 'north')).toMatch(/east +made[^\n]* from the template[^]*north +made[^\n]* from the template/);
  await place.write(thirdMigration);
  await run('up', '--tenant', 'north');
  const line = ['tenants', 'status', 'north'];
  await expect(golden(line, await migrate(line, at), { [db.name]: 'DATABASE' })).toMatchFileSnapshot(`golden/keeping/copied-${mode}.txt`);

  const both = await told('--tenant', 'north,east');
  expect(both.map(({ tenant, template }) => [tenant, template?.versions])).toEqual([
    ['north', ['0001', '0002']],
    ['east', ['0001', '0002']],
  ]);
  for (const { applied, template } of both) {
    expect(template?.name).toMatch(/_tpl_[0-9a-f]{20}$/);
    // The template was migrated before it was copied, and the third one came behind that.
    const before = applied.map((one) => Date.parse(one.appliedAt) < Date.parse(template?.copiedAt ?? ''));
    expect(before).toEqual([true, true, false].slice(0, applied.length));
  }

  // What is done again is the tenant's own.
  await run('down', '--tenant', 'north', '--steps', '2', '--yes');
  await run('up', '--tenant', 'north');
  expect((await told('--source', 'tenant', '--tenant', 'north'))[0]?.template?.versions).toEqual(['0001']);
  await run('tenants', 'drop', 'east', 'north', '--delete', '--yes');
});

test('a tenant that its migrations made has no template', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_create_team.sql': down('', 'CREATE TABLE team_member (id int);', 'DROP TABLE team_member;') });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const line = ['--dir', 'm', '--tenant-schemas', `SELECT 'clinic'`];
  await (await db.connect()).query('CREATE SCHEMA clinic');
  await migrate(['up', ...line], at);
  const { stdout } = await migrate(['status', '--json', '--tenant', 'clinic', ...line], at);
  expect(JSON.parse(stdout)).toMatchObject({ services: [{ targets: [{ tenant: 'clinic', current: '0001', template: null }] }] });
  expect((await migrate(['status', '--tenant', 'clinic', ...line], at)).stdout).not.toContain('template');
});
