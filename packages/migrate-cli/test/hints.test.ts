/** What a message tells people to type must be something that can be typed. */

import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { commands, groups } from '../src/commands.ts';
import { optionDefinitions, type OptionName } from '../src/options.ts';
import { flagsOf, readPlainWords } from '../src/plain-words.ts';

const packages = fileURLToPath(new URL('../..', import.meta.url));
const files = globSync('migrate-{core,cli}/src/**/*.ts', { cwd: packages });

interface Hint {
  readonly where: string;
  readonly name: string;
  /** What follows the command's name, as far as it is still the command line. */
  readonly words: readonly string[];
}

/** Outside of comments, of prose ("migrate it first"), and of the tags by which the server's statements are found. */
const HINT = /(?<!\/\*)\bmigrate (?!it\b)((?:tenants )?[a-z]+)\b(?![=:])([^'"`\\\n|]*)/g;
const entries = [...commands, ...groups.flatMap((group) => [group, ...group.commands])];
const LINES = files.flatMap((file) =>
  readFileSync(`${packages}/${file}`, 'utf8')
    .replaceAll(/\/\*\*[\s\S]*?\*\//g, '')
    .split('\n')
    .filter((line) => !/^\s*(?:\/\/|\*)/.test(line))
    // A value inside of a message, or in quotes behind a flag, stands for one word.
    .map((line) => ({ file, line: line.replaceAll(/\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}/g, '0001_a').replaceAll(/(--[a-z-]+) "[^"]*"/g, '$1 0001_a') })),
);
const hints: readonly Hint[] = LINES.flatMap(({ file, line }) =>
  [...line.matchAll(HINT)].map((match) => ({ where: `${file}: ${line.trim()}`, name: match[1] ?? '', words: wordsOf(match[2] ?? '') })),
);

/** Prose follows: a word that no flag wants, and that is neither a name in capitals nor a value. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const bare = word.replace(/[,;.)]+$/, '');
    const wanted = Object.values(optionDefinitions).some(({ flags }) => flags.includes('<') && flags.split(/[ ,]+/).includes(words.at(-1) ?? ''));
    if (bare === '' || !(wanted || /^--?[a-z]/.test(bare) || /^[A-Z]+$/.test(bare) || bare === '0001_a')) break;
    words.push(bare);
    if (bare !== word) break;
  }
  return words;
}

test('there are hints to look at', () => {
  expect(hints.length).toBeGreaterThan(30);
  expect(hints.map((hint) => [hint.name, ...hint.words].join(' '))).toContain('repair --mark-undone 0001_a --mark-applied 0001_a');
  expect(hints.map((hint) => [hint.name, ...hint.words].join(' '))).toContain('adopt --from 0001_a --table schema_history');
});

test('every command that a message names exists', () => {
  const known = entries.map((one) => one.name);
  expect(hints.filter((hint) => !known.includes(hint.name)).map((hint) => hint.where)).toEqual([]);
});

test.each([...new Set(hints.map((hint) => [hint.name, ...hint.words].join(' ')))])('migrate %s can be typed', async (line) => {
  const entry = entries.findLast((one) => line === one.name || line.startsWith(`${one.name} `));
  if (entry === undefined) return expect.unreachable(`there is no command ${line}`);
  const words = line
    .slice(entry.name.length)
    .split(' ')
    .filter((word) => word !== '');
  if (!('load' in entry)) return expect(words).toEqual([]);
  const { command } = await entry.load();
  const flags = new Set(command.options.flatMap((option: OptionName) => flagsOf(option)));
  for (const word of words.filter((one) => one.startsWith('-') && one !== '--help')) expect(flags).toContain(word);
  // A name of the command alone is about the command.
  if (words.length > 0 && !words.includes('--help')) expect(readPlainWords(command, words)).not.toBeNull();
});
