import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { failureOf, folder, migratorOn, rows, type Files } from '../support/target.ts';

function quick(from: number, to: number): Files {
  return Object.fromEntries(
    Array.from({ length: to - from + 1 }, (_, index) => [`${String(from + index).padStart(4, '0')}_q.sql`, `CREATE TABLE q${from + index} (id int);\n`]),
  );
}

test('a table whose migration is quick is not locked while the next migration works', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_hot.sql': 'CREATE TABLE hot (id int);\n' });
  await migratorOn(db, files.path).migrator.up();
  await files.write({
    ...quick(2, 8),
    '0009_hot.sql': 'ALTER TABLE hot ADD a int;\n',
    '0010_big.sql': 'CREATE TABLE big AS SELECT sum(a) FROM generate_series(1, 20000000) a;\n',
  });
  const reader = await db.connect();
  let ended = false;
  const run = migratorOn(db, files.path)
    .migrator.up()
    .finally(() => (ended = true));
  let longestMs = 0;
  while (!ended) {
    const began = performance.now();
    await reader.query('SELECT * FROM hot');
    longestMs = Math.max(longestMs, performance.now() - began);
    await sleep(5);
  }
  await run;
  expect(longestMs).toBeLessThan(1_000);
});

test('a temporary table of one migration does not take the rows of the next', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...quick(1, 7),
    '0008_staging.sql': 'CREATE TABLE staging (id int);\n',
    '0009_temp.sql': 'CREATE TEMP TABLE staging ON COMMIT DROP AS SELECT 1 AS id;\n',
    '0010_rows.sql': 'INSERT INTO staging VALUES (7);\n',
  });
  await migratorOn(db, files.path).migrator.up();
  expect(await rows(db, 'SELECT id FROM public.staging')).toEqual([{ id: 7 }]);
});

test('a deferred constraint that one migration breaks is not mended by the next', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...quick(1, 6),
    '0007_tables.sql': 'CREATE TABLE parent (id int PRIMARY KEY);\nCREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);\n',
    '0008_q.sql': 'CREATE TABLE q8 (id int);\n',
    '0009_child.sql': 'INSERT INTO child VALUES (1);\n',
    '0010_parent.sql': 'INSERT INTO parent VALUES (1);\n',
  });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error.migration).toBe('0009_child');
});
