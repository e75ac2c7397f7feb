import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

import { testDatabase, testRole } from '@org/test-postgres';
import { expect, test } from 'vitest';

import type { MigrationError } from '../src/errors.ts';
import { connectTo, failureOf, folder, migratorOn, rows, versions } from './support/target.ts';

const clinic = {
  '0001_clinics.sql': '-- Up Migration\nCREATE TABLE clinics (id int PRIMARY KEY, name text);\n-- Down Migration\nDROP TABLE clinics;\n',
  '0002_patients.sql':
    "-- Up Migration\nCREATE TABLE patients (id int PRIMARY KEY, clinic int REFERENCES clinics);\nINSERT INTO clinics VALUES (1, 'Rabat');\n-- Down Migration\nDROP TABLE patients;\nDELETE FROM clinics;\n",
  '0003_names.sql': '-- Up Migration\nALTER TABLE patients ADD COLUMN name text;\n-- Down Migration\nALTER TABLE patients DROP COLUMN name;\n',
};

test('applies what is pending, in order, and says so only once it is durable', async () => {
  await using db = await testDatabase();
  await using files = await folder(clinic);
  const { migrator, events } = migratorOn(db, files.path);
  const report = await migrator.up();
  expect(report.outcome).toBe('applied');
  expect(versions(report.applied)).toEqual(['0001', '0002', '0003']);
  expect(events.map((event) => event.type)).toEqual(['planned', 'started', 'started', 'started', 'applied', 'applied', 'applied']);

  const status = await migrator.status();
  expect(status.current?.version).toBe('0003');
  expect(status.pending).toEqual([]);
  expect(status.problems).toEqual([]);
  expect(status.applied.map((row) => row.state)).toEqual(['applied', 'applied', 'applied']);
  expect(status.applied.every((row) => row.storedDown)).toBe(true);
  expect((await migrator.log()).map((entry) => `${entry.seq} ${entry.action} ${entry.name}`)).toEqual([
    '3 up 0003_names',
    '2 up 0002_patients',
    '1 up 0001_clinics',
  ]);

  const again = await migrator.up();
  expect(again.outcome).toBe('upToDate');
  expect(again.applied).toEqual([]);
});

test('with nothing pending, one statement is sent and no lock is asked for', async () => {
  await using db = await testDatabase();
  await using files = await folder(clinic);
  await migratorOn(db, files.path).migrator.up();
  const client = await db.connect();
  const sent: string[] = [];
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  client.query = ((config: { submit?: (wire: { query(text: string): void }) => void }, ...rest: unknown[]) => {
    config.submit?.({ query: (text) => sent.push(text) });
    return query(config, ...rest);
  }) as typeof client.query;
  const { migrator } = migratorOn(db, files.path, { client });
  expect((await migrator.up()).outcome).toBe('upToDate');
  expect(sent).toHaveLength(1);
  expect(sent[0]).not.toContain('advisory');
});

test('reading an unused database creates nothing', async () => {
  await using db = await testDatabase();
  await using files = await folder(clinic);
  const { migrator } = migratorOn(db, files.path);
  expect((await migrator.status()).pending).toHaveLength(3);
  expect((await migrator.plan({ direction: 'up' })).steps.map((step) => step.version)).toEqual(['0001', '0002', '0003']);
  expect(await migrator.log()).toEqual([]);
  expect((await migrator.up({ to: '0001' })).applied).toHaveLength(1);
  const tables = await rows(db, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`);
  expect(tables.map((row) => row['relname'])).toEqual(['clinics', 'schema_migrations_test', 'schema_migrations_test_log', 'schema_migrations_test_scripts']);
});

test('stops at the failing statement with its file, line and column, and keeps what was done before it', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...clinic,
    '0002_patients.sql': '-- Up Migration\n-- 🏥 patients\nCREATE TABLE patients (id int);\n\nINSERT INTO clinics\n  VALUES (1, nowhere);\n',
  });
  const { migrator, events } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error.code).toBe('migrationFailed');
  expect(error.sqlState).toBe('42703');
  expect(error.position).toMatchObject({ line: 6, column: 14, text: '  VALUES (1, nowhere);' });
  expect(error.position?.file).toContain('0002_patients.sql');
  expect(error.report?.outcome).toBe('failed');
  expect(versions(error.report?.applied ?? [])).toEqual(['0001']);
  expect(error.report?.notRun).toEqual(['0003_names']);
  expect(events.at(-2)).toMatchObject({ type: 'applied', name: '0001_clinics' });
  expect(events.at(-1)).toMatchObject({ type: 'failed' });
  expect(await rows(db, `SELECT to_regclass('patients') AS patients`)).toEqual([{ patients: null }]);
  expect((await migrator.log(1))[0]).toMatchObject({ action: 'failed', name: '0002_patients' });
  await files.write({ '0002_patients.sql': clinic['0002_patients.sql'] });
  expect(versions((await migratorOn(db, files.path).migrator.up()).applied)).toEqual(['0002', '0003']);
});

test('a syntax error in the last pending file keeps all of them from running', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...clinic, '0003_names.sql': '-- Up Migration\nALTER TABLE patients\n  ADD COLUM name text;\n' });
  const { migrator } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error.code).toBe('invalidMigration');
  expect(error.position).toMatchObject({ line: 3 });
  expect(await rows(db, `SELECT to_regclass('clinics') AS clinics`)).toEqual([{ clinics: null }]);
});

test('a trailing comment does not swallow the record', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE a (id int) -- the end', '0002_b.sql': 'CREATE TABLE b (id int); /* done' + ' */' });
  const { migrator } = migratorOn(db, files.path);
  expect(versions((await migrator.up()).applied)).toEqual(['0001', '0002']);
  expect((await migrator.status()).current?.version).toBe('0002');
});

test("a file's own BEGIN and COMMIT neither commit the record early nor end it", async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_a.sql': 'BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\nCREATE TABLE b (id int);\nSELECT 1/0;\n',
  });
  const { migrator } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error.sqlState).toBe('22012');
  expect(error.position?.line).toBe(5);
  expect(await rows(db, `SELECT to_regclass('a') AS a, to_regclass('b') AS b`)).toEqual([{ a: null, b: null }]);
  expect((await migrator.status()).applied).toEqual([]);
});

test('an isolation level that the file asks for is honoured', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_a.sql': "BEGIN ISOLATION LEVEL REPEATABLE READ;\nCREATE TABLE a AS SELECT current_setting('transaction_isolation') AS level;\nCOMMIT;\n",
  });
  const { migrator } = migratorOn(db, files.path);
  expect((await migrator.up()).outcome).toBe('applied');
  expect(await rows(db, 'SELECT level FROM a')).toEqual([{ level: 'repeatable read' }]);
});

test('settings of a file end with its transaction', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_dump.sql':
      "SET statement_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\nSET default_tablespace = '';\nCREATE TABLE public.a (id int);\n",
    '0002_b.sql': 'CREATE TABLE b (id int);\n',
  });
  const client = await db.connect();
  const { migrator } = migratorOn(db, files.path, { client });
  expect((await migrator.up()).outcome).toBe('applied');
  expect((await client.query('SHOW search_path')).rows[0]).toEqual({ search_path: '"$user", public' });
  expect(client.getTransactionStatus()).toBe('I');
});

test('a deferred constraint that fails at COMMIT is named', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_a.sql':
      'CREATE TABLE a (id int PRIMARY KEY, parent int CONSTRAINT a_parent_fk REFERENCES a DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO a VALUES (1, 2);\n',
  });
  const { migrator } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error.message).toContain('at COMMIT');
  expect(error.message).toContain('a_parent_fk');
  expect((await migrator.status()).applied).toEqual([]);
});

test("rows' data stay out of the error unless asked for", async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_a.sql': "CREATE TABLE a (phone text);\nINSERT INTO a VALUES ('514-555-0199');\n",
    '0002_b.sql': 'ALTER TABLE a ALTER COLUMN phone TYPE bigint USING phone::bigint;\n',
  });
  const { migrator, events } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  const told = `${JSON.stringify(error)} ${error.message} ${error.hint} ${JSON.stringify(events)} ${JSON.stringify(await migrator.log())}`;
  expect(told).not.toContain('514-555');
  expect(error.data).toContain('514-555-0199');
});

test('and of what is printed when nobody catches the error, its cause included', async () => {
  await using db = await testDatabase();
  const missing = "CREATE TABLE a (name text, phone text NOT NULL);\nINSERT INTO a SELECT 'A' || 'mal', NULL;\n";
  const cast = "CREATE TABLE b (phone text);\nINSERT INTO b SELECT 'A' || 'mal';\nALTER TABLE b ALTER COLUMN phone TYPE bigint USING phone::bigint;\n";
  for (const [sql, sqlState] of [
    [missing, '23502'],
    [cast, '22P02'],
  ] as const) {
    await using files = await folder({ '0001_a.sql': sql });
    const error = await failureOf(migratorOn(db, files.path).migrator.up());
    expect(error.data).toContain('Amal');
    expect(inspect(error)).not.toContain('Amal');
    expect(error.cause).toMatchObject({ code: sqlState, severity: 'ERROR' });
    expect(inspect(error.cause)).toContain('at ');
  }
});

test('a changed file, a pending one below and a vanished one are all reported at once', async () => {
  await using db = await testDatabase();
  await using files = await folder(clinic);
  await migratorOn(db, files.path).migrator.up();
  await files.write({ '0002_patients.sql': 'SELECT 1;', '0001_b_late.sql': 'SELECT 2;' });
  await files.remove('0001_clinics.sql');
  const { migrator } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error.code).toBe('planRefused');
  expect(error.problems.map((problem) => `${problem.code} ${problem.name}`).toSorted()).toEqual([
    'changed 0002_patients',
    'outOfOrder 0001_b_late',
    'unknownApplied 0001_clinics',
  ]);
  expect((await migrator.status()).problems).toHaveLength(3);
});

test('a history that is newer than this build is no obstacle', async () => {
  await using db = await testDatabase();
  await using files = await folder(clinic);
  await migratorOn(db, files.path).migrator.up();
  await files.remove('0003_names.sql');
  const { migrator } = migratorOn(db, files.path);
  const report = await migrator.up();
  expect(report.outcome).toBe('upToDate');
  expect(report.warnings.map((warning) => warning.code)).toEqual(['unknownApplied']);
});

test('--atomic does all or nothing, and is refused where it cannot', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...clinic, '0004_bad.sql': 'SELECT 1/0;' });
  const { migrator } = migratorOn(db, files.path);
  expect((await failureOf(migrator.up({ atomicity: 'whole-plan' }))).sqlState).toBe('22012');
  expect((await migrator.status()).applied).toEqual([]);
  await files.write({ '0004_bad.sql': 'CREATE INDEX CONCURRENTLY p ON patients (name);' });
  const refused = await failureOf(migratorOn(db, files.path).migrator.up({ atomicity: 'whole-plan' }));
  expect(refused.code).toBe('planRefused');
  expect(refused.message).toContain('0004_bad');
  await files.remove('0004_bad.sql');
  expect(versions((await migratorOn(db, files.path).migrator.up({ atomicity: 'whole-plan' })).applied)).toEqual(['0001', '0002', '0003']);
});

test("another tool's table of our name is left alone", async () => {
  await using db = await testDatabase();
  await using files = await folder(clinic);
  const client = await db.connect();
  await client.query('CREATE TABLE schema_migrations_test (version bigint, dirty boolean); INSERT INTO schema_migrations_test VALUES (3, false)');
  const { migrator } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error.code).toBe('foreignHistory');
  expect(error.message).toContain('version, dirty');
  expect(error.hint).toContain('migrate adopt');
  expect((await failureOf(migrator.status())).code).toBe('foreignHistory');
  expect(await rows(db, 'SELECT * FROM schema_migrations_test')).toHaveLength(1);
});

test('names that look like SQL are data', async () => {
  await using db = await testDatabase();
  const name = `0001_a'; DROP TABLE x; -- $migrate$ "q" 🏥`;
  await using files = await folder({ [`${name}.sql`]: 'CREATE TABLE x (id int);' });
  const table = `h"; DROP TABLE x; --$migrate$`;
  const { migrator } = migratorOn(db, files.path, { service: `s'"`, history: { table, schema: `we"ird` }, schema: `we"ird` });
  expect((await migrator.up()).outcome).toBe('applied');
  const status = await migrator.status();
  expect(status.applied[0]?.name).toBe(name);
  expect(await rows(db, `SELECT 1 FROM "we""ird".x`)).toEqual([]);
});

test('usual default privileges give nobody the right to rewrite a stored down', async () => {
  await using db = await testDatabase();
  await using files = await folder(clinic);
  await using role = await testRole();
  const client = await db.connect();
  await client.query(`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ${role.name}`);
  await client.query('ALTER DEFAULT PRIVILEGES GRANT SELECT, UPDATE ON TABLES TO PUBLIC');
  await migratorOn(db, files.path).migrator.up();
  for (const suffix of ['', '_log', '_scripts']) {
    const [row] = await rows<{ any: boolean }>(
      db,
      `SELECT bool_or(has_table_privilege('${role.name}', 'schema_migrations_test${suffix}', p)) AS any FROM unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE','TRUNCATE']) p`,
    );
    expect(row?.any).toBe(false);
  }
});

test('a data change that a forced policy would filter fails loudly', async () => {
  await using db = await testDatabase();
  await using role = await testRole();
  await using files = await folder({
    '0001_a.sql':
      'CREATE TABLE a (id int, tenant text); INSERT INTO a VALUES (1, $$x$$); ALTER TABLE a ENABLE ROW LEVEL SECURITY; ALTER TABLE a FORCE ROW LEVEL SECURITY; CREATE POLICY p ON a USING (false);',
    '0002_b.sql': 'UPDATE a SET id = 2;',
  });
  const client = await db.connect();
  await client.query(`GRANT ALL ON SCHEMA public TO ${role.name}`);
  const owner = db.server.url(db.name, role);
  const { migrator } = migratorOn(db, files.path, { connect: () => connectTo(owner) });
  const error = await failureOf(migrator.up());
  expect(error.sqlState).toBe('42501');
  expect(error.hint).toContain('BYPASSRLS');
  expect(versions(error.report?.applied ?? [])).toEqual(['0001']);
});

test('a client inside a transaction is refused and left as it was', async () => {
  await using db = await testDatabase();
  await using files = await folder(clinic);
  const client = await db.connect();
  await client.query('BEGIN');
  const { migrator } = migratorOn(db, files.path, { client });
  expect((await failureOf(migrator.up())).code).toBe('invalidOptions');
  expect(client.getTransactionStatus()).toBe('T');
});

test('an injected client is left idle and open after a failure', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'SELECT 1/0;' });
  const client = await db.connect();
  const { migrator } = migratorOn(db, files.path, { client });
  await failureOf(migrator.up());
  expect(client.getTransactionStatus()).toBe('I');
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

test('every file that the parser refuses is told at once', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);', '0002_b.sql': 'CREATE TABEL b;', '0003_c.sql': 'SELECT 1;\nSELCT 2;' });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error.message).toMatch(/0002_b: syntax error at or near "TABEL"\n.*0003_c\.sql:2:1: syntax error at or near "SELCT"/);
  expect(error.position).toMatchObject({ line: 1, column: 8 });
  expect((await migratorOn(db, files.path).migrator.status()).applied).toEqual([]);
});

test('an error in the SQL of a module names the module', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.mjs': `export const up = (pgm) => pgm.sql('SELECT * FROM nowhere');\nexport const down = false;\n` });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error.message).toMatch(/relation "nowhere" does not exist, in the SQL that .*0001_a\.mjs makes/);
});

test('a migration without a statement is told before it is recorded', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': '-- Up Migration\n-- to be written\n\n-- Down Migration\n' });
  const { migrator, events } = migratorOn(db, files.path);
  expect(versions((await migrator.up()).applied)).toEqual(['0001']);
  expect(events.filter((event) => event.type === 'notice')).toMatchObject([{ name: '0001_a', message: expect.stringContaining('has no statement') }]);
});

test.each([
  ['in a transaction', ''],
  ['statement by statement', '-- migrate: transaction=none\n'],
])('a migration that somebody cancels in the server, %s, is told as that, and runs again', async (_, directive) => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_slow.sql': `${directive}SELECT 1;\nSELECT pg_sleep(20);\n` });
  const run = failureOf(migratorOn(db, files.path).migrator.up());
  const client = await db.connect();
  for (;;) {
    const { rowCount } = await client.query(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND wait_event = 'PgSleep'`,
    );
    if (rowCount === 1) break;
    await sleep(50);
  }
  const error = await run;
  expect(error.sqlState).toBe('57014');
  expect(error.hint).toBe('somebody cancelled it in the server, and nothing is wrong with the file: `migrate up` runs it again');
  await files.write({ '0001_slow.sql': `${directive}SELECT 1;\nSELECT 2;\n` });
  expect((await migratorOn(db, files.path).migrator.up()).outcome).toBe('applied');
});

test('a statement_timeout is not told as somebody who cancelled it', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_slow.sql': "SET statement_timeout = '100ms';\nSELECT pg_sleep(20);\n" });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error).toMatchObject({ sqlState: '57014', hint: null });
});

test('a schema that the run has made is told, once: its name may have been mistyped', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE a (id int);', '0002_b.sql': 'CREATE TABLE b (id int);' });
  const { migrator, events } = migratorOn(db, files.path, { schema: 'pubilc' });
  const report = await migrator.up();
  const told = (): string[] => events.flatMap((event) => (event.type === 'notice' ? [event.message] : []));
  expect(told()).toEqual(['made the schema pubilc, which was not there']);
  expect(report.warnings).toMatchObject([{ code: 'madeSchema', name: '0001_a', severity: 'warning' }]);
  await files.write({ '0003_c.sql': 'CREATE TABLE c (id int);' });
  expect((await migrator.up()).warnings).toEqual([]);
  expect(told()).toHaveLength(1);
});

test('a schema that was there, or that a failed run has made for its log', async () => {
  await using db = await testDatabase();
  await rows(db, 'CREATE SCHEMA there');
  await using files = await folder({ '0001_a.sql': 'SELECT 1/0;' });
  for (const [schema, count] of [
    ['there', 0],
    ['made', 1],
  ] as const) {
    const { migrator, events } = migratorOn(db, files.path, { schema });
    await failureOf(migrator.up());
    expect(events.filter((event) => event.type === 'notice')).toHaveLength(count);
  }
});

test('a server that is not there, or refuses, is an error of the library, also where a name has several addresses', async () => {
  await using db = await testDatabase();
  await using files = await folder(clinic);
  const refusing = (url: string): Promise<MigrationError> => failureOf(migratorOn(db, files.path, { connect: () => connectTo(url) }).migrator.up());
  expect(await refusing(db.url.replace(/\/[^/]*$/, '/no_such_database'))).toMatchObject({ code: 'connection', sqlState: '3D000' });
  const nobody = await refusing('postgres://localhost:1/x');
  expect(nobody).toMatchObject({ code: 'connection', sqlState: null, message: expect.stringContaining('cannot connect: connect ECONNREFUSED') as string });
  const own = new Error('the vault has no password');
  await expect(migratorOn(db, files.path, { connect: () => Promise.reject(own) }).migrator.up()).rejects.toBe(own);
});
