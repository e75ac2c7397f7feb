import { expect, test } from 'vitest';

import { nextBatch, unused } from '../src/engine/batch.ts';
import type { ReadyStep } from '../src/engine/run-state.ts';
import { compileSql } from '../src/source/script.ts';

async function steps(...texts: readonly string[]): Promise<ReadyStep[]> {
  return Promise.all(
    texts.map(async (sql, index) => {
      const name = `${index + 1}`;
      return {
        name,
        version: name,
        direction: 'up',
        mode: 'whole',
        script: await compileSql(sql, { transaction: 'per-migration', origin: null }),
        record: { name, version: name, description: '', checksum: '', requires: [], script: null },
        lockTimeoutMs: null,
        statementTimeoutMs: null,
        row: null,
      };
    }),
  );
}

function names(transactions: readonly (readonly ReadyStep[])[]): string[] {
  return transactions.map((transaction) => transaction.map((step) => step.name).join(' '));
}

const history = ['CREATE TABLE a (id int)', 'ALTER TABLE a ADD b int', 'INSERT INTO a VALUES (1)', 'CREATE INDEX a_b ON a (b)', 'CREATE TABLE c (id int)'];

test('in a target that is in use, what changes rows or locks what others see is the last of its transaction', async () => {
  expect(names(nextBatch(await steps(...history), 32))).toEqual(['1 2 3', '4', '5']);
});

test('in a target that nobody uses yet, all of it goes together, and so does what alters it later', async () => {
  const all = await steps(...history, 'ALTER TABLE c ADD d int', 'ALTER TABLE a ADD d int', 'CREATE TABLE e (id int)');
  const target = unused(all);
  expect(names(nextBatch(all.slice(0, 5), 32, target))).toEqual(['1 2 3 4 5']);
  expect(names(nextBatch(all.slice(5), 32, target))).toEqual(['6 7 8']);
});

test('what changes rows of an older relation is the last of its transaction there as well: its sequence is not rolled back', async () => {
  const all = await steps(
    'CREATE TABLE a (id serial)',
    'CREATE TABLE b (id int)',
    'INSERT INTO a DEFAULT VALUES',
    'CREATE TABLE c (id int)',
    'UPDATE c SET id = 1',
    'DROP TABLE b',
  );
  const target = unused(all);
  expect(names(nextBatch(all.slice(0, 2), 32, target))).toEqual(['1 2']);
  expect(names(nextBatch(all.slice(2), 32, target))).toEqual(['3', '4 5 6']);
});

test('what the run has not made is somebody’s there as well', async () => {
  const altering = await steps('CREATE TABLE a (id int)', 'ALTER TABLE others ADD b int', 'CREATE TABLE c (id int)');
  expect(names(nextBatch(altering, 32, unused(altering)))).toEqual(['1 2', '3']);
  const referring = await steps('CREATE TABLE d (id int REFERENCES others)', 'CREATE TABLE e (id int)');
  expect(names(nextBatch(referring, 32, unused(referring)))).toEqual(['1', '2']);
});

test.each([
  ['a constraint that is checked at COMMIT', 'ALTER TABLE a ADD FOREIGN KEY (id) REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED'],
  ['a sequence of several tables', `ALTER TABLE a ALTER id SET DEFAULT nextval('numbers')`],
  [
    'a function that sets something',
    `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('my.own', '1', true); RETURN NEW; END $$`,
  ],
  ['a transaction’s number', 'ALTER TABLE a ADD transaction bigint DEFAULT txid_current()'],
])('with %s anywhere in the plan, whatever changes rows is the last of its transaction', async (_, sql) => {
  const all = await steps('CREATE TABLE a (id int)', 'INSERT INTO a VALUES (1)', 'INSERT INTO a VALUES (2)', 'ALTER TABLE a ADD b int', sql);
  expect(names(nextBatch(all.slice(0, 4), 32, unused(all)))).toEqual(['1 2', '3', '4']);
});

test.each(['SELECT 1', 'SET work_mem = 1000', 'DO $$ BEGIN END $$', 'CREATE TEMPORARY TABLE t (id int)', 'CREATE TABLE t AS SELECT 1'])(
  'what may set something for whoever comes next is by itself: %s',
  async (sql) => {
    const all = await steps('CREATE TABLE a (id int)', sql, 'CREATE TABLE c (id int)');
    expect(names(nextBatch(all, 32, unused(all)))).toEqual(['1', '2', '3']);
  },
);
