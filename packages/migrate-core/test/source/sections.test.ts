import { describe, expect, test } from 'vitest';

import { readSections } from '../../src/source/sections.ts';

const parts = (text: string): [string, string | null] => {
  const { up, down, problem } = readSections(text);
  expect(problem).toBeNull();
  return [up.sql, down?.sql ?? null];
};

describe('the sections of a file', () => {
  test('are all up where there is no mark', () => {
    expect(parts('CREATE TABLE a ();\n')).toEqual(['CREATE TABLE a ();\n', null]);
    expect(parts('')).toEqual(['', null]);
  });

  test.each(['-- Down Migration', '--down migration', '------ DOWN  MIGRATION: undo', '  -- Down Migration', '-- - Down Migration'])(
    'begin at the mark %j',
    (mark) => {
      expect(parts(`UP;\n${mark}\nDOWN;\n`)).toEqual(['UP;\n', `${mark.trimStart()}\nDOWN;\n`]);
    },
  );

  test('keep what stands above the first mark with the up', () => {
    expect(parts('-- why\n-- Up Migration\nUP;\n-- Down Migration\nDOWN;\n')).toEqual(['-- why\n-- Up Migration\nUP;\n', '-- Down Migration\nDOWN;\n']);
  });

  test('may stand in the other order', () => {
    const text = '-- why\n-- Down Migration\nDOWN;\n-- Up Migration\nUP;\n';
    expect(readSections(text)).toEqual({ up: { sql: '-- Up Migration\nUP;\n', line: 3 }, down: { sql: '-- Down Migration\nDOWN;\n', line: 1 }, problem: null });
  });

  test('know the line at which they begin, with CRLF too', () => {
    expect(readSections('A;\r\n\r\n-- Down Migration\r\nB;\r\n').down).toEqual({ sql: '-- Down Migration\r\nB;\r\n', line: 2 });
  });

  test('added to a file later leave its up as it was', () => {
    const [up] = parts('CREATE TABLE a ();\n');
    expect(parts('CREATE TABLE a ();\n\n\n-- Down Migration\nDROP TABLE a;\n')[0]).toBe(up);
    expect(parts('CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;\n')[0]).toBe(up);
  });

  test.each([
    ["a function's body", 'CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$\n-- Down Migration\n$$;\n'],
    ['a string', "SELECT '\n-- Down Migration\n';\n"],
    ['a quoted name', 'SELECT "\n-- Down Migration\n";\n'],
    ['a block comment', '/*\n-- Down Migration\n*/ SELECT 1;\n'],
    ['a comment behind a statement', 'SELECT 1; -- Down Migration follows\n'],
    ['a longer sentence', '-- The Down Migration is elsewhere\n'],
  ])('do not begin inside of %s', (_, text) => {
    expect(parts(text)).toEqual([text, null]);
  });

  test.each([
    ['UP;\n-- Down Migration\nA;\n-- Down Migration\nB;\n', 'a second "Down Migration" section: a file has one of each', 22],
    ['-- Up Migration\nA;\n-- Up Migration\nB;\n-- Down Migration\n', 'a second "Up Migration" section: a file has one of each', 19],
    ['A;\n-- Down Migration\nB;\n-- Up Migration\nC;\n', 'a statement above both sections belongs to neither: put it behind the mark of its section', 0],
  ])('of %j are a problem', (text, message, start) => {
    const { problem } = readSections(text);
    if (message.startsWith('a second "Down')) expect(problem?.start).toBe(text.lastIndexOf('-- Down'));
    else expect(problem?.start).toBe(start);
    expect(problem?.message).toBe(message);
  });
});
