import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { expect, test } from 'vitest';

import { checkSource, type SourceFinding } from '../src/check/source-check.ts';
import { directorySource } from '../src/source/directory.ts';

async function checked(files: Readonly<Record<string, string>>, schema?: string): Promise<readonly SourceFinding[]> {
  const path = await mkdtemp(join(tmpdir(), 'check-'));
  try {
    await mkdir(path, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
    return (await checkSource(directorySource(path), { schema })).findings;
  } finally {
    await rm(path, { recursive: true });
  }
}

async function findingsOf(files: Readonly<Record<string, string>>, schema?: string): Promise<string[]> {
  return (await checked(files, schema)).map(({ severity, code, migration, file, position }) =>
    [severity, code, migration, file === null ? null : basename(file), position === null ? null : `${position.line}:${position.column}`].join(' '),
  );
}

test('a sound folder has no finding', async () => {
  expect(await findingsOf({ '0001_a.sql': '-- Up Migration\nSELECT 1;\n-- Down Migration\nSELECT 2;\n' })).toEqual([]);
});

test('of a tenant’s migrations, what nobody can decide is a warning with its place, and what is not parsed an error', async () => {
  const files = {
    '0001_a.sql': '-- 😀\nCREATE TABLE public.a (id int);\n-- Down Migration\nDROP TABLE public.a;\n',
    '0002_b.sql': `INSERT INTO public.a VALUES (1);\nDO $$ BEGIN\n  EXECUTE format('DROP TABLE public.%I', 'b');\nEND $$;\n-- Down Migration\nSELECT 1 FROM pg_class WHERE relname = 'a';\n`,
    '0003_c.sql': '-- migrate: parse=off\nSELECT 1;\nSELECT * FROM public.a;\n',
  };
  expect(await findingsOf(files)).toEqual([]);
  expect(await findingsOf(files, 'clinic')).toEqual([
    'warning undecided 0002_b 0002_b.sql 3:30',
    'warning undecided 0002_b 0002_b.sql 6:15',
    'error invalidMigration 0003_c 0003_c.sql 3:15',
  ]);
});

test('of a tenant’s migrations, a syntax error is told as one, once, with its place and what can be done', async () => {
  const files = {
    '0001_a.sql': 'CREATE TABLE public.x (id int);\n/* 😀 */ CREATE TABLE public.a (id int,);\nSELECT 1;\n',
    '0002_b.sql': 'CREATE TABLE b (id int,);\n',
    '0003_c.sql': '-- migrate: parse=off\nCREATE TABLE public.c (id int,);\n',
  };
  const findings = await checked(files, 'clinic');
  expect(findings.map(({ message, position }) => `${message} ${position?.line}:${position?.column}`)).toEqual([
    '0001_a: syntax error at or near ")" 2:39',
    '0002_b: syntax error at or near ")" 1:24',
    expect.stringContaining('0003_c: it names the schema public in a statement that is not parsed'),
  ]);
  expect(findings[0]?.hint).toMatch(/^correct it; .* take the schema public out of its names/);
  expect((await checked(files)).map(({ message }) => message)).toEqual(['0001_a: syntax error at or near ")"', '0002_b: syntax error at or near ")"']);
});

test('a template that nobody filled in is found', async () => {
  expect(
    await findingsOf({ '0001_a.sql': '-- Up Migration\n-- to be written\n-- Down Migration\n', '0002_b.js': "exports.up = (pgm) => pgm.sql('');\n" }),
  ).toEqual(['warning empty 0001_a 0001_a.sql ', 'warning empty 0002_b 0002_b.js ']);
});

test('a syntax error is found in the up and in the down, with its line', async () => {
  expect(
    await findingsOf({
      '0001_a.sql': '-- Up Migration\nSELECT 1;\nCREATE TABEL a (id int);\n-- Down Migration\nDROP TABLE a;;\nDROP TABEL a;\n',
      '0002_b.up.sql': 'SELEC 1;\n',
      '0002_b.down.sql': 'SELECT 1;\n',
    }),
  ).toEqual([
    'error invalidMigration 0001_a 0001_a.sql 3:8',
    'error invalidMigration 0001_a 0001_a.sql 6:6',
    'error invalidMigration 0002_b 0002_b.up.sql 1:1',
  ]);
});

test('several files that cannot be compiled are each found, and so are an unknown directive, a number used twice and a stray file', async () => {
  const found = await findingsOf({
    '0001_a.sql': '-- Up Migration\n\\i other.sql\n',
    '0002_b.sql': '-- migrate: transactoin=none\n-- Up Migration\nSELECT 1;\n',
    '0003_c.sql': '-- Up Migration\nSELECT 1;\nROLLBACK;\n',
    '0004_d.sql': '-- Up Migration\nSELECT 1;\n',
    '0004_e.sql': '-- Up Migration\nSELECT 1;\n',
    'notes.txt': 'hello',
  });
  expect(
    found
      .filter((one) => one.startsWith('error'))
      .map((one) => one.split(' ').slice(0, 3).join(' '))
      .toSorted(),
  ).toEqual(['error duplicate 0004_e', 'error invalidMigration 0001_a', 'error invalidMigration 0002_b', 'error invalidMigration 0003_c']);
  expect(found.filter((one) => one.startsWith('warning'))).toEqual(['warning ignored  notes.txt ']);
  expect(found).toContain('error invalidMigration 0001_a 0001_a.sql 2:1');
  expect(found).toContain('error invalidMigration 0003_c 0003_c.sql 3:1');
});

test('an empty folder is told', async () => {
  expect(await findingsOf({})).toEqual(['warning empty   ']);
});
