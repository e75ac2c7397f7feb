/** The server goes away in the middle of a fleet's run and does not come back: what is told, in words and as a document. */

import { runOn, startServer, type OwnServer } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, golden, migrate, start } from './support/command.ts';
import { down } from './support/folders.ts';
import { clinicNames } from './support/tenants.ts';

const NAMES = clinicNames(6);
const TENANTS = ['--dir', 'm', '--concurrency', '1', '--tenant-schemas', 'SELECT name FROM clinics ORDER BY name'] as const;

/** Stands still in the tenants that the table `standing` names. */
const files = {
  'm/0001_create_team.sql': down('', 'CREATE TABLE team_member (id int PRIMARY KEY);', 'DROP TABLE team_member;'),
  'm/0002_think.sql': down(
    '',
    'SELECT pg_sleep(300) FROM public.standing WHERE name = current_schema();\nCREATE TABLE thought (id int);',
    'DROP TABLE thought;',
  ),
};

/** A run whose server is killed while the migration stands still. */
async function cutOff(server: OwnServer, args: readonly string[], cwd: string): Promise<string> {
  const running = start(args, { cwd, env: { DATABASE_URL: server.url('postgres') } });
  const standing = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event = 'PgSleep'`;
  await expect.poll(async () => (await runOn(server, standing)).rows, { timeout: 30_000, interval: 100 }).toEqual([{ count: 1 }]);
  // What was committed is not lost with the server.
  await runOn(server, 'CHECKPOINT');
  await server.stop('immediate');
  // How often it says how far it is depends on the machine.
  return golden(args, await running.finished).replaceAll(/^ +\d+ of \d+ tenants.*\n/gm, '');
}

test('a server that is lost in the middle of a fleet and stays away: who is done, who is unknown and who was not begun', async () => {
  await using server = await startServer();
  await using place = await folder(files);
  await runOn(server, 'CREATE TABLE clinics (name text); CREATE TABLE standing (name text)');
  for (const name of NAMES) await runOn(server, `CREATE SCHEMA ${name}; INSERT INTO clinics VALUES ('${name}')`);
  await runOn(server, `INSERT INTO standing VALUES ('clinic_03')`);

  await expect(await cutOff(server, ['up', ...TENANTS], place.path)).toMatchFileSnapshot('golden/tenants/lost.txt');
  await server.start();
  const at = { cwd: place.path, env: { DATABASE_URL: server.url('postgres') } };
  const line = ['status', ...TENANTS];
  await expect(golden(line, await migrate(line, at))).toMatchFileSnapshot('golden/tenants/lost-status.txt');

  await expect(await cutOff(server, ['up', '--json', ...TENANTS], place.path)).toMatchFileSnapshot('golden/tenants/lost.json.txt');
  await server.start();
  await runOn(server, 'DELETE FROM standing');
  const again = await migrate(['up', ...TENANTS], { ...at, env: { DATABASE_URL: server.url('postgres') } });
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('6 tenants: 4 applied, 2 had nothing to do') as string });
}, 180_000);

test('of one database that is lost no version is claimed', async () => {
  await using server = await startServer();
  await using place = await folder(files);
  await runOn(server, `CREATE TABLE standing (name text); INSERT INTO standing VALUES ('public')`);
  const told = await cutOff(server, ['up', '--dir', 'm'], place.path);
  expect(told).toMatch(/not known \(.*0002_think\)\.\n/);
  expect(told).not.toMatch(/not run|now at|nothing is applied/);
}, 90_000);
