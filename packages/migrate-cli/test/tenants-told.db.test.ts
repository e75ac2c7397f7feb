/** What `status` says of tenants whose run was stopped, and of those that a query makes up. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migrate, start } from './support/command.ts';
import { down } from './support/folders.ts';
import { clinicNames, createTenants, keeping, schemasQuery } from './support/tenants.ts';

test('a tenant that was stopped is told as stopped, and one that a query makes up as the query’s', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_think.sql': down('', 'SELECT pg_sleep(60); CREATE TABLE thought (id int);', 'DROP TABLE thought;') });
  const client = await createTenants(db, clinicNames(2));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const running = start(['up', '--dir', 'm', '--tenant-schemas', schemasQuery], at);
  const sleeping = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND wait_event = 'PgSleep'`;
  await expect.poll(async () => (await client.query<{ count: number }>(sleeping)).rows[0]?.count ?? 0, { timeout: 20_000 }).toBeGreaterThan(0);
  running.process.kill('SIGINT');
  expect(await running.finished).toMatchObject({ code: 130 });
  const status = ['status', '--dir', 'm', '--tenant-schemas'];
  const stopped = await migrate([...status, schemasQuery], at);
  expect(stopped).toMatchObject({ code: 0, stdout: expect.stringMatching(/of them w(?:as|ere) stopped[^]*…[^\n]*: 0001_think was stopped at/) as string });
  expect(stopped.stdout).not.toContain('failed');
  const made = await migrate([...status, `SELECT 'nowhere'`], at);
  expect(made).toMatchObject({ code: 1, stdout: expect.stringContaining('the query names the schema "nowhere"') as string });
  expect(`${made.stdout}${made.stderr}`).not.toContain('registry');
});

test('a new tenant whose migration failed is told to be created again, which an up does not', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  const file = 'services/visits/tenant-migrations/0003_broken.sql';
  await place.write({ [file]: 'SELECT 1/0;\n' });
  const { code, stderr } = await migrate(['tenants', 'create', 'a b'], at);
  expect(code).toBe(1);
  expect(stderr).toContain(`→ correct ${file}, then create it again, which goes on: migrate tenants create "a b" --service visits\n`);
  await place.write({ [file]: 'SELECT 1;\n' });
  expect(await migrate(['tenants', 'create', 'a b', '--service', 'visits'], at)).toMatchObject({ code: 0 });
});
