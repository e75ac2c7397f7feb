import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { connectTo, failureOf, folder, migratorOn, rows, versions, type Files } from './support/target.ts';

/** Enough quick ones that several are sent together. */
function many(count: number, sql: (n: number) => string): Files {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`${String(index + 1).padStart(4, '0')}_m.sql`, sql(index + 1)]));
}

test('quick migrations share messages and transactions, and each has its own row, line in the log and time', async () => {
  await using db = await testDatabase();
  await using files = await folder(many(20, (n) => `CREATE TABLE t${n} (id int);\n-- Down Migration\nDROP TABLE t${n};\n`));
  const { migrator, events } = migratorOn(db, files.path);
  const report = await migrator.up();
  expect(report.applied).toHaveLength(20);
  const transactions = await rows<{ transactions: number }>(db, `SELECT count(DISTINCT xmin::text)::int AS transactions FROM schema_migrations_test`);
  expect(transactions[0]?.transactions).toBeLessThan(20);
  const history = await rows<{ seq: string; duration_ms: string }>(db, `SELECT seq, duration_ms FROM schema_migrations_test ORDER BY seq`);
  expect(history.map((row) => Number(row.seq))).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  // Of its own, not since the transaction began: all together took no longer than the run.
  expect(history.reduce((sum, row) => sum + Number(row.duration_ms), 0)).toBeLessThanOrEqual(report.durationMs + 20);
  expect((await migrator.log(100)).map((line) => line.action)).toEqual(Array.from({ length: 20 }, () => 'up'));
  expect(events.filter((event) => event.type === 'applied')).toHaveLength(20);
  expect(versions((await migrator.down({ steps: 20 })).undone)).toHaveLength(20);
});

test.each(['per-migration', 'whole-plan'] as const)('a slow one is not part of what the next ones took (%s), up and down', async (atomicity) => {
  await using db = await testDatabase();
  const slow = 'SELECT pg_sleep(0.8);\nINSERT INTO t VALUES (1);\n-- Down Migration\nDELETE FROM t;\n';
  await using files = await folder({
    // The first two are sent together, and so are the next two if they are quick.
    '0001_t.sql': 'CREATE TABLE t (id int);\n-- Down Migration\nDROP TABLE t;\n',
    '0002_quick.sql': slow.replace('0.8', '0'),
    '0003_slow.sql': slow,
    '0004_quick.sql': slow.replace('0.8', '0'),
    '0005_quick.sql': slow.replace('0.8', '0'),
  });
  const { migrator } = migratorOn(db, files.path);
  const { applied } = await migrator.up({ atomicity });
  expect(applied[2]?.durationMs).toBeGreaterThanOrEqual(800);
  for (const quick of [0, 1, 3, 4]) expect(applied[quick]?.durationMs).toBeLessThan(600);
  await migrator.down({ steps: 5, atomicity });
  const logged = await rows<{ name: string; action: string; duration_ms: string }>(
    db,
    'SELECT name, action, duration_ms FROM schema_migrations_test_log ORDER BY seq',
  );
  expect(logged).toHaveLength(10);
  for (const { name, action, duration_ms } of logged) {
    if (name === '0003_slow' && action === 'up') expect(Number(duration_ms)).toBeGreaterThanOrEqual(800);
    else expect(Number(duration_ms)).toBeLessThan(600);
  }
});

test('in a target that nobody uses yet what changes rows shares a transaction as well, and each is told its own time', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_t.sql': 'CREATE TABLE t (id int PRIMARY KEY);\n',
    '0002_rows.sql': 'INSERT INTO t SELECT n FROM generate_series(1, 300000) n;\n',
  });
  const { migrator } = migratorOn(db, files.path);
  const { applied } = await migrator.up();
  const history = await rows<{ xmin: string; name: string; duration_ms: string; log_ms: string }>(
    db,
    `SELECT h.xmin, h.name, h.duration_ms, l.duration_ms AS log_ms FROM schema_migrations_test h JOIN schema_migrations_test_log l USING (seq) ORDER BY seq`,
  );
  expect(history.map((row) => row.name)).toEqual(['0001_t', '0002_rows']);
  expect(new Set(history.map((row) => row.xmin)).size).toBe(1);
  const told = applied.map((one) => one.durationMs);
  expect(history.map((row) => Number(row.duration_ms))).toEqual(told);
  expect(history.map((row) => Number(row.log_ms))).toEqual(told);
  expect(told[1]).toBeGreaterThan(3 * (told[0] ?? 0));
});

test('when one of several fails, rows that stood before it have the numbers that they get without it', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_roles.sql': 'CREATE TABLE roles (id serial PRIMARY KEY, name text);\n',
    '0002_t.sql': 'CREATE TABLE t (id int);\n',
    '0003_rows.sql': `INSERT INTO roles (name) VALUES ('nurse'), ('doctor');\n`,
    '0004_rights.sql': 'CREATE TABLE rights (role int REFERENCES roles);\n',
    '0005_rows.sql': 'INSERT INTO rights VALUES (1);\n',
    '0006_fails.sql': 'CREATE TABLE t (id int);\n',
  });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error).toMatchObject({ migration: '0006_fails', sqlState: '42P07' });
  expect(await rows(db, 'SELECT id, name FROM roles ORDER BY id')).toEqual([
    { id: 1, name: 'nurse' },
    { id: 2, name: 'doctor' },
  ]);
});

test('a constraint of an earlier message that is checked at COMMIT is checked before the next migration mends it', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...many(6, (n) => `CREATE TABLE t${n} (id int PRIMARY KEY, parent int);\n`),
    '0003_m.sql': 'ALTER TABLE t1 ADD FOREIGN KEY (parent) REFERENCES t1 DEFERRABLE INITIALLY DEFERRED;\n',
    '0007_breaks.sql': 'INSERT INTO t1 VALUES (1, 2);\n',
    '0008_mends.sql': 'INSERT INTO t1 VALUES (2, 2);\n',
  });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error).toMatchObject({ migration: '0007_breaks', sqlState: '23503' });
});

test('what a CREATE TABLE AS sets is not in force for the next migration', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_sets.sql': `CREATE TABLE t AS SELECT set_config('search_path', 'pg_temp', true);\n`,
    '0002_next.sql': 'CREATE TABLE next (id int);\n',
  });
  await migratorOn(db, files.path).migrator.up();
  expect(await rows(db, `SELECT to_regclass('public.next')::text AS next`)).toEqual([{ next: 'next' }]);
});

test('when one of several fails, those before it stand and it is named as if it had been alone', async () => {
  await using db = await testDatabase();
  await using files = await folder(many(12, (n) => (n === 9 ? 'CREATE TABLE fine (id int);\nCREATE TABLE t1 (id int);\n' : `CREATE TABLE t${n} (id int);\n`)));
  const { migrator } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error).toMatchObject({ migration: '0009_m', sqlState: '42P07', position: { line: 2, column: 1 } });
  expect(versions(error.report?.applied ?? [])).toEqual(['0001', '0002', '0003', '0004', '0005', '0006', '0007', '0008']);
  expect(error.report?.notRun).toEqual(['0010_m', '0011_m', '0012_m']);
  expect((await migrator.status()).applied).toHaveLength(8);
  expect(await rows(db, `SELECT to_regclass('fine') AS fine`)).toEqual([{ fine: null }]);
});

test('what one transaction cannot do for two migrations, two do', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...many(4, (n) => `CREATE TABLE t${n} (id int PRIMARY KEY, parent int REFERENCES t${n} DEFERRABLE INITIALLY DEFERRED);\n`),
    // In one transaction: "cannot ALTER TABLE because it has pending trigger events".
    '0005_rows.sql': 'INSERT INTO t4 VALUES (1, 1);\n',
    '0006_alter.sql': 'ALTER TABLE t4 ADD note text;\n',
  });
  expect(versions((await migratorOn(db, files.path).migrator.up()).applied)).toEqual(['0001', '0002', '0003', '0004', '0005', '0006']);
});

test('a table that somebody reads holds up only the migration of that table', async () => {
  await using db = await testDatabase();
  await using files = await folder(many(8, (n) => (n === 7 ? 'ALTER TABLE t1 ADD a int;\n' : `CREATE TABLE t${n} (id int);\n`)));
  await migratorOn(db, files.path).migrator.up({ to: '6' });
  const reader = await db.connect();
  await reader.query('BEGIN');
  await reader.query('SELECT * FROM t1');
  const { migrator, events } = migratorOn(db, files.path, { lockTimeoutMs: 300, retryLimitMs: 1_000 });
  const error = await failureOf(migrator.up());
  expect(error).toMatchObject({ code: 'lockTimeout', migration: '0007_m' });
  expect(events.some((event) => event.type === 'retrying' && event.name === '0007_m')).toBe(true);
  await reader.query('COMMIT');
  expect(versions((await migrator.up()).applied)).toEqual(['0007', '0008']);
});

test('with --atomic no setting of one migration reaches the next', async () => {
  await using db = await testDatabase();
  const setting = (name: string): string => `INSERT INTO seen SELECT current_setting('${name}');\n`;
  await using files = await folder({
    '0001_seen.sql': 'CREATE TABLE seen (value text);\n',
    '0002_sets.sql': `-- migrate: statement-timeout=1234ms\nSET search_path = pg_catalog;\nSET my.own = 'mine';\nSET ROLE pg_read_all_data;\n`,
    '0003_sees.sql': `${setting('search_path')}${setting('my.own')}${setting('role')}${setting('statement_timeout')}`,
  });
  const { migrator } = migratorOn(db, files.path);
  await migrator.up({ atomicity: 'whole-plan' });
  const client = await connectTo(db.url);
  const [own] = (await client.query(`SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout`)).rows as {
    path: string;
    timeout: string;
  }[];
  await client.end();
  expect((await rows<{ value: string }>(db, 'SELECT value FROM seen')).map((row) => row.value)).toEqual([own?.path, '', 'none', own?.timeout]);
});

test('rows that are told by the time of their transaction are those of migrations with a transaction each, also in a target that nobody uses yet', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_visits.sql': 'CREATE TABLE visits (id int, made_at timestamptz DEFAULT now(), old bool DEFAULT false);\n',
    '0002_other.sql': 'CREATE TABLE other ();\n',
    '0003_visits.sql': 'CREATE TABLE prices (id int, valid_from timestamptz DEFAULT CURRENT_TIMESTAMP, valid_to timestamptz);\n',
    '0004_rows.sql': 'INSERT INTO visits (id) VALUES (1);\nINSERT INTO prices VALUES (1);\n',
    '0005_old.sql': 'UPDATE visits SET old = true WHERE made_at < now();\nUPDATE prices SET valid_to = CURRENT_TIMESTAMP;\n',
  });
  await migratorOn(db, files.path).migrator.up();
  expect(await rows(db, 'SELECT old, valid_to > valid_from AS lasted FROM visits, prices')).toEqual([{ old: true, lasted: true }]);
});

test('so are those that are told by the time of their statement, which is that of its message', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_visits.sql': 'CREATE TABLE visits (id int, made_at timestamptz DEFAULT statement_timestamp());\n',
    '0002_rows.sql': 'INSERT INTO visits (id) VALUES (1);\n',
    '0003_old.sql': 'DELETE FROM visits WHERE made_at < statement_timestamp();\n',
  });
  await migratorOn(db, files.path).migrator.up();
  expect(await rows(db, 'SELECT id FROM visits')).toEqual([]);
});
