import fc from 'fast-check';
import { expect, test } from 'vitest';

import { describeDifference, diffCatalogs } from '../src/catalog/difference.ts';
import { type CatalogLine, readLines, writeLine } from '../src/catalog/line.ts';

function line(object: string, part: string, aspect: string, value: string): CatalogLine {
  return { object, part, aspect, value };
}

function catalog(...lines: readonly CatalogLine[]): { text: string } {
  return { text: lines.map(writeLine).join('\n') };
}

test('a line is read back as it was written, whatever stands in its fields', () => {
  const field = fc.string({ unit: fc.constantFrom('\\', '\t', '\n', '\r', 't', 'n', 'é', '😀', ' ', '"') });
  fc.assert(
    fc.property(fc.array(fc.tuple(field, field, field, field), { minLength: 1 }), (fields) => {
      const lines = fields.map(([object, part, aspect, value]) => line(object, part, aspect, value));
      expect(readLines(catalog(...lines).text)).toEqual(lines);
    }),
  );
});

test('a table comes and goes as a whole', () => {
  const table = [
    line('table a', '', '', ''),
    line('table a', 'column x', '', 'int'),
    line('table a', 'column x', 'comment', 'c'),
    line('table a', 'column order', '', '["x"]'),
  ];
  const added = diffCatalogs(catalog(), catalog(...table));
  expect(added.map(describeDifference)).toEqual(['+ table a']);
  expect(diffCatalogs(catalog(...table), catalog()).map(describeDifference)).toEqual(['- table a']);
});

test('a column comes and goes without the order of columns, which differs only between columns that both have', () => {
  const base = line('table a', '', '', '');
  const x = line('table a', 'column x', '', 'int');
  const y = line('table a', 'column y', '', 'text');
  const order = (...names: string[]): CatalogLine => line('table a', 'column order', '', JSON.stringify(names));
  const both = catalog(base, x, y, order('x', 'y'));
  expect(diffCatalogs(catalog(base, x, order('x')), both).map(describeDifference)).toEqual(['+ column y of table a: text']);
  expect(diffCatalogs(catalog(base), both).map(({ name }) => name)).toEqual(['column x of table a', 'column y of table a']);
  expect(diffCatalogs(both, catalog(base, x, y, order('y', 'x'))).map(describeDifference)).toEqual([
    '~ column order of table a\n    was ["x","y"]\n    is  ["y","x"]',
  ]);
});

test('an aspect is named with its part and its object', () => {
  const base = [line('table a', '', '', ''), line('table a', 'column x', '', 'int')];
  const [difference] = diffCatalogs(catalog(...base), catalog(...base, line('table a', 'column x', 'comment', 'seen')));
  expect(difference).toEqual({
    change: 'added',
    object: 'table a',
    part: 'column x',
    aspect: 'comment',
    name: 'comment of column x of table a',
    before: null,
    after: 'seen',
  });
});

test('equal catalogues do not differ, and neither do two empty ones', () => {
  const one = catalog(line('table a', '', '', ''));
  expect(diffCatalogs(one, one)).toEqual([]);
  expect(diffCatalogs({ text: '' }, { text: '' })).toEqual([]);
});
