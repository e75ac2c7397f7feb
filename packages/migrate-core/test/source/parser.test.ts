import { describe, expect, test } from 'vitest';

import { parse } from '../../src/source/parser.ts';
import { compileSql } from '../../src/source/script.ts';

// In this order: what comes last here cannot be undone in a process.
describe('the parser', () => {
  test('answers UTF-16 offsets where text is more than ASCII', async () => {
    const sql = "SELECT '€😀'; -- é\n SELECT 2";
    const answer = await parse(sql);
    if (answer.kind !== 'parsed') throw new Error(answer.kind);
    expect(answer.statements.map(({ start, end, kind }) => [sql.slice(start, end), kind])).toEqual([
      ["SELECT '€😀'", 'SelectStmt'],
      ['SELECT 2', 'SelectStmt'],
    ]);
  });

  test('places a syntax error behind characters of several bytes', async () => {
    const sql = "SELECT '€😀';\nSELEC 2";
    expect(await parse(sql)).toMatchObject({ kind: 'syntaxError', start: sql.indexOf('SELEC 2') });
    expect(await parse("SELECT '😀")).toMatchObject({ kind: 'syntaxError', start: 7 });
  });

  test('takes an empty text', async () => {
    expect(await parse('')).toEqual({ kind: 'parsed', statements: [] });
    expect(await parse(' \n -- nothing')).toEqual({ kind: 'parsed', statements: [] });
  });

  test('killed by very deep input, leaves the file to its lexer, and so every later one', async () => {
    const deep = `SELECT 1${'+1'.repeat(60_000)}; CREATE INDEX CONCURRENTLY i ON t (x)`;
    expect((await parse(deep)).kind).toBe('notParsed');
    const script = await compileSql(deep, { transaction: 'per-migration', origin: null });
    expect(script.syntaxError).toBeUndefined();
    expect(script.statements.map((one) => one.transaction)).toEqual(['allowed', 'forbidden']);
    expect((await parse('SELECT 1')).kind).toBe('notParsed');
    const later = await compileSql('BEGIN; SET search_path = a; ALTER TABLE t ADD c int; COMMIT', { transaction: 'per-migration', origin: null });
    expect(later.statements.map(({ text, kind, strongLock }) => [text, kind, strongLock])).toEqual([
      ['SET LOCAL search_path = a', 'Unparsed', false],
      ['ALTER TABLE t ADD c int', 'Unparsed', true],
    ]);
  });
});
