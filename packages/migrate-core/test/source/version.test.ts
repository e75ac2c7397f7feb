import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { compareNames, findVersion, parseName } from '../../src/version.ts';

/** Names as folders have them, and what comes close to them. */
const name = fc.oneof(
  fc.tuple(fc.nat(12), fc.constantFrom('', '_a', '-a', '_b', '.1_a', '.10_a', '.sql')).map(([number, rest]) => `${number}${rest}`),
  fc.tuple(fc.nat(9), fc.constantFrom('a', 'b')).map(([number, rest]) => `000${number}_${rest}`),
  fc.constantFrom(
    '2019-02-26-002946_create_user',
    '2019-02-26-002947_create_user',
    '20190226002946_create_user',
    '20190226002946123_a',
    '1551141000000_a',
    '99999999999999999_no_date',
    'V2__x',
    'V10__x',
    'V02__x',
    'CreateUsers1699123456789',
    'AddPhone1699123456788',
    'init',
    '',
    '2014_10_12_000000_x',
    '2024-01-31_x',
    '20240131_x',
  ),
  fc.string({ maxLength: 6 }),
);

describe('the order of names', () => {
  test('is total: any two have one order, and only equal names are equal', () => {
    fc.assert(
      fc.property(name, name, (a, b) => {
        const forth = Math.sign(compareNames(a, b));
        expect(Math.sign(compareNames(b, a)) + forth).toBe(0);
        expect(forth === 0).toBe(a === b);
      }),
      { numRuns: 2_000 },
    );
  });

  test('is transitive', () => {
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        if (compareNames(a, b) <= 0 && compareNames(b, c) <= 0) expect(compareNames(a, c)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 5_000 },
    );
  });

  test('does not depend on the order in which a folder is read', () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 12 }), fc.nat(), (names, seed) => {
        const shuffled = names.map((one, index) => ({ one, key: Math.sin(seed + index) })).toSorted((a, b) => a.key - b.key);
        expect(shuffled.map(({ one }) => one).toSorted(compareNames)).toEqual(names.toSorted(compareNames));
      }),
    );
  });

  test.each<[string, readonly string[]]>([
    ['numbers by their value, whatever their width', ['1_a', '02_b', '3_c', '0010_d', '11_e']],
    ['numbers longer than any integer', ['9_a', '99999999999999999999_a', '100000000000000000000_a']],
    ['equal stamps by name', ['20240101120000_a', '20240101120000_b', '20240101120001_a']],
    ['Diesel’s dates as 14-digit stamps', ['20190226002945_z', '2019-02-26-002946_a', '20190226002947_a']],
    ['a date with underscores', ['2014_10_12_000000_users', '2014_10_12_100000_resets']],
    [
      '17-digit stamps as their date among 13-digit ones',
      ['1551141000000_a', '20190226003001000_b', '1551141001000_c'.replace('1551141001000', '1551141002000')],
    ],
    ['unnumbered names last, counting naturally', ['9_z', 'V2__b', 'V10__a', 'init']],
    ['class names by the stamp at their end, before other names', ['9_z', 'Zebra1699123456788', 'Ant1699123456789', 'init']],
    ['versions in parts by their numbers', ['1_a', '1.2_a', '1.10_a', '2_a']],
  ])('sorts %s', (_, names) => {
    expect(names.toReversed().toSorted(compareNames)).toEqual(names);
  });
});

describe('a name’s parts', () => {
  test.each([
    ['0003_add_phone', '0003', '3', 'add phone', 'index'],
    ['7-add-phone', '7', '7', 'add phone', 'index'],
    ['12345_x', '12345', '12345', 'x', 'stamp'],
    ['2019-02-26-002946_create_user', '2019-02-26-002946', '20190226002946', 'create user', 'stamp'],
    ['2024-01-31_x', '2024-01-31', '20240131000000', 'x', 'stamp'],
    ['1.2.3_x', '1.2.3', '1', 'x', 'stamp'],
    ['CreateUsers1699123456789', '1699123456789', '1699123456789', 'CreateUsers', 'unnumbered'],
    ['init', 'init', null, 'init', 'unnumbered'],
    ['0001', '0001', '1', '0001', 'index'],
    ['00000000000000_diesel_initial_setup', '00000000000000', '0', 'diesel initial setup', 'stamp'],
  ] as const)('%s is version %s', (text, version, number, description, scheme) => {
    expect(parseName(text)).toEqual({ version, number, description, scheme });
  });
});

describe('what a person means by a version', () => {
  const names = ['0001_create_users', '0002_add_phone', '0007_phones', '0010_phones_again', '20240101120000_a', '20240101120000_b', 'init', 'V2__x'];

  test.each([
    ['7', '0007_phones'],
    ['0007', '0007_phones'],
    ['07', '0007_phones'],
    ['0002_add_phone', '0002_add_phone'],
    ['0002_add', '0002_add_phone'],
    ['0002_add_phone.sql', '0002_add_phone'],
    ['0002_add_phone.up.sql', '0002_add_phone'],
    ['0002_add_phone.ts', '0002_add_phone'],
    [' 10 ', '0010_phones_again'],
    ['20240101120000_b', '20240101120000_b'],
    ['ini', 'init'],
    ['V2', 'V2__x'],
  ])('%s is found', (query, found) => {
    expect(findVersion(query, names)).toEqual({ kind: 'found', name: found });
  });

  test('a number that two have is ambiguous, and both are named', () => {
    expect(findVersion('20240101120000', names)).toEqual({ kind: 'ambiguous', candidates: ['20240101120000_a', '20240101120000_b'] });
    expect(findVersion('00', names)).toMatchObject({ kind: 'ambiguous' });
  });

  test('1 is 0001 and not every name that begins with 1', () => {
    expect(findVersion('1', ['0001_a', '10_b', '11_c'])).toEqual({ kind: 'found', name: '0001_a' });
  });

  test('what is not there gets suggestions, and nothing gets none', () => {
    expect(findVersion('0002_ad_phone', names)).toEqual({ kind: 'none', suggestions: ['0002_add_phone'] });
    expect(findVersion('phones_again', names)).toEqual({ kind: 'none', suggestions: ['0010_phones_again'] });
    expect(findVersion('', names)).toEqual({ kind: 'none', suggestions: [] });
    expect(findVersion('99', [])).toEqual({ kind: 'none', suggestions: [] });
  });

  test('every full name finds itself', () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 8 }), (all) => {
        const typed = all.filter((one) => one.trim() === one && one !== '');
        expect(typed.map((one) => findVersion(one, all))).toEqual(typed.map((one) => ({ kind: 'found', name: one })));
      }),
    );
  });
});
