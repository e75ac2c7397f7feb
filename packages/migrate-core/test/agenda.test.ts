import { expect, test } from 'vitest';

import { readAgenda, underWay, writeAgenda, type Planned } from '../src/engine/agenda.ts';
import { compileSql } from '../src/source/script.ts';

async function planned(name: string, sql: string): Promise<Planned> {
  return { name, script: await compileSql(sql, { transaction: 'per-migration', origin: null }) };
}

test('what a message holds can be read at its beginning, without the literals of its statements', async () => {
  const text = writeAgenda(7, [
    [await planned('0007_a', "CREATE TABLE a (id int);\nUPDATE p SET name = 'Ada'")],
    [await planned('0008_b', 'DROP TABLE b'), await planned('0009_c', 'DROP TABLE c')],
  ]);
  const agenda = readAgenda(`${text}BEGIN\n;\nSELECT 1`);
  expect(agenda).toEqual({
    from: 7,
    transactions: [
      [{ name: '0007_a', what: 'CREATE TABLE a; UPDATE p SET name' }],
      [
        { name: '0008_b', what: 'DROP TABLE b' },
        { name: '0009_c', what: 'DROP TABLE c' },
      ],
    ],
  });
  expect(readAgenda('BEGIN')).toBeNull();
});

test('a quoted name ends neither the comment nor its migration', async () => {
  const text = writeAgenda(1, [[await planned('0001_a', 'CREATE TABLE "x*/ | + /* y\n" (id int)')]]);
  expect(text.match(/\*\/|\/\*/g)).toHaveLength(2);
  expect(readAgenda(text)?.transactions.map((steps) => steps.length)).toEqual([1]);
});

test('many statements are cut, and so is what the server shows of them', async () => {
  const sql = Array.from({ length: 5_000 }, (_, index) => `CREATE TABLE table_${index} (id int);`).join('\n');
  const text = writeAgenda(1, [[await planned('0001_a', sql)], [await planned('0002_b', 'SELECT 1')]]);
  expect(text.length).toBeLessThan(700);
  expect(readAgenda(text)?.transactions[0]?.[0]?.what).toMatch(/^CREATE TABLE table_0; .*; \.\.\.$/);
  expect(readAgenda(text.slice(0, 35))?.transactions).toEqual([[{ name: '0001_a', what: 'CREATE TABLE table' }]]);
});

test('the transaction under way is the first whose records are not in the log', () => {
  const agenda = { from: 3, transactions: [['a'], ['b', 'c'], ['d']].map((names) => names.map((name) => ({ name, what: '' }))) };
  const names = (generation: number): string =>
    underWay(agenda, generation)
      .map((step) => step.name)
      .join();
  expect([1, 2, 3, 5, 6].map(names)).toEqual(['a', 'a', 'b,c', 'd', '']);
});
