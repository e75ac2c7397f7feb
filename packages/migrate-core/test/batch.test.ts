import { expect, test } from 'vitest';

import { nextBatch } from '../src/engine/batch.ts';
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

test('in a target that nobody uses yet, all of it goes together, and so does what comes behind it', async () => {
  const made = new Set<string>();
  expect(names(nextBatch(await steps(...history), 32, made))).toEqual(['1 2 3 4 5']);
  expect(names(nextBatch(await steps('UPDATE a SET b = 2', 'ALTER TABLE c ADD d int', 'CREATE TABLE e (id int)'), 32, made))).toEqual(['1 2 3']);
});

test('what the run has not made is somebody’s there as well', async () => {
  const made = new Set<string>();
  expect(names(nextBatch(await steps('CREATE TABLE a (id int)', 'ALTER TABLE others ADD b int', 'CREATE TABLE c (id int)'), 32, made))).toEqual(['1 2', '3']);
  expect(names(nextBatch(await steps('CREATE TABLE d (id int REFERENCES others)', 'CREATE TABLE e (id int)'), 32, made))).toEqual(['1', '2']);
});

test('a constraint that is checked at COMMIT is checked before the next migration could mend what it finds, wherever it is', async () => {
  const made = new Set<string>();
  const deferred = ['CREATE TABLE a (id int PRIMARY KEY, parent int REFERENCES a DEFERRABLE INITIALLY DEFERRED)', 'INSERT INTO a VALUES (1, 2)'];
  expect(names(nextBatch(await steps(...deferred, 'INSERT INTO a VALUES (2, 2)'), 32, made))).toEqual(['1 2', '3']);
});

test.each(['SELECT 1', 'SET work_mem = 1000', 'DO $$ BEGIN END $$', 'CREATE TEMPORARY TABLE t (id int)'])(
  'what may set something for whoever comes next is by itself: %s',
  async (sql) => {
    expect(names(nextBatch(await steps('CREATE TABLE a (id int)', sql, 'CREATE TABLE c (id int)'), 32, new Set()))).toEqual(['1', '2', '3']);
  },
);
