import { expect, test } from 'vitest';

import { differences, type Rows } from '../src/index.ts';

const rows = (...list: Record<string, unknown>[]): Rows => new Map([['t', list]]);

test('the same rows in another order, with more of them and with new columns, are no difference', () => {
  expect(differences(rows({ id: 1, a: 'x' }, { id: 2, a: 'y' }), rows({ id: 3, a: 'z' }, { id: 2, a: 'y', b: 1 }, { id: 1, a: 'x', b: 1 }))).toEqual([]);
});

test('a table that is gone or has fewer rows has lost rows', () => {
  expect(differences(rows({ id: 1 }), new Map())).toEqual(['t (rows)']);
  expect(differences(rows({ id: 1 }, { id: 2 }), rows({ id: 1 }))).toEqual(['t (rows)']);
});

test('a table without rows has nothing to lose', () => {
  expect(differences(rows(), new Map())).toEqual([]);
});

test('a column that is gone, changed or swapped between rows is told, and one of nothing but NULL is not', () => {
  expect(differences(rows({ id: 1, a: 'x', b: 'y' }), rows({ id: 1, b: 'z' }))).toEqual(['t.a', 't.b']);
  expect(differences(rows({ id: 1, a: 'x' }, { id: 2, a: 'y' }), rows({ id: 1, a: 'y' }, { id: 2, a: 'x' }))).toEqual(['t.a']);
  expect(differences(rows({ id: 1, a: null }), rows({ id: 1 }))).toEqual([]);
});
