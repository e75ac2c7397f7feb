/** `migrate tenants create` that is stopped or killed: what became of each id is told, and the next call goes on. */

import { testDatabase, type TestDatabase } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';

import { folder, golden, migrate, start, type Finished, type Place, type Running } from './support/command.ts';
import { down } from './support/folders.ts';
import { keeping } from './support/tenants.ts';

const slowTenants = {
  'services/visits/tenant-migrations/0003_think.sql': down('', 'SELECT pg_sleep(20); CREATE TABLE thought (id int);', 'DROP TABLE thought;'),
};

interface Told {
  readonly id: string;
  readonly outcome: string;
  readonly status: string | null;
}

const told = ({ stdout }: Finished): readonly Told[] => (JSON.parse(stdout) as { services: { tenants: Told[] }[] }).services[0]?.tenants ?? [];

const THINKING = `FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND starts_with(datname, $1)`;

/** Its template is being made. */
async function whileThinking(db: TestDatabase): Promise<void> {
  const client = await db.connect();
  await expect.poll(async () => (await client.query(`SELECT ${THINKING}`, [db.name])).rowCount, { timeout: 10_000, interval: 20 }).toBeGreaterThan(0);
}

async function killWhileThinking(db: TestDatabase, at: Place, id: string): Promise<void> {
  const running = start(['tenants', 'create', id], at);
  await whileThinking(db);
  running.process.kill('SIGKILL');
  await running.finished;
  await (await db.connect()).query(`SELECT pg_terminate_backend(pid, 5000) ${THINKING}`, [db.name]);
}

async function dropTemplates(db: TestDatabase): Promise<void> {
  const client = await db.connect();
  const { rows } = await client.query<{ name: string }>('SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)', [`${db.name}_`]);
  for (const { name } of rows) {
    await client.query(`ALTER DATABASE ${pg.escapeIdentifier(name)} IS_TEMPLATE false`);
    await client.query(`DROP DATABASE ${pg.escapeIdentifier(name)} WITH (FORCE)`);
  }
}

test.each(['schema', 'database'] as const)('a tenant that never got its %s is told as forgotten, and nothing is promised of it', async (mode) => {
  await using db = await testDatabase();
  await using place = await folder(keeping(mode, mode === 'database' ? `, place: (id) => '${db.name}_' + id` : ''));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  await migrate(['tenants', 'create', 'q1'], at);
  await place.write(slowTenants);
  const texts: string[] = [];
  const keep = async (...args: readonly string[]): Promise<void> => void texts.push(golden(args, await migrate(args, at), { [db.name]: 'DATABASE' }));
  try {
    const client = await db.connect();
    for (const line of [['q9'], ['q9', '--json'], ['q9', '--delete'], ['q9', '--delete', '--json']]) {
      await killWhileThinking(db, at, 'q9');
      // With a schema each it has got that by now, before the template is made: as if it had been killed a moment earlier.
      if (mode === 'schema') await client.query(`DROP SCHEMA IF EXISTS q9; UPDATE schema_migrations_visits_tenants SET made_as = NULL WHERE id = 'q9'`);
      await keep('tenants', 'drop', ...line, '--yes');
    }
    await keep('tenants', 'drop', 'q9', '--delete', '--yes');
    await keep('tenants', 'list');
    await expect(texts.join('\n')).toMatchFileSnapshot(`golden/keeping/drop-unmade-${mode}.txt`);
    await client.query(`INSERT INTO schema_migrations_visits_tenants (id, place, kind, status) VALUES ('q8', '${db.name}_q8', '${mode}', 'failed')`);
    const refused = await migrate(['tenants', 'drop', 'q8'], at);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('so there is nothing to put away') as string });
  } finally {
    if (mode === 'database') await dropTemplates(db);
  }
});

/** Once so many of them are made. */
async function whenMade(running: Running, count: number): Promise<void> {
  let text = '';
  await new Promise<void>((resolve) => {
    for (const stream of [running.process.stdout, running.process.stderr])
      stream?.on('data', (more: string) => (text += more).split('  made').length > count && resolve());
    running.process.once('exit', () => resolve());
  });
}

test('SIGINT while several tenants are made: a whole document of what became of each, the counts, and what goes on', async () => {
  await using db = await testDatabase();
  await using place = await folder(keeping('schema'));
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up'], at);
  const ids = Array.from({ length: 60 }, (_, index) => `i${index + 1}`);
  const line = ['tenants', 'create', ...ids, '--json'];
  await migrate(['tenants', 'create', 'i1'], at);
  const running = start(line, at);
  await whenMade(running, 5);
  running.process.kill('SIGINT');
  const stopped = await running.finished;
  expect(stopped.code).toBe(130);
  const tenants = told(stopped);
  expect(tenants.map((one) => one.id)).toEqual(ids);
  const count = (outcome: string): number => tenants.filter((one) => one.outcome === outcome).length;
  const made = count('present') + count('created');
  expect(tenants[0]).toMatchObject({ outcome: 'present', status: 'active' });
  expect(count('created')).toBeGreaterThan(3);
  expect(count('notRun')).toBeGreaterThan(0);
  expect(made + count('interrupted') + count('notRun')).toBe(60);
  const half = count('interrupted') === 0 ? '' : `, ${count('interrupted')} stopped half way`;
  expect(stopped.stderr).toContain(`  60 tenants: ${made} there, 0 failed${half}, ${count('notRun')} not begun\n`);
  expect(stopped.stderr).toContain('which goes on where it stopped');
  const list = await migrate(['tenants', 'list', '--json'], at);
  expect(told(list).filter((one) => one.status === 'active')).toHaveLength(made);
  const again = await migrate(line, at);
  expect(again.code).toBe(0);
  expect(told(again).filter((one) => one.outcome === 'present')).toHaveLength(made);
  expect(told(again).every((one) => one.status === 'active')).toBe(true);
});

test.each([
  ['schema', 'SIGINT', 130],
  ['database', 'SIGTERM', 143],
] as const)(
  'with a %s each, %s in the middle of the first tenant’s making ends with %i: it is stopped half way, and the others are not begun',
  async (mode, signal, code) => {
    await using db = await testDatabase();
    await using place = await folder({ ...keeping(mode, mode === 'database' ? `, place: (id) => '${db.name}_' + id` : ''), ...slowTenants });
    const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
    await migrate(['up', '--source', 'shared'], at);
    try {
      const running = start(['tenants', 'create', 'a', 'b', 'c', '--json'], at);
      await whileThinking(db);
      running.process.kill(signal);
      const stopped = await running.finished;
      expect(stopped.code).toBe(code);
      expect(told(stopped)).toMatchObject([
        { id: 'a', outcome: 'interrupted', status: 'provisioning', failed: null },
        { id: 'b', outcome: 'notRun', status: null, place: null, failed: null },
        { id: 'c', outcome: 'notRun' },
      ]);
      const words = start(['tenants', 'create', 'a', 'b', 'c'], at);
      await whileThinking(db);
      words.process.kill(signal);
      const { stdout, stderr } = await words.finished;
      expect(stderr).toContain('✗ a: stopped half way\n');
      expect(stdout).toMatch(/ {2}3 tenants: 0 there, 0 failed, 1 stopped half way, 2 not begun\n {2}! It was told to stop; .* goes on where it stopped\.\n$/);
    } finally {
      if (mode === 'database') await dropTemplates(db);
    }
  },
);
