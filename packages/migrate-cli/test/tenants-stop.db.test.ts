/** A fleet's run that is stopped or killed: the record is true, and nothing runs twice. */

import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migrate, start, type Running } from './support/command.ts';
import { down } from './support/folders.ts';
import { clinicNames, createTenants, schemasQuery, timesApplied } from './support/tenants.ts';

const LINE = ['up', '--dir', 'm', '--concurrency', '2', '--tenant-schemas', schemasQuery] as const;
const NAMES = clinicNames(24);

const slow = {
  'm/0001_create_team.sql': down('', 'CREATE TABLE team_member (id int PRIMARY KEY);', 'DROP TABLE team_member;'),
  'm/0002_think.sql': down('', 'SELECT pg_sleep(0.1); CREATE TABLE thought (id int);', 'DROP TABLE thought;'),
};

interface Target {
  readonly tenant: string;
  readonly outcome: string;
}

/** Half way: some tenants are done, and most are not. */
async function halfWay(db: TestDatabase): Promise<void> {
  const client = await db.connect();
  const done = `SELECT count(*)::int AS done FROM pg_tables WHERE tablename = 'thought'`;
  await expect.poll(async () => (await client.query<{ done: number }>(done)).rows[0]?.done ?? 0, { timeout: 20_000, interval: 20 }).toBeGreaterThan(5);
}

async function expectAllOnce(db: TestDatabase): Promise<void> {
  const client = await db.connect();
  expect(await timesApplied(client, NAMES)).toEqual({ '0001_create_team': [1], '0002_think': [1] });
}

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('%s in the middle of a fleet ends with %i, a whole document, and the rest left to the next run', async (signal, code) => {
  await using db = await testDatabase();
  await using place = await folder(slow);
  await createTenants(db, NAMES);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const running = start([...LINE, '--json'], at);
  await halfWay(db);
  running.process.kill(signal);
  const { code: ended, stdout, stderr } = await running.finished;
  expect(ended).toBe(code);
  const { services } = JSON.parse(stdout) as { services: { stopped: string; targets: Target[] }[] };
  const targets = services[0]?.targets ?? [];
  expect(services[0]?.stopped).toBe('signal');
  expect(targets.map((one) => one.tenant).toSorted()).toEqual(NAMES);
  const applied = targets.filter((one) => one.outcome === 'applied').length;
  expect(applied).toBeGreaterThan(5);
  expect(targets.filter((one) => one.outcome === 'notRun').length).toBeGreaterThan(0);
  expect(stderr).toContain('what is not done is done by the next run');
  const status = await migrate(['status', '--dir', 'm', '--tenant-schemas', schemasQuery], at);
  expect(status.stdout).not.toContain('failed');
  if (targets.some((one) => one.outcome === 'interrupted'))
    expect(status.stdout).toMatch(/[12] of them (?:was|were) stopped[^]*… clinic_.*: 0002_think was stopped at/);
  const again = await migrate(LINE, at);
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining(`${applied} had nothing to do`) as string });
  await expectAllOnce(db);
});

test('a run that is killed half way is finished by the next one, and nothing runs twice', async () => {
  await using db = await testDatabase();
  await using place = await folder(slow);
  await createTenants(db, NAMES);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const running: Running = start(LINE, at);
  await halfWay(db);
  running.process.kill('SIGKILL');
  expect(await running.finished).toMatchObject({ code: null });
  const again = await migrate(LINE, at);
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('24 tenants: ') as string });
  expect(again.stdout).toMatch(/[1-9]\d* had nothing to do/);
  await expectAllOnce(db);
});

test('two runs at once share the tenants', async () => {
  await using db = await testDatabase();
  await using place = await folder(slow);
  await createTenants(db, NAMES);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const runs = await Promise.all([migrate(LINE, at), migrate(LINE, at)]);
  expect(runs.map((run) => run.code)).toEqual([0, 0]);
  for (const run of runs) expect(run.stdout).toMatch(/[1-9]\d* applied/);
  await expectAllOnce(db);
});
