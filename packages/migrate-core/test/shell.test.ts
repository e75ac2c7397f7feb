import { execFileSync } from 'node:child_process';

import { expect, test } from 'vitest';

import { plan } from '../src/plan.ts';
import { inQuotes } from '../src/shell.ts';

test.each([
  'plain-name_1.sql',
  'a b',
  '',
  '$(touch pwned)',
  '`id`',
  `it's "it"`,
  'back\\slash',
  'line\nbreak',
  `tab\tit's \\ $HOME`,
  'a;b',
  '*',
  '\u001b[2J',
  '\u202eo',
])('a shell reads %j as it was', (text) => {
  expect(inQuotes(text)).not.toContain('\n');
  expect(execFileSync('/bin/bash', ['--norc', '--noprofile', '-c', `printf %s ${inQuotes(text)}`], { encoding: 'utf8', env: { LC_ALL: 'C.UTF-8' } })).toBe(
    text,
  );
});

test('the commands of a plan’s problems name hostile files in quotes', () => {
  const name = '0003_it $(touch pwned)\nx';
  const row = { description: '', appliedAt: '', appliedBy: '', durationMs: 1, state: 'applied', seq: 1, runId: 'r', requires: [], storedDown: true } as const;
  const available = [{ name, version: '0003', checksum: 'a', requires: [] }];
  const [renamed] = plan(available, [{ ...row, name: '0003_t3', version: '0003', checksum: 'a' }], { direction: 'up' }).problems;
  expect(renamed?.message).toContain(String.raw`migrate repair --mark-undone 0003_t3 --mark-applied $'0003_it $(touch pwned)\nx'`);
  const [changed] = plan(available, [{ ...row, name, version: '0003', checksum: 'b' }], { direction: 'up' }).problems;
  expect(changed?.message).toContain(String.raw`migrate repair $'0003_it $(touch pwned)\nx'`);
});

test('a version that nobody has is said to be none, without a password in it', () => {
  const message = (to: string, direction: 'up' | 'down'): string | undefined => plan([], [], { direction, to }).problems[0]?.message;
  expect(message('99', 'up')).toBe('There is no migration of version 99');
  expect(message('99', 'down')).toBe('No migration of version 99 is applied here');
  expect(message('postgres://me:SECRET@h/d', 'up')).not.toContain('SECRET');
});
