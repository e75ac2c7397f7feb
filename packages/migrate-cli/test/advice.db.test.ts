/** The commands that messages name, typed as they are: at the root of a workspace, where a service has to be named, and after an up that was to go a part of the way. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migrate } from './support/command.ts';
import { workspace } from './support/folders.ts';

/** The words behind `migrate` of the last command in a text. */
function commandIn(text: string): readonly string[] {
  return [...text.matchAll(/migrate ((?:up|down|repair)\b[^\n,`]*)/g)].at(-1)?.[1]?.trim().split(' ') ?? [];
}

test('at the root, what status and a failing down advise names its service, and works', async () => {
  await using db = await testDatabase();
  await using place = await folder(workspace);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  const file = 'services/app/migrations/0001_create_visits.sql';
  const text = workspace[file] ?? '';
  await place.write({ [file]: text.replace('id int', 'id  int') });
  const accept = commandIn((await migrate(['status'], at)).stdout);
  expect(accept).toEqual(['repair', '--service', 'app', '0001_create_visits']);
  expect(await migrate([...accept, '--yes'], at)).toMatchObject({ code: 0 });
  await place.write({ [file]: text.replace('id int', 'id  int').replace('DROP TABLE visits', 'DROP TABLE visit') });
  const failed = await migrate(['down', '--service', 'app'], at);
  const undo = commandIn(failed.stderr);
  expect(undo).toEqual(['down', '--service', 'app', '--only', '0001_create_visits']);
  await place.write({ [file]: text.replace('id int', 'id  int') });
  expect(await migrate([...undo], at)).toMatchObject({ code: 0, stdout: expect.stringContaining('↶ 0001_create_visits') as string });
  expect((await migrate(['status', '--service', 'users', '--json'], at)).stdout).toContain('0002_add_email');
});

test('an up that failed is advised again for what was typed, and no more', async () => {
  await using db = await testDatabase();
  await using place = await folder(workspace);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await place.write({ 'services/users/migrations/0003_broken.sql': 'SELECT nothing;', 'services/users/migrations/0004_next.sql': 'SELECT 1;' });
  const advice = async (...args: readonly string[]): Promise<string> => commandIn((await migrate(['up', ...args], at)).stderr).join(' ');
  expect(await advice('--service', 'users', '--to', '3', '--atomic')).toBe('up --service users --to 3 --atomic');
  expect(await advice('--service', 'users', '--steps', '3')).toBe('up --service users --to 0003_broken');
  expect(await advice()).toBe('up');
});

test('what verify and check advise is for the place that was typed', async () => {
  await using db = await testDatabase();
  await using place = await folder({ ...workspace, 'empty/README.md': '' });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  await rm(join(place.path, 'services/app/migrations/0001_create_visits.sql'));
  const undo = commandIn((await migrate(['verify', '--service', 'app,users'], at)).stdout);
  expect(undo).toEqual(['down', '--service', 'app', '--only', '0001_create_visits']);
  expect(await migrate([...undo], at)).toMatchObject({ code: 0 });
  expect((await migrate(['check', '--dir', 'empty'], at)).stdout).toContain('migrate create --dir empty NAME');
});
