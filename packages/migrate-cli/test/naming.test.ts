import { describe, expect, test } from 'vitest';

import { checkedWords, formatOf, nextName, type Existing } from '../src/naming.ts';

const NOW = new Date('2026-03-04T05:06:07.089Z');
const named = (...names: readonly string[]): Existing[] => names.map((name) => ({ name, file: `${name}.sql` }));

describe('the next name of a folder', () => {
  test.each<[folder: readonly string[], words: string, expected: string]>([
    [[], 'add phone', '0001_add_phone'],
    [['0001_a', '0002_b'], 'add phone', '0003_add_phone'],
    [['001_a', '009_b'], 'add-phone', '010_add_phone'],
    [['1_a', '9_b'], 'add_phone', '10_add_phone'],
    [['9999_a'], 'x', '10000_x'],
    [['000001_create_users'], 'x y', '000002_x_y'],
    [['0001-create-users'], 'add phone', '0002-add-phone'],
    [['V2'], 'x', 'x'],
    [['20240102030405_create_users'], 'add phone', '20260304050607_add_phone'],
    [['20240102030405-create-users'], 'add phone', '20260304050607-add-phone'],
    [['20990102030459_of_the_future'], 'x', '20990102030500_x'],
    [['1699123456789_create-users'], 'add phone', '1772600767089_add-phone'],
    [['1699123456_a'], 'x', '1772600767_x'],
    [['20240102030405678_a'], 'x', '20260304050607089_x'],
    [['2019-02-26-002946_create_users'], 'add phone', '2026-03-04-050607_add_phone'],
    [['CreateUsers1699123456789'], 'add phone', 'AddPhone1772600767089'],
  ])('after %j comes %s as %s', (names, words, expected) => {
    expect(nextName(words, named(...names), NOW)).toBe(expected);
  });

  test('follows the largest number, not the last one typed', () => {
    expect(nextName('x', named('0001_a', '0007_b', '0003_c'), NOW)).toBe('0008_x');
  });

  test('leaves unnumbered names where they are', () => {
    expect(nextName('x', named('0001_a', 'seed'), NOW)).toBe('0002_x');
  });
});

describe('the words of a name', () => {
  test.each(['add phone', 'add_phone', '2fa_tokens', 'téléphone', 'x'.repeat(120)])('%s may be one', (words) => {
    expect(checkedWords(` ${words} `)).toBe(words);
  });

  test.each(['', '   ', '../x', 'a/b', 'a\\b', '.hidden', '-rf', 'a\0b', 'a\nb', 'x.sql', 'x.up', 'a;b', 'a"b', '$(x)', 'x'.repeat(121)])(
    '%j may not',
    (words) => {
      expect(() => checkedWords(words)).toThrow('This cannot be the name of a migration');
    },
  );
});

describe('the kind of file', () => {
  test.each<[file: string, expected: string]>([
    ['m/0001_a.sql', 'sql'],
    ['m/0001_a.up.sql', 'pair'],
    ['m/0001_a/migration.sql', 'folder'],
    ['m/0001_a/up.sql', 'folder'],
    ['m/0001_a.ts', 'ts'],
    ['m/0001_a.js', 'ts'],
  ])('after %s is %s', (file, expected) => {
    expect(
      formatOf([
        { name: '0000_first', file: 'm/0000_first.sql' },
        { name: '0001_a', file },
      ]),
    ).toBe(expected);
  });

  test('of a first migration is one file of SQL', () => {
    expect(formatOf([])).toBe('sql');
  });
});
