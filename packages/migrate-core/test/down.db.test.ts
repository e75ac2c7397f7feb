import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { failureOf, folder, migratorOn, rows, versions } from './support/target.ts';

const files3 = {
  '0001_a.sql': '-- Up Migration\nCREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;\n',
  '0002_b.sql': '-- Up Migration\nCREATE TABLE b (id int);\n-- Down Migration\nDROP TABLE b;\n',
  '0003_c.sql': '-- Up Migration\nCREATE TABLE c (id int);\n-- Down Migration\nDROP TABLE c;\n',
};

test('an older image undoes from the history what a newer one applied', async () => {
  await using db = await testDatabase();
  await using files = await folder(files3);
  await migratorOn(db, files.path).migrator.up();
  await files.remove('0003_c.sql');
  await files.remove('0002_b.sql');
  const older = migratorOn(db, files.path).migrator;
  const planned = await older.plan({ direction: 'down', to: '1' });
  expect(planned.steps.map((step) => [step.version, step.from])).toEqual([
    ['0003', 'stored'],
    ['0002', 'stored'],
  ]);
  expect(versions((await older.down({ to: '1' })).undone)).toEqual(['0003', '0002']);
  expect(await rows(db, `SELECT to_regclass('b') AS b, to_regclass('c') AS c`)).toEqual([{ b: null, c: null }]);
  expect((await older.status()).applied).toHaveLength(1);
});

test("a down corrected after the up was applied is the file's, a changed up brings the stored one back", async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': '-- Up Migration\nCREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE wrong;\n' });
  await migratorOn(db, files.path).migrator.up();
  await files.write(files3);
  expect((await migratorOn(db, files.path).migrator.down()).outcome).toBe('undone');

  await migratorOn(db, files.path).migrator.up({ to: '1' });
  await files.write({ '0001_a.sql': '-- Up Migration\nCREATE TABLE other (id int);\n-- Down Migration\nDROP TABLE other;\n' });
  const changed = migratorOn(db, files.path).migrator;
  expect((await changed.plan({ direction: 'down' })).steps[0]?.from).toBe('stored');
  const report = await changed.down();
  expect(report.warnings.map((warning) => warning.code)).toEqual(['changed']);
  expect(await rows(db, `SELECT to_regclass('a') AS a`)).toEqual([{ a: null }]);
});

test('a stored down that was tampered with, or that somebody else could write, is refused', async () => {
  await using db = await testDatabase();
  await using files = await folder(files3);
  await migratorOn(db, files.path).migrator.up();
  await files.remove('0003_c.sql');
  const client = await db.connect();
  await client.query('GRANT UPDATE ON schema_migrations_test_scripts TO PUBLIC');
  const writable = await failureOf(migratorOn(db, files.path).migrator.down());
  expect(writable.problems[0]?.code).toBe('irreversible');
  expect(writable.message).toContain('PUBLIC could have written it');
  await client.query('REVOKE UPDATE ON schema_migrations_test_scripts FROM PUBLIC');
  await client.query(`UPDATE schema_migrations_test_scripts SET down = 'DROP TABLE a' WHERE down LIKE '%TABLE c%'`);
  expect((await failureOf(migratorOn(db, files.path).migrator.down())).message).toContain('its checksum differs');
  expect(await rows(db, `SELECT to_regclass('a')::text AS a`)).toEqual([{ a: 'a' }]);
});

test('--only undoes one in the middle, and stops where something depends on it', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...files3, '0003_c.sql': '-- Up Migration\nCREATE VIEW c AS SELECT * FROM b;\n-- Down Migration\nDROP VIEW c;\n' });
  const { migrator } = migratorOn(db, files.path);
  await migrator.up();
  expect((await migrator.down({ only: '1' })).undone.map((step) => step.name)).toEqual(['0001_a']);
  const error = await failureOf(migrator.down({ only: '0002' }));
  expect(error.sqlState).toBe('2BP01');
  expect(error.data).toContain('view c');
  expect((await migrator.status()).applied.map((row) => row.version)).toEqual(['0002', '0003']);
});

test('what has no down is refused before anything is undone', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...files3, '0002_b.sql': 'CREATE TABLE b (id int);' });
  const { migrator } = migratorOn(db, files.path);
  await migrator.up();
  const error = await failureOf(migrator.down({ steps: 3 }));
  expect(error.problems.map((problem) => [problem.code, problem.name])).toEqual([['irreversible', '0002_b']]);
  expect((await migrator.status()).applied).toHaveLength(3);
});

test('what another service requires stays', async () => {
  await using db = await testDatabase();
  await using files = await folder(files3);
  const { migrator } = migratorOn(db, files.path, {
    service: 'user',
    dependants: async () => [{ service: 'patient', name: '0007_x', requires: [{ service: 'user', version: '2' }] }],
  });
  await migrator.up();
  expect((await migrator.down()).outcome).toBe('undone');
  const error = await failureOf(migrator.down());
  expect(error.code).toBe('unmetRequirement');
  expect(error.message).toContain('patient 0007_x → requires user@2 → user 0002_b');
});

test('two downs of the same step undo one migration, not two', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...files3,
    '0003_c.sql': '-- Up Migration\nCREATE TABLE c (id int);\n-- Down Migration\nSELECT pg_sleep(0.5);\nDROP TABLE c;\n',
  });
  await migratorOn(db, files.path).migrator.up();
  const reports = await Promise.all([migratorOn(db, files.path).migrator.down(), migratorOn(db, files.path).migrator.down()]);
  expect(reports.map((report) => report.outcome).toSorted()).toEqual(['undone', 'upToDate']);
  expect((await migratorOn(db, files.path).migrator.status()).applied.map((row) => row.version)).toEqual(['0001', '0002']);
});

test('a down on an empty history does nothing', async () => {
  await using db = await testDatabase();
  await using files = await folder(files3);
  expect((await migratorOn(db, files.path).migrator.down()).outcome).toBe('upToDate');
});

test('a problem in the folder stops a down as it stops its plan', async () => {
  await using db = await testDatabase();
  await using files = await folder(files3);
  await migratorOn(db, files.path).migrator.up();
  await files.write({ '0002_b.down.sql': 'DROP TABLE b;\n' });
  const twice = migratorOn(db, files.path).migrator;
  expect((await twice.plan({ direction: 'down' })).plan.problems).toContainEqual(expect.objectContaining({ code: 'duplicate', severity: 'error' }));
  const error = await failureOf(twice.down());
  expect(error.code).toBe('invalidMigration');
  expect(error.problems.map((one) => one.code)).toEqual(['duplicate']);
  await files.remove('0002_b.down.sql');
  await files.write({ '0004_d.sql': 'SELECT 1;\0' });
  expect((await failureOf(migratorOn(db, files.path).migrator.down())).problems.map((one) => one.code)).toEqual(['invalidMigration']);
  await files.remove('0004_d.sql');
  expect(versions((await migratorOn(db, files.path).migrator.down()).undone)).toEqual(['0003']);
});
