import { setTimeout as sleep } from 'node:timers/promises';

import { requirePgBouncer, startPgBouncer, testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { connectTo, failureOf, folder, migratorOn, rows, versions } from './support/target.ts';

const base = { '0001_t.sql': 'CREATE TABLE t (id int, email text);\nINSERT INTO t SELECT g, g::text FROM generate_series(1, 1000) g;\n' };

async function invalidIndexes(db: TestDatabase): Promise<string[]> {
  const found = await rows<{ name: string }>(db, 'SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid');
  return found.map((row) => row.name);
}

test('a concurrent index build runs outside a transaction, its neighbours inside', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_index.sql':
      'ALTER TABLE t ADD COLUMN a int;\nCREATE INDEX CONCURRENTLY t_email ON t (email);\nCREATE INDEX CONCURRENTLY ON t (a);\nCOMMENT ON TABLE t IS $$x$$;\n',
  });
  const { migrator, events } = migratorOn(db, files.path);
  expect(versions((await migrator.up()).applied)).toEqual(['0001', '0002']);
  expect(await invalidIndexes(db)).toEqual([]);
  expect((await rows(db, `SELECT 1 FROM pg_index WHERE indrelid = 't'::regclass`)).length).toBe(2);
  expect(events.filter((event) => event.type === 'statement').map((event) => event.index)).toEqual([1, 2]);
  expect((await migrator.status()).applied.map((row) => [row.version, row.state])).toEqual([
    ['0001', 'applied'],
    ['0002', 'applied'],
  ]);
  expect((await migrator.up()).outcome).toBe('upToDate');
});

test('how long it took holds its last statement, too, for an up and for a down', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_b.sql': '-- migrate: transaction=none\nCREATE TABLE b (id int);\nSELECT pg_sleep(1);\n',
    '0001_b.down.sql': 'DROP TABLE b;\nSELECT pg_sleep(1);\n',
  });
  const { migrator } = migratorOn(db, files.path);
  await migrator.up();
  expect((await migrator.status()).applied[0]?.durationMs).toBeGreaterThan(900);
  await migrator.down();
  expect((await migrator.log()).filter((entry) => entry.durationMs !== null && entry.durationMs > 900).map((entry) => entry.action)).toEqual(['down', 'up']);
});

test('a unique build that fails leaves no INVALID index, and the migration is pending again', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0002_index.sql': 'CREATE UNIQUE INDEX CONCURRENTLY t_unique ON t ((id % 10));\n' });
  const { migrator, events } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error.sqlState).toBe('23505');
  expect(error.data).toContain('duplicated');
  expect(await invalidIndexes(db)).toEqual([]);
  expect(events.some((event) => event.type === 'notice' && event.message.includes('dropped the invalid index public.t_unique'))).toBe(true);
  expect((await migrator.status()).pending.map((one) => one.version)).toEqual(['0002']);
});

test('an INVALID index which somebody left does not pass for done under IF NOT EXISTS', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0002_index.sql': 'CREATE INDEX CONCURRENTLY IF NOT EXISTS t_email ON t (email);\n' });
  await migratorOn(db, files.path).migrator.up({ to: '0001' });
  const client = await db.connect();
  await client.query(`CREATE INDEX t_email ON t (email)`);
  await client.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_email'::regclass`);
  expect(await invalidIndexes(db)).toEqual(['t_email']);
  expect((await migratorOn(db, files.path).migrator.up()).outcome).toBe('applied');
  expect(await invalidIndexes(db)).toEqual([]);
});

test('in a transaction, IF NOT EXISTS does not pass over an INVALID index which somebody left, and what to type is told', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_index.sql': 'ALTER TABLE t ADD COLUMN a int;\n\nCREATE UNIQUE INDEX IF NOT EXISTS t_unique ON t (email);\nCOMMENT ON TABLE t IS $$x$$;\n',
  });
  await migratorOn(db, files.path).migrator.up({ to: '0001' });
  const client = await db.connect();
  await client.query(`INSERT INTO t VALUES (1001, '1000')`);
  await client.query('CREATE UNIQUE INDEX CONCURRENTLY t_unique ON t (email)').catch(() => undefined);
  expect(await invalidIndexes(db)).toEqual(['t_unique']);
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error).toMatchObject({ code: 'migrationFailed', migration: '0002_index', sqlState: null, position: { line: 3, column: 1 } });
  expect(error.message).toContain('the index "t_unique" is there already and INVALID, and IF NOT EXISTS passes over it');
  expect(error.hint).toBe('build it with: REINDEX INDEX "t_unique", or take it away with: DROP INDEX "t_unique"; then run again');
  expect(error.statement).toBe('CREATE UNIQUE INDEX IF NOT EXISTS t_unique ON t (email)');
  expect(await rows(db, `SELECT 1 FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a'`)).toEqual([]);
  await client.query('DELETE FROM t WHERE id = 1001');
  await client.query('REINDEX INDEX "t_unique"');
  expect((await migratorOn(db, files.path).migrator.up()).outcome).toBe('applied');
});

test('an index that the migration itself builds again, and one whose partitions are still to come, are not refused', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_again.sql': 'CREATE INDEX IF NOT EXISTS t_email ON t (email);\nREINDEX INDEX t_email;\n',
    '0003_parts.sql':
      'CREATE TABLE p (id int) PARTITION BY RANGE (id);\nCREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);\nCREATE INDEX IF NOT EXISTS p_id ON ONLY p (id);\n',
  });
  await migratorOn(db, files.path).migrator.up({ to: '0001' });
  const client = await db.connect();
  await client.query(`CREATE INDEX t_email ON t (email)`);
  await client.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_email'::regclass`);
  expect(versions((await migratorOn(db, files.path).migrator.up()).applied)).toEqual(['0002', '0003']);
  expect(await invalidIndexes(db)).toEqual(['p_id']);
});

test('of a tenant, the index that is looked at is the tenant’s', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_t.sql': 'CREATE TABLE public.t (id int);\n',
    '0002_index.sql': 'CREATE INDEX IF NOT EXISTS t_id ON public.t (id);\n',
  });
  const client = await db.connect();
  for (const schema of ['clinic_a', 'clinic_b']) {
    await client.query(`CREATE SCHEMA ${schema}`);
    await migratorOn(db, files.path, { schema }).migrator.up({ to: '0001' });
  }
  await client.query(`CREATE INDEX t_id ON clinic_a.t (id)`);
  await client.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'clinic_a.t_id'::regclass`);
  const error = await failureOf(migratorOn(db, files.path, { schema: 'clinic_a' }).migrator.up());
  expect(error.hint).toContain('REINDEX INDEX "clinic_a"."t_id"');
  expect((await migratorOn(db, files.path, { schema: 'clinic_b' }).migrator.up()).outcome).toBe('applied');
});

test('a failure half way is resumed behind what is done, with the statement corrected', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_x.sql':
      'CREATE TABLE once (id int);\nCREATE INDEX CONCURRENTLY t_a ON t (id);\nCREATE INDEX CONCURRENTLY t_b ON t (nowhere);\nCREATE TABLE last (id int);\n',
  });
  const first = migratorOn(db, files.path).migrator;
  const error = await failureOf(first.up());
  expect(error.sqlState).toBe('42703');
  expect(error.position).toMatchObject({ line: 3, column: 1 });
  expect(error.report?.outcome).toBe('failed');
  expect((await first.status()).interrupted.at(-1)?.state).toBe('started');
  expect((await first.status()).problems.map((problem) => problem.code)).toContain('interrupted');
  // Half done is not done: nobody may build on it, and there is something to do.
  expect(await first.status()).toMatchObject({ current: { version: '0001' }, pending: [{ version: '0002' }] });
  expect(versions((await first.status()).applied)).toEqual(['0001']);
  await files.write({
    '0002_x.sql':
      'CREATE TABLE once (id int);\nCREATE INDEX CONCURRENTLY t_a ON t (id);\nCREATE INDEX CONCURRENTLY t_b ON t (email);\nCREATE TABLE last (id int);\n',
  });
  const second = migratorOn(db, files.path).migrator;
  expect(versions((await second.up()).applied)).toEqual(['0002']);
  expect(await rows(db, `SELECT 1 FROM pg_class WHERE relname IN ('once', 'last', 't_a', 't_b')`)).toHaveLength(4);
  expect((await second.status()).problems).toEqual([]);
});

test('what was done may not change under an interrupted migration', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0002_x.sql': 'CREATE TABLE once (id int);\nCREATE INDEX CONCURRENTLY t_b ON t (nowhere);\n' });
  await failureOf(migratorOn(db, files.path).migrator.up());
  await files.write({ '0002_x.sql': 'CREATE TABLE another (id int);\nCREATE INDEX CONCURRENTLY t_b ON t (email);\n' });
  const { migrator } = migratorOn(db, files.path);
  const planned = await migrator.plan({ direction: 'up' });
  expect(planned.plan.problems).toMatchObject([{ code: 'interrupted', severity: 'error', message: expect.stringContaining('been changed in the file since') }]);
  const error = await failureOf(migrator.up());
  expect(error.message).toContain('been changed in the file since');
  expect(error.message).toContain('migrate repair');
});

test('statements whose nature only the database knows run by themselves after all', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_p.sql':
      'CREATE TABLE p (id int) PARTITION BY RANGE (id);\nCREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);\nCREATE INDEX p_id ON p (id);\n',
    '0002_r.sql': 'CREATE TABLE before_it (id int);\nREINDEX TABLE p;\nCREATE TABLE after_it (id int);\n',
    '0003_c.sql': 'CREATE PROCEDURE twice() LANGUAGE plpgsql AS $$BEGIN INSERT INTO p VALUES (1); COMMIT; INSERT INTO p VALUES (2); END$$;\nCALL twice();\n',
  });
  const { migrator, events } = migratorOn(db, files.path);
  expect(versions((await migrator.up()).applied)).toEqual(['0001', '0002', '0003']);
  expect(events.filter((event) => event.type === 'notice' && event.message.includes('runs by itself'))).toHaveLength(2);
  expect(await rows(db, 'SELECT id FROM p ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
});

test('a pending DETACH PARTITION CONCURRENTLY is finished', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_p.sql':
      'CREATE TABLE p (id int) PARTITION BY RANGE (id);\nCREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);\nCREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);\n',
    '0002_d.sql': 'ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;\n',
  });
  const first = migratorOn(db, files.path);
  await first.migrator.up({ to: '0001' });
  const reader = await db.connect();
  await reader.query('BEGIN; SELECT * FROM p');
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 1_000);
  const error = await failureOf(migratorOn(db, files.path, { signal: stop.signal }).migrator.up());
  expect(error.code).toBe('aborted');
  await reader.query('COMMIT');
  expect((await migratorOn(db, files.path).migrator.up()).outcome).toBe('applied');
  expect(await rows(db, `SELECT inhrelid::regclass::text AS part FROM pg_inherits WHERE inhparent = 'p'::regclass`)).toEqual([{ part: 'p2' }]);
});

test('the client of a concurrent build is killed: the next run waits for the orphan and counts it as done', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0002_index.sql': 'CREATE INDEX CONCURRENTLY t_email ON t (email);\nCREATE TABLE after_it (id int);\n' });
  await migratorOn(db, files.path).migrator.up({ to: '0001' });
  const reader = await db.connect();
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
  const clients: Awaited<ReturnType<typeof connectTo>>[] = [];
  const doomed = migratorOn(db, files.path, {
    connect: async () => {
      const client = await connectTo(db.url);
      clients.push(client);
      return client;
    },
  });
  const run = doomed.migrator.up().catch((error: unknown) => error);
  const watcher = await db.connect();
  for (;;) {
    const { rowCount } = await watcher.query(
      `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%CREATE INDEX CONCURRENTLY%' AND state = 'active' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()`,
    );
    if (rowCount === 1) break;
    await sleep(50);
  }
  // As SIGKILL would: the sockets vanish, the server goes on.
  const during = await migratorOn(db, files.path).migrator.status();
  expect(during).toMatchObject({ problems: [], running: { name: '0002_index' } });
  for (const client of clients) (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  const next = migratorOn(db, files.path);
  let left = await next.migrator.status();
  // The server has to see that the client is gone.
  for (; left.running !== null; left = await next.migrator.status()) await sleep(50);
  const pid = during.running?.process.pid;
  expect(left.problems.map((one) => one.message)).toEqual([
    expect.stringMatching(
      new RegExp(
        `^0002_index was interrupted half way up, and the server still works on its statement \\(pid ${pid}, for [\\d.]+ s: CREATE INDEX CONCURRENTLY`,
      ),
    ),
  ]);
  const resumed = next.migrator.up();
  await sleep(700);
  await reader.query('COMMIT');
  await Promise.all([resumed.catch(() => undefined), run]);
  expect((await migratorOn(db, files.path).migrator.up()).outcome).toBe('upToDate');
  expect(await invalidIndexes(db)).toEqual([]);
  expect(await rows(db, `SELECT 1 FROM pg_class WHERE relname = 't_email'`)).toHaveLength(1);
  expect((await next.migrator.log()).filter((entry) => entry.action === 'up' && entry.name === '0002_index')).toHaveLength(1);
});

test('an abort during a concurrent build cancels it, cleans up, and the next run completes', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0002_index.sql': 'CREATE INDEX CONCURRENTLY t_email ON t (email);\n' });
  await migratorOn(db, files.path).migrator.up({ to: '0001' });
  const reader = await db.connect();
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
  const stop = new AbortController();
  const began = performance.now();
  setTimeout(() => stop.abort(), 500);
  const error = await failureOf(migratorOn(db, files.path, { signal: stop.signal }).migrator.up());
  expect(error.code).toBe('aborted');
  expect(error.report?.outcome).toBe('interrupted');
  expect(performance.now() - began).toBeLessThan(9_000);
  await reader.query('COMMIT');
  expect((await migratorOn(db, files.path).migrator.up()).outcome).toBe('applied');
  expect(await invalidIndexes(db)).toEqual([]);
});

test('an interrupted migration whose file was changed is promised nothing that the plan refuses', async () => {
  await using db = await testDatabase();
  const broken = '-- migrate: transaction=none\nCREATE TABLE x (id int);\nSELECT 1/0;\n';
  await using files = await folder({ ...base, '0002_x.sql': broken });
  await failureOf(migratorOn(db, files.path).migrator.up());
  const told = async (): Promise<string> => (await migratorOn(db, files.path).migrator.status()).problems.map((one) => one.message).join('\n');
  expect(await told()).toBe('0002_x was interrupted half way up; the next `migrate up` goes on where it stopped');
  await files.write({ '0002_x.sql': broken.replace('id int', 'id bigint') });
  expect(await told()).toBe('0002_x was interrupted half way up; its file was changed since: `migrate plan` tells whether the next `migrate up` can go on');
  expect((await migratorOn(db, files.path).migrator.plan({ direction: 'up' })).plan.problems.map((one) => one.severity)).toEqual(['error']);
  await files.write({ '0002_x.sql': '\0' });
  expect(await told()).toContain('the next `migrate up` can go on when its file can be read again');
  await files.remove('0002_x.sql');
  expect(await told()).not.toContain('the next `migrate up`');
});

test('a non-transactional down is undone step by step', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_index.sql': '-- Up Migration\nCREATE INDEX CONCURRENTLY t_email ON t (email);\n-- Down Migration\nDROP INDEX CONCURRENTLY t_email;\n',
  });
  const { migrator } = migratorOn(db, files.path);
  await migrator.up();
  expect(versions((await migrator.down()).undone)).toEqual(['0002']);
  expect(await rows(db, `SELECT 1 FROM pg_class WHERE relname = 't_email'`)).toEqual([]);
  expect(versions((await migrator.up()).applied)).toEqual(['0002']);
});

test('transaction=none runs every statement by itself, each recorded', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': '-- migrate: transaction=none\nCREATE TABLE a (id int);\nCREATE TABLE b (id int);\nSELECT 1/0;\n' });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error.sqlState).toBe('22012');
  expect(await rows(db, `SELECT to_regclass('a')::text AS a, to_regclass('b')::text AS b`)).toEqual([{ a: 'a', b: 'b' }]);
  await files.write({ '0001_a.sql': '-- migrate: transaction=none\nCREATE TABLE a (id int);\nCREATE TABLE b (id int);\nSELECT 1/1;\n' });
  expect((await migratorOn(db, files.path).migrator.up()).outcome).toBe('applied');
});

test("a file's settings hold for its statements outside a transaction too, and end with them", async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_x.sql': `SET maintenance_work_mem = '7MB';\nSET search_path = other;\nCREATE SCHEMA other;\nCREATE TABLE here (id int);\nCREATE INDEX CONCURRENTLY here_id ON here (id);\nCREATE TABLE there (mem text DEFAULT current_setting('maintenance_work_mem'));\nINSERT INTO there DEFAULT VALUES;\n`,
  });
  const client = await db.connect();
  const { migrator } = migratorOn(db, files.path, { client });
  expect(versions((await migrator.up()).applied)).toEqual(['0001', '0002']);
  expect(await rows(db, `SELECT mem FROM other.there`)).toEqual([{ mem: '7MB' }]);
  expect(await rows(db, `SELECT 1 FROM pg_indexes WHERE schemaname = 'other' AND indexname = 'here_id'`)).toHaveLength(1);
  expect((await client.query(`SELECT current_setting('search_path') AS path, current_setting('maintenance_work_mem') AS mem`)).rows).not.toContainEqual({
    path: 'other',
    mem: '7MB',
  });
});

test('behind a pooler a statement outside a transaction is refused settings that it cannot do without', async (context) => {
  requirePgBouncer(context);
  await using db = await testDatabase();
  await using bouncer = await startPgBouncer({ server: db.server });
  await using files = await folder({ ...base, '0002_x.sql': `SET search_path = public;\nCREATE INDEX CONCURRENTLY t_x ON t (id);\n` });
  const url = bouncer.url(db.name);
  const { migrator } = migratorOn(db, files.path, { connect: () => connectTo(url) });
  const error = await failureOf(migrator.up());
  expect(error.message).toContain('search_path');
  expect(error.hint).toContain('with their schema');
  await files.write({ '0002_x.sql': `SET maintenance_work_mem = '7MB';\nCREATE INDEX CONCURRENTLY t_x ON public.t (id);\n` });
  const { migrator: second, events } = migratorOn(db, files.path, { connect: () => connectTo(url) });
  expect(versions((await second.up()).applied)).toEqual(['0002']);
  expect(
    events
      .filter((event) => event.type === 'notice')
      .map((event) => event.message)
      .join(),
  ).toContain('maintenance_work_mem');
});

test("a new enum value is used behind its COMMIT where the file's own pairs say so", async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_mood.sql': `CREATE TYPE mood AS ENUM ('sad');`,
    '0003_x.sql': `BEGIN;\nALTER TYPE mood ADD VALUE 'glad';\nCOMMIT;\nCREATE TABLE moods (m mood DEFAULT 'glad');\nINSERT INTO moods DEFAULT VALUES;\n`,
  });
  const { migrator } = migratorOn(db, files.path);
  expect(versions((await migrator.up()).applied)).toEqual(['0001', '0002', '0003']);
  expect(await rows(db, `SELECT m FROM moods`)).toEqual([{ m: 'glad' }]);
});
