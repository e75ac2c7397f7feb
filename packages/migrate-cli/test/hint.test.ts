/** Commands in messages about tenants. */

import { inQuotes } from '@org/migrate-core';
import { expect, test } from 'vitest';

import { aboutTenants, placeFlags } from '../src/fleet/hint.ts';

const query = ' --tenant-schemas "SELECT schema_name FROM tenants"';

test.each([
  ['accept it with: migrate repair 0002', ['a'], '', 'accept it with: migrate repair --tenant a 0002'],
  ['accept it with: migrate repair 0002', ['a', 'b'], query, `accept it with: migrate repair --tenant a,b${query} 0002`],
  ['migrate repair --mark-applied 3 (or --mark-undone 3)', ['a'], '', 'migrate repair --tenant a --mark-applied 3 (or --mark-undone 3)'],
  ['run `migrate up` again', ['a', 'b', 'c', 'd'], '', 'run `migrate up --source tenant` again'],
  ['run `migrate up` again', ['a', 'b', 'c', 'd'], query, `run \`migrate up${query}\` again`],
  ['look with: migrate status', ['a,b', 'c'], '', String.raw`look with: migrate status --tenant 'a\,b,c'`],
  ['look with: migrate status', ["o'clinic; x"], '', `look with: migrate status --tenant "o'clinic; x"`],
  ['Migrate users first: migrate up --service users', ['a'], query, 'Migrate users first: migrate up --service users'],
  ['migrate adopt, migrate tenants list', ['a'], '', 'migrate adopt, migrate tenants list'],
  [
    'migrate adopt --from pgmigrations',
    ['a b', 'c'],
    ` --dir m --url postgres://h/app${query}`,
    'migrate adopt --dir m --url postgres://h/app --schema "a b" --from pgmigrations',
  ],
  [
    'migrate adopt',
    ['a b'],
    ' --dir m --url "postgres://me@h:5/app?x=1&y=2" --tenant-databases "SELECT 1"',
    'migrate adopt --dir m --url "postgres://me@h:5/a%20b?x=1&y=2"',
  ],
  ['migrate adopt', ['a'], ' --dir m --tenant-databases "SELECT 1"', 'migrate adopt --dir m --database a'],
])('"%s" for %j%s', (text, tenants, flags, expected) => {
  expect(aboutTenants(text, tenants, flags)).toBe(expected);
});

test.each([
  ['clinic_a', 'clinic_a'],
  ['a b', '"a b"'],
  [`a"; drop`, `'a"; drop'`],
  ['$(touch x)', `'$(touch x)'`],
  [`it's $HOME`, `'it'\\''s $HOME'`],
  ['', '""'],
  ['0003_it $(touch pwned) x', `'0003_it $(touch pwned) x'`],
  [`two\nlines; it's`, String.raw`$'two\nlines; it\'s'`],
  ['\u001b[2J', String.raw`$'\u001b[2J'`],
])('%j is %s for a shell', (text, expected) => {
  expect(inQuotes(text)).toBe(expected);
});

test('the place of a command line is said again, without its password', () => {
  expect(placeFlags({})).toBe('');
  expect(placeFlags({ dir: './my migrations', url: 'postgres://me:secret@h:5433/app?sslmode=require&password=other', table: 'history' })).toBe(
    ' --dir "./my migrations" --url "postgres://me@h:5433/app?sslmode=require" --table history',
  );
  expect(placeFlags({ dir: 'm', url: 'host=h password=secret', schema: 'app' })).toBe(' --dir m --schema app');
});
