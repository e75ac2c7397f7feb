import { testDatabase } from '@org/test-postgres';
import { describe, expect, test } from 'vitest';

import { folder, migratorOn, rows, versions } from './support/target.ts';

describe('a down is not run as a migration, whatever its tool calls it', () => {
  test.each([
    ['20240101000000-a-up.sql', '20240101000000-a-down.sql'],
    ['20240101000000_a_up.sql', '20240101000000_a_down.sql'],
    ['20240101000000_a.sql', '20240101000000_a_rollback.sql'],
    ['20240101000000_a.up.sql', '20240101000000_a.rollback.sql'],
    ['001.do.a.sql', '001.undo.a.sql'],
    ['001.do.sql', '001.undo.sql'],
    ['V1__a.sql', 'U1__a.sql'],
  ])('%s and %s', async (up, down) => {
    await using db = await testDatabase();
    await using files = await folder({ [up]: 'CREATE TABLE visits (id int);\n', [down]: 'DROP TABLE IF EXISTS visits;\n' });
    const { migrator } = migratorOn(db, files.path);
    expect((await migrator.up()).applied).toHaveLength(1);
    expect(await rows(db, `SELECT to_regclass('visits') IS NOT NULL AS there`)).toEqual([{ there: true }]);
    expect((await migrator.down()).undone).toHaveLength(1);
    expect(await rows(db, `SELECT to_regclass('visits') IS NOT NULL AS there`)).toEqual([{ there: false }]);
  });
});

test('a folder of Diesel’s runs in Diesel’s order, also where a date lacks a zero', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '2020-12-05-100000_a/up.sql': 'CREATE TABLE visits (id int);\n',
    '2020-12-15-000000_c/up.sql': 'ALTER TABLE visits ADD note text;\n',
    '2020-12-7-190800_b/up.sql': 'ALTER TABLE visits RENAME note TO remark;\n',
    '2020-12-8-190800_b/up.sql': 'ALTER TABLE visits RENAME remark TO comment;\n',
    '2021-01-07-004939_d/up.sql': 'ALTER TABLE visits DROP comment;\n',
  });
  const { migrator } = migratorOn(db, files.path);
  expect(versions((await migrator.up()).applied)).toEqual([
    '2020-12-05-100000',
    '2020-12-15-000000',
    '2020-12-7-190800',
    '2020-12-8-190800',
    '2021-01-07-004939',
  ]);
});

test('a comment that begins with "Migrate:" and goes on as prose is a comment', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_a.sql':
      '-- Migrate: the first of the visits\nCREATE TABLE visits (id int);\n\n-- Migrate: mark those that were cancelled\nALTER TABLE visits ADD cancelled bool;\n',
  });
  expect((await migratorOn(db, files.path).migrator.up()).applied).toHaveLength(1);
});

test('a COMMIT that Prisma’s users put behind a new value of an enum ends its transaction, so that the value can be used', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '20240101000000_a/migration.sql':
      "CREATE TYPE level AS ENUM ('low');\nCREATE TABLE tags (name text, level level DEFAULT 'low');\nINSERT INTO tags VALUES ('a');\n",
    '20240102000000_b/migration.sql':
      "ALTER TABLE tags ADD note text;\nALTER TYPE level ADD VALUE 'high';\nCOMMIT;\n\nUPDATE tags SET level = 'high';\nALTER TYPE level ADD VALUE 'top';\nCOMMIT;\nUPDATE tags SET level = 'top' WHERE level = 'high';\n",
  });
  const { migrator } = migratorOn(db, files.path);
  expect((await migrator.up()).applied).toHaveLength(2);
  expect(await rows(db, 'SELECT name, level, note FROM tags')).toEqual([{ name: 'a', level: 'top', note: null }]);
});

test('a COMMIT in front of a CREATE INDEX CONCURRENTLY, as Drizzle’s users put it, is taken out', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0000_a.sql': 'CREATE TABLE visits (id int);\n',
    '0001_b.sql':
      "ALTER TABLE visits ADD note text;--> statement-breakpoint\nCOMMIT;--> statement-breakpoint\nSET lock_timeout = 0;--> statement-breakpoint\nCREATE INDEX CONCURRENTLY visits_note ON visits (note);--> statement-breakpoint\nSET lock_timeout = '5s';\n",
    '0002_c.sql': "INSERT INTO visits VALUES (1, 'a');\nCOMMIT;\nINSERT INTO nowhere VALUES (1);\n",
  });
  const { migrator } = migratorOn(db, files.path);
  await expect(migrator.up()).rejects.toMatchObject({ code: 'migrationFailed', migration: '0002_c' });
  expect(await rows(db, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'visits_note'::regclass")).toEqual([{ indisvalid: true }]);
  // One migration is one transaction: nothing of the failing one is there.
  expect(await rows(db, 'SELECT id FROM visits')).toEqual([]);
});

test('Flyway’s repeatable migrations run behind its versions, and its callbacks are no migrations', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    'R__names.sql': 'CREATE VIEW names AS SELECT first, last FROM patients;\n',
    'V1__patients.sql': 'CREATE TABLE patients (first text);\n',
    'V10__last.sql': 'ALTER TABLE patients RENAME surname TO last;\n',
    'V2__surname.sql': 'ALTER TABLE patients ADD surname text;\n',
    'V2_1__a_default.sql': "ALTER TABLE patients ALTER surname SET DEFAULT '';\n",
    'afterMigrate__grants.sql': 'GRANT SELECT ON nothing TO nobody;\n',
    'beforeMigrate.sql': 'SELECT nothing;\n',
  });
  const { migrator } = migratorOn(db, files.path);
  expect((await migrator.up()).applied.map((one) => one.name)).toEqual(['V1__patients', 'V2__surname', 'V2_1__a_default', 'V10__last', 'R__names']);
});
