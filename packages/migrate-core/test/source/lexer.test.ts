import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { chunks, endOfContent, skipTrivia, split, tokens, type Token } from '../../src/source/lexer.ts';
import { parse } from '../../src/source/parser.ts';

const statements = (sql: string): string[] => split(sql).spans.map(({ start, end }) => sql.slice(start, end));

/** Each holds a semicolon, a quote or a comment mark where it ends nothing. */
const TRICKY: readonly string[] = [
  "SELECT 'a;b', 'it''s; fine'; SELECT 2",
  'SELECT ";" AS "a;""b;" FROM t; SELECT 2',
  "SELECT E'\\';', E'\\\\'; SELECT 2",
  "SELECT 'back\\'; SELECT 2",
  "SELECT B'1;', X'f', N'n;', U&'d\\0061;', U&\"d;\"; SELECT 2",
  'SELECT $$a;b$$, $tag$ $$ ; $tag$; SELECT $1, $2',
  "SELECT 'one'\n  'two;' -- not the end ;\n; SELECT E'a\\';'\n 'b\\';'; SELECT 2",
  'SELECT /* a; /* nested; */ still; */ 1; -- last; one\nSELECT 2',
  'SELECT 1;;; ; SELECT 2;',
  'CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2',
  'CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); END; SELECT 2',
  "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN IF NEW.x = ';' THEN RETURN NULL; END IF; RETURN NEW; END $body$; SELECT 2",
  'CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO u VALUES (1); INSERT INTO u VALUES (2)); SELECT 2',
  'BEGIN; SELECT 1; COMMIT; SELECT CASE WHEN a THEN b END FROM t; SELECT 2',
  'SELECT a$b$c, "x$$y" FROM t; SELECT 2',
  'SELECT 1 <-- a comment;\n 2; SELECT 2',
  'SELECT 5 -1; SELECT 5- -1; SELECT 2 /1',
  "SELECT 'é;😀', \"ü;\" ; SELECT '€'",
  "SELECT e'x' , É FROM naïve; SELECT 2",
  'DO $$ BEGIN PERFORM 1; END $$; DO LANGUAGE plpgsql $do$ BEGIN NULL; END $do$',
  '-- only a comment;',
  '/* nothing; */',
  '   \n\t ',
  "SELECT 1 -- trailing ; '",
  'SELECT 1 /* trailing */',
  'CREATE TABLE "begin atomic" (a int); CREATE TABLE t2 (atomic int); SELECT 2',
  "COMMENT ON TABLE t IS 'a -- b; /* c'; SELECT 2",
];

describe('where statements end', () => {
  test.each(TRICKY)('%j is split as PostgreSQL’s parser does', async (sql) => {
    const answer = await parse(sql);
    if (answer.kind !== 'parsed') throw new Error(`not parsed: ${JSON.stringify(answer)}`);
    expect(statements(sql)).toEqual(answer.statements.map(({ start, end }) => sql.slice(start, end)));
    expect(split(sql).unterminated).toBeNull();
  });

  /** As `tokens` tells them; a string from its quote on, since its prefix belongs to what is before it. */
  const marks = (sql: string, found: Iterable<Token>): string[] =>
    [...found]
      .filter(
        ({ kind, start }) => ['string', 'quoted', 'lineComment', 'blockComment'].includes(kind) || (kind === 'symbol' && ';()'.includes(sql.charAt(start))),
      )
      .map(({ kind, start, end, closed }) => `${kind} ${sql.slice(start, end).replace(/^(?:[eEbBxXnN]|[uU]&)(?=['"])/, '')} ${end} ${closed}`);

  test.each(TRICKY)('%j has the same quotes and comments when it is read in chunks', (sql) => {
    expect(marks(sql, chunks(sql))).toEqual(marks(sql, tokens(sql)));
  });

  test('a text of words that hold a dollar takes no longer for each of them', () => {
    const sql = `SELECT ${'v$session + '.repeat(20_000)}1; SELECT 2`;
    const began = performance.now();
    expect(statements(sql)).toHaveLength(2);
    // Milliseconds; read again from the beginning for each word, it was half a minute.
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test('chunks are what tokens are, whatever the text', () => {
    const part = fc.constantFrom(
      "'",
      '"',
      '$',
      '$$',
      '$a$',
      'a',
      'E',
      'e',
      'U&',
      '1',
      '.',
      '--',
      '-',
      '/*',
      '*/',
      '/',
      '*',
      '\n',
      ' ',
      ';',
      '\\',
      '(',
      ')',
      'é',
      '😀',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 14 }), (parts) => {
        const sql = parts.join('');
        expect(marks(sql, chunks(sql))).toEqual(marks(sql, tokens(sql)));
      }),
      { numRuns: 5_000 },
    );
  });

  test('all text is in a statement, or is space, comment or semicolon', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...TRICKY, "'", '"', '$$', '--', '/*', '*/', ';', '\n', 'E', '(', ')', 'begin', 'end', '\\', '😀'), { maxLength: 8 }),
        (parts) => {
          const sql = parts.join(' ');
          let at = 0;
          for (const { start, end } of split(sql).spans) {
            expect(start).toBeGreaterThanOrEqual(at);
            expect(end).toBeGreaterThan(start);
            expect(onlySeparators(sql.slice(at, start))).toBe(true);
            at = end;
          }
          // What a quote or comment without its end swallowed belongs to its statement, or is a comment.
          expect(onlySeparators(sql.slice(at))).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('tokens are in order, do not overlap, and leave out nothing but space', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("'", '"', '$', 'a', 'E', '-', '/', '*', '\n', ' ', ';', '\\', '1', 'é', '😀'), maxLength: 30 }), (sql) => {
        let at = 0;
        for (const { start, end } of tokens(sql)) {
          expect(sql.slice(at, start)).toMatch(/^[ \t\n\r\f\v]*$/);
          expect(end).toBeGreaterThan(start);
          at = end;
        }
        expect(sql.slice(at)).toMatch(/^[ \t\n\r\f\v]*$/);
      }),
      { numRuns: 2_000 },
    );
  });
});

function onlySeparators(text: string): boolean {
  return [...tokens(text)].every((token) => token.kind === 'lineComment' || token.kind === 'blockComment' || text.slice(token.start, token.end) === ';');
}

describe('what nothing ends', () => {
  test.each([
    ["SELECT 'abc; SELECT 2", 7],
    ['SELECT "abc; SELECT 2', 7],
    ['SELECT $x$ ; $y$', 7],
    ['SELECT 1; /* a /* b */ ;', 10],
    ["SELECT E'a\\'; x", 7],
  ])('%j reaches to the end, and is named', (sql, at) => {
    expect(split(sql).unterminated).toBe(at);
  });

  test('a quote of megabytes that nothing ends is read in no time', () => {
    const sql = `SELECT '${"x''".repeat(500_000)}`;
    const begun = performance.now();
    expect(split(sql).unterminated).toBe(7);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test('megabytes of strings and of nested comments are read without a deep stack', () => {
    const long = `SELECT '${'x'.repeat(5_000_000)}'; ${'/*'.repeat(100_000)}${'*/'.repeat(100_000)} SELECT "${'""'.repeat(1_000_000)}"; SELECT E'${"\\'".repeat(1_000_000)}'`;
    expect(split(long).spans).toHaveLength(3);
    expect(split(long).unterminated).toBeNull();
  });
});

test('a no-break space is a letter, as it is to PostgreSQL', () => {
  expect(statements('SELECT 1 AS a\u00A0b; SELECT 2')).toEqual(['SELECT 1 AS a\u00A0b', 'SELECT 2']);
  expect([...tokens('a\u00A0b')]).toHaveLength(1);
});

test('space and comments before a statement are skipped, and those behind it are cut', () => {
  const sql = '/* a */ -- b\n  SELECT 1 -- c';
  expect(skipTrivia(sql, 0)).toBe(sql.indexOf('SELECT'));
  expect(skipTrivia('-- only', 0)).toBe(7);
  expect(endOfContent(sql, sql.indexOf('SELECT'), sql.length)).toBe(sql.indexOf(' -- c'));
  expect(endOfContent("SELECT '--'  ", 0, 13)).toBe(11);
});
