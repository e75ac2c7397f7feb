import { expect, test } from 'vitest';

import { parseCommand } from '../src/command-line.ts';
import { commands } from '../src/commands.ts';
import { escapedId } from '../src/options.ts';
import { readPlainWords } from '../src/plain-words.ts';

const lines = [
  '',
  '--to 7',
  '--to=7 --json',
  '--service a,b --service c',
  '--service a --service b,c --url x --url y',
  '-s user --steps 2 --wait 30s --order allow',
  '--no-color --verbose --atomic',
  '--url postgres://h/d?a=b=c --lock-timeout 500ms',
];

test.each(lines)('"%s" is read the same by the quick reader and by commander', async (line) => {
  const entry = commands.find((one) => one.name === 'up');
  if (entry === undefined) throw new Error('there is no up');
  const { command } = await entry.load();
  const words = line === '' ? [] : line.split(' ');
  const quick = readPlainWords(command, words);
  expect(quick).not.toBeNull();
  expect(quick).toEqual(await parseCommand(entry, command, words));
});

test('a list may be given in parts, and of anything else the last one counts', async () => {
  const { command } = (await commands.find((one) => one.name === 'repair')?.load()) ?? {};
  if (command === undefined) throw new Error('there is no repair');
  const words = '3 --mark-undone 1 --service a --mark-undone 2,x --service b --table t --table u --mark-applied 9'.split(' ');
  expect(readPlainWords(command, words)).toEqual({
    argument: '3',
    words: ['3'],
    options: { markUndone: ['1', '2', 'x'], service: ['a', 'b'], table: 'u', markApplied: ['9'] },
  });
  expect(readPlainWords(command, ['--yes'])).toEqual({ argument: null, words: [], options: { yes: true } });
});

test.each(['--help', '--stepz 3', '--to', '--to -1', 'word', '--json=yes', '-suser', '--limit 3', '--'])('"%s" is left to commander', async (line) => {
  const { command } = (await commands.find((one) => one.name === 'up')?.load()) ?? {};
  if (command === undefined) throw new Error('there is no up');
  expect(readPlainWords(command, line.split(' '))).toBeNull();
});

test.each([
  [
    ['--tenant', 'a,b'],
    ['a', 'b'],
  ],
  [
    ['--tenant', String.raw`a\,b, c`],
    ['a,b', 'c'],
  ],
  [
    ['--tenant', 'a', String.raw`--tenant=b\,c`, '--tenant', 'd,e'],
    ['a', 'b,c', 'd', 'e'],
  ],
  // A backslash belongs to what it stands before, and not to what another --tenant begins with.
  [
    ['--tenant', 'a\\', '--tenant', 'b'],
    ['a\\', 'b'],
  ],
  [
    ['--tenant', String.raw`a\\,b`],
    ['a\\', 'b'],
  ],
  [['--tenant', String.raw`a\b`], [String.raw`a\b`]],
])('%j names the tenants %j', async (words, ids) => {
  const entry = commands.find((one) => one.name === 'up');
  if (entry === undefined) throw new Error('there is no up');
  const { command } = await entry.load();
  expect(readPlainWords(command, words)?.options.tenant).toEqual(ids);
  expect((await parseCommand(entry, command, words))?.options.tenant).toEqual(ids);
});

test.each(['a', 'a,b', ',', 'a\\', String.raw`a\,b`, String.raw`\\x`, String.raw`\\`, String.raw`a\\,\b`])(
  '%j as --tenant takes it is that id again',
  async (id) => {
    const { command } = (await commands.find((one) => one.name === 'up')?.load()) ?? {};
    if (command === undefined) throw new Error('there is no up');
    expect(readPlainWords(command, ['--tenant', `x,${escapedId(id)},y`])?.options.tenant).toEqual(['x', id, 'y']);
  },
);
