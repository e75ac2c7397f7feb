import { expect, test } from 'vitest';

import { parseCommand } from '../src/command-line.ts';
import { commands } from '../src/commands.ts';
import { readPlainWords } from '../src/plain-words.ts';

const lines = [
  '',
  '--to 7',
  '--to=7 --json',
  '--service a,b --service c',
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

test.each(['--help', '--stepz 3', '--to', '--to -1', 'word', '--json=yes', '-suser', '--limit 3', '--'])('"%s" is left to commander', async (line) => {
  const { command } = (await commands.find((one) => one.name === 'up')?.load()) ?? {};
  if (command === undefined) throw new Error('there is no up');
  expect(readPlainWords(command, line.split(' '))).toBeNull();
});
