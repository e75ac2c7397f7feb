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
