import { randomBytes } from 'node:crypto';

import { testDatabase, testRole, testServer } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createMigrator } from '../../src/index.ts';
import { connectTo, failureOf, folder, migratorOn, rows } from '../support/target.ts';
import { sourceOf } from '../support/source.ts';

const DOWN = 'DROP TABLE t;\n';
const FILE = { '0001_t.sql': `CREATE TABLE t (id int);\n-- Down Migration\n${DOWN}` };

test('a scripts table that another role made before is not trusted', async () => {
  await using db = await testDatabase();
  const role = `app_${randomBytes(4).toString('hex')}`;
  const admin = await db.connect();
  await admin.query(`CREATE ROLE ${role} LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO ${role}`);
  try {
    await admin.query(`SET ROLE ${role}`);
    await admin.query(
      'CREATE TABLE schema_migrations_test_scripts (key text PRIMARY KEY, up text, down text, down_checksum text, down_transaction text, down_parse text)',
    );
    await admin.query('RESET ROLE');
    await using files = await folder(FILE);
    const up = await migratorOn(db, files.path)
      .migrator.up()
      .then(
        () => 'applied',
        () => 'refused',
      );
    if (up === 'refused') return;
    await admin.query(`SET ROLE ${role}`);
    await admin.query(
      `UPDATE schema_migrations_test_scripts SET down = 'ALTER ROLE ${role} SUPERUSER', down_checksum = encode(sha256(convert_to('ALTER ROLE ${role} SUPERUSER', 'UTF8')), 'hex')`,
    );
    await admin.query('RESET ROLE');
    await files.remove('0001_t.sql');
    await files.write({ '0002_other.sql': 'SELECT 1;\n' });
    await migratorOn(db, files.path)
      .migrator.down({ only: '0001_t' })
      .catch(() => undefined);
    expect(await rows(db, `SELECT rolsuper FROM pg_roles WHERE rolname = '${role}'`)).toEqual([{ rolsuper: false }]);
  } finally {
    await admin.query(`RESET ROLE; DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`).catch(() => undefined);
  }
});

test('a stored down that a role may write by a right on a column is refused', async () => {
  await using db = await testDatabase();
  const role = `app_${randomBytes(4).toString('hex')}`;
  const admin = await db.connect();
  await admin.query(`CREATE ROLE ${role}`);
  try {
    await using files = await folder(FILE);
    await migratorOn(db, files.path).migrator.up();
    await admin.query(`GRANT UPDATE (down, down_checksum) ON schema_migrations_test_scripts TO ${role}`);
    await files.remove('0001_t.sql');
    await files.write({ '0002_other.sql': 'SELECT 1;\n' });
    const outcome = await migratorOn(db, files.path)
      .migrator.down({ only: '0001_t' })
      .then(
        () => 'undone',
        () => 'refused',
      );
    expect(outcome).toBe('refused');
  } finally {
    await admin.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`).catch(() => undefined);
  }
});

test('two targets whose schemas PostgreSQL cuts to the same name are refused', async () => {
  await using db = await testDatabase();
  const long = 'clinic_'.padEnd(63, 'x');
  const source = sourceOf({ name: '0001_t', up: 'CREATE TABLE t (id int)' });
  const up = async (schema: string): Promise<string> => {
    try {
      return (await createMigrator({ service: 'test', source, connect: () => connectTo(db.url), schema }).up()).outcome;
    } catch {
      return 'refused';
    }
  };
  expect([await up(`${long}1`), await up(`${long}2`)]).toEqual(['refused', 'refused']);
});

test('values of rows stay out of the message and the log', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_t.sql': `CREATE TABLE t (names text);\nINSERT INTO t VALUES ('{"Jane Doe","x"} y');\n`,
    '0002_array.sql': 'ALTER TABLE t ALTER names TYPE text[] USING names::text[];\n',
  });
  const { migrator } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(JSON.stringify([error.message, error.report, await migrator.log()])).not.toContain('Jane');
});

test('literals of a blocking query stay out of events also behind a name with a quote', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_t.sql': `CREATE TABLE t ("patient's" text);\n`, '0002_t.sql': 'ALTER TABLE t ADD a int;\n' });
  await migratorOn(db, files.path).migrator.up({ to: '1' });
  const reader = await db.connect();
  await reader.query('BEGIN');
  await reader.query(`SELECT "patient's" FROM t WHERE 'Jane Doe' <> ''`);
  const { migrator, events } = migratorOn(db, files.path, { lockTimeoutMs: 1_000, retryLimitMs: 10 });
  const error = await failureOf(migrator.up());
  await reader.query('COMMIT');
  expect(JSON.stringify([events, error.hint])).not.toContain('Jane');
});

test('a connection that is given is left with its own settings', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_t.sql': 'CREATE TABLE clinic.t (id int);\n', '0002_i.sql': 'CREATE INDEX CONCURRENTLY t_id ON t (id);\n' });
  const client = await db.connect();
  await client.query(`CREATE SCHEMA clinic; SET search_path = pg_catalog, public`);
  await migratorOn(db, files.path, { client, schema: 'clinic' }).migrator.up();
  expect((await client.query('SHOW search_path')).rows).toEqual([{ search_path: 'pg_catalog, public' }]);
});

test('what a DO block sets for the session does not reach the next migration', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_do.sql': `DO $$ BEGIN PERFORM set_config('search_path', 'pg_temp', false); END $$;\n`,
    '0002_t.sql': 'CREATE TABLE t (id int);\n',
  });
  await migratorOn(db, files.path).migrator.up();
  expect(await rows(db, `SELECT to_regclass('public.t')::text AS t`)).toEqual([{ t: 't' }]);
});

test('a scripts table that was dropped is made again', async () => {
  await using db = await testDatabase();
  await using files = await folder(FILE);
  await migratorOn(db, files.path).migrator.up();
  const client = await db.connect();
  await client.query('DROP TABLE schema_migrations_test_scripts');
  await files.write({ '0002_u.sql': 'CREATE TABLE u (id int);\n' });
  expect((await migratorOn(db, files.path).migrator.up()).outcome).toBe('applied');
});

test('status does not call applied migrations pending when a policy hides the history', async () => {
  await using db = await testDatabase();
  await using role = await testRole();
  const admin = await db.connect();
  await admin.query(`GRANT ALL ON SCHEMA public TO ${role.name}`);
  const server = await testServer();
  await using files = await folder(FILE);
  const connect = (): ReturnType<typeof connectTo> => connectTo(server.url(db.name, role));
  await migratorOn(db, files.path, { connect }).migrator.up();
  await admin.query('ALTER TABLE schema_migrations_test ENABLE ROW LEVEL SECURITY; ALTER TABLE schema_migrations_test FORCE ROW LEVEL SECURITY');
  const pending = await migratorOn(db, files.path, { connect })
    .migrator.status()
    .then(
      (status) => status.pending.length,
      () => 'refused',
    );
  expect(pending).toBe('refused');
  await admin.query(`DROP OWNED BY ${role.name} CASCADE`);
});
