import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { failureOf, folder, migratorOn, rows, versions } from '../support/target.ts';

test('after the log was emptied and a migration failed, a down still undoes the newest one', async () => {
  await using db = await testDatabase();
  const table = (n: number): string => `CREATE TABLE t${n} (id int);\n-- Down Migration\nDROP TABLE t${n};\n`;
  await using files = await folder({ '0001_a.sql': table(1), '0002_b.sql': table(2), '0003_c.sql': table(3) });
  await migratorOn(db, files.path).migrator.up();
  const client = await db.connect();
  // Somebody's rule about how long audit lines are kept.
  await client.query('DELETE FROM schema_migrations_test_log');
  await files.write({ '0004_d.sql': 'SELECT 1/0;\n' });
  await failureOf(migratorOn(db, files.path).migrator.up());
  await files.write({ '0004_d.sql': table(4) });
  await migratorOn(db, files.path).migrator.up();
  expect(versions((await migratorOn(db, files.path).migrator.down()).undone)).toEqual(['0004']);
});

test('what a file that is not parsed sets does not reach the next migration', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_set.sql': `-- migrate: parse=off\nSET search_path = pg_temp;\n`,
    '0002_t.sql': 'CREATE TABLE t (id int);\n',
  });
  await migratorOn(db, files.path).migrator.up();
  expect(await rows(db, `SELECT to_regclass('public.t')::text AS t`)).toEqual([{ t: 't' }]);
});

test('a migration that drops the table its own history is kept in is rolled back, and what to do is said', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_t.sql': 'CREATE TABLE t (id int);\n',
    '0002_drop.sql': 'CREATE TABLE u (id int);\nDROP TABLE IF EXISTS schema_migrations_test;\n',
  });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error).toMatchObject({ code: 'migrationFailed', migration: '0002_drop', sqlState: '42P01' });
  expect(error.hint).toMatch(/keep the history in a table of another name, with --table/);
  expect(await rows(db, `SELECT to_regclass('u')::text AS u`)).toEqual([{ u: null }]);
  await using other = await testDatabase();
  expect(versions((await migratorOn(other, files.path, { history: { table: 'applied' } }).migrator.up()).applied)).toEqual(['0001', '0002']);
});
