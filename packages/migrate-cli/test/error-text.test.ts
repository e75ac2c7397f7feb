import { MigrationError } from '@org/migrate-core';
import { describe, expect, test } from 'vitest';

import { noColours } from '../src/render/colour.ts';
import { renderError } from '../src/render/error.ts';

const style = { colours: noColours, verbose: false, showData: false, cwd: '/project', located: (text: string) => text, bounds: {} } as const;

describe('an error for people', () => {
  test('shows file, line and column, the line with a caret, and what to do next', () => {
    const position = { file: '/project/m/0001_a.sql', line: 12, column: 8, text: 'SELECT nothing FROM nowhere;' };
    expect(renderError(new MigrationError({ code: 'migrationFailed', message: 'it failed', hint: 'look there', sqlState: '42P01', position }), style)).toBe(
      ['✗ it failed (SQLSTATE 42P01)', '  m/0001_a.sql:12:8', '', '  12 | SELECT nothing FROM nowhere;', '     |        ^', '', '  → look there'].join('\n'),
    );
  });

  test('draws no empty line where only the place is known', () => {
    const position = { file: '/project/m/0001_a.ts', line: 9, column: 14, text: '' };
    expect(renderError(new MigrationError({ code: 'invalidMigration', message: 'm', hint: 'look there', position }), style)).toBe(
      ['✗ m', '  m/0001_a.ts:9:14', '', '  → look there'].join('\n'),
    );
  });

  test('puts the caret under its column behind tabs and characters of two units', () => {
    const position = { file: null, line: 1, column: 4, text: '\t😀 x' };
    expect(renderError(new MigrationError({ code: 'migrationFailed', message: 'm', position }), style)).toContain('  1 |  😀 x\n    |     ^');
  });

  test('shows the part of a very long line that matters', () => {
    const text = `${'a'.repeat(5_000)}HERE${'b'.repeat(5_000)}`;
    const shown = renderError(new MigrationError({ code: 'migrationFailed', message: 'm', position: { file: null, line: 1, column: 5_001, text } }), style);
    const [line = '', caret = ''] = shown.split('\n').filter((one) => one.includes('|'));
    expect(line.length).toBeLessThan(160);
    expect(line.slice(caret.indexOf('^'))).toMatch(/^HERE/);
  });

  test('withholds data, and says how to see it', () => {
    const error = new MigrationError({ code: 'migrationFailed', message: 'm', data: 'DETAIL: Key (name)=(Amal)' });
    expect(renderError(error, style)).not.toContain('Amal');
    expect(renderError(error, style)).toContain('--show-data');
    expect(renderError(error, { ...style, verbose: true })).not.toContain('Amal');
    expect(renderError(error, { ...style, showData: true })).toContain('DETAIL: Key (name)=(Amal)');
  });

  test('lets no control character reach the terminal', () => {
    expect(renderError(new MigrationError({ code: 'invalidOptions', message: 'a\u001b[2Jb\u0007c\u202ed' }), style)).toBe('✗ a\\x1b[2Jb\\x07c\\x202ed');
  });

  test('shows a stack only when asked', () => {
    const error = new MigrationError({ code: 'internal', message: 'm' });
    expect(renderError(error, style)).toBe('✗ m');
    expect(renderError(error, { ...style, verbose: true })).toMatch(/\n\s+at /);
  });
});
