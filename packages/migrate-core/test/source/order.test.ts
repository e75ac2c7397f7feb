import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { directorySource } from '../../src/source/directory.ts';
import { readLayout } from '../../src/source/layout.ts';
import { orderNames, sortUnits } from '../../src/source/order.ts';
import { testFolder } from '../support/folder.ts';

const sorted = (file: string, ...names: string[]): string[] =>
  sortUnits(readLayout(names.map((name) => (file === '' ? { name, inside: null } : { name, inside: [file] }))).units).map((unit) => unit.name);

describe('the order of a folder', () => {
  test('of Prisma is that of the names, whatever the length of their stamps', () => {
    expect(sorted('migration.sql', '20250702000000_c', '20250625_b', '20250625101010_a', '0_init')).toEqual([
      '0_init',
      '20250625101010_a',
      '20250625_b',
      '20250702000000_c',
    ]);
  });

  test('of Diesel is that of the text before the first underscore without its dashes', () => {
    expect(sorted('up.sql', '2020-1-5-000000_d', '2020-12-15-000000_b', '00000000000000_init', '2020-11-04-000000_c', '2020-12-7-190800_a')).toEqual([
      '00000000000000_init',
      '2020-11-04-000000_c',
      '2020-12-15-000000_b',
      '2020-12-7-190800_a',
      '2020-1-5-000000_d',
    ]);
    expect(sorted('', '2020-12-15_b.sql', '2020-12-7_a.sql')).toEqual(['2020-12-7_a', '2020-12-15_b']);
  });

  test('is that of the numbers where people count, and in every other layout', () => {
    expect(sorted('migration.sql', '10_b', '9_a')).toEqual(['9_a', '10_b']);
    expect(sorted('up.sql', '20250624101010_a', '20250625_b')).toEqual(['20250625_b', '20250624101010_a']);
    expect(sorted('', '20250624101010_a.sql', '20250625_b.sql')).toEqual(['20250625_b', '20250624101010_a']);
  });
});

test('A file without a number beside folders is not run', () => {
  const { units, ignored } = readLayout([
    { name: '2024-01-01-000000_a', inside: ['up.sql'] },
    { name: '0002_b.sql', inside: null },
    { name: 'fill_in.sql', inside: null },
  ]);
  expect(units.map((unit) => unit.name).toSorted()).toEqual(['0002_b', '2024-01-01-000000_a']);
  expect(ignored).toEqual([{ path: 'fill_in.sql', reason: 'a file without a number beside folders that are migrations' }]);
  expect(readLayout([{ name: 'fill_in.sql', inside: null }]).units).toHaveLength(1);
});

test('Shorthands that cannot be loaded are told once', async () => {
  await using folder = await testFolder({
    '0001_a.ts': "import './missing';\nexport const shorthands = undefined;\nexport const up = () => {};\n",
    '0002_b.ts': 'export const up = () => {};\n',
    '0003_c.ts': 'export const up = () => {};\n',
  });
  const error: unknown = await directorySource(folder.path)
    .compile(['0001_a', '0002_b', '0003_c'])
    .catch((thrown: unknown) => thrown);
  const { message } = error as Error;
  expect(message.match(/missing/g)).toHaveLength(1);
  expect(message).not.toContain('Require stack');
});

test('An order file of thousands of names is read as quickly as the folder', async () => {
  const names = Array.from({ length: 3_000 }, (_, index) => `0001_create_the_table_number_${index}`);
  await using folder = await testFolder({ 'migrations.order': names.join('\n') });
  const began = performance.now();
  expect(await orderNames(names, join(folder.path, 'migrations.order'))).toEqual({ names, by: 'file', problems: [] });
  expect(performance.now() - began).toBeLessThan(2_000);
});
