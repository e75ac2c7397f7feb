import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { byteOffset, ByteWalk, codePointOffset, lineAndColumn, positionIn, utf16Offset } from '../../src/position.ts';

const text = fc.array(fc.constantFrom('a', 'é', '€', '😀', '\n', '\r\n', '👩‍👩‍👧'), { maxLength: 20 }).map((parts) => parts.join(''));

describe('the four units of a place', () => {
  test('agree with what the platform says of every prefix', () => {
    fc.assert(
      fc.property(text, (whole) => {
        let offset = 0;
        for (const [index, character] of Array.from(whole).entries()) {
          const before = whole.slice(0, offset);
          expect(codePointOffset(whole, offset)).toBe(index);
          expect(utf16Offset(whole, index)).toBe(offset);
          expect(byteOffset(whole, offset)).toBe(Buffer.byteLength(before));
          expect(new ByteWalk(whole).utf16(Buffer.byteLength(before))).toBe(offset);
          offset += character.length;
        }
        expect(utf16Offset(whole, 1_000)).toBe(whole.length);
      }),
    );
  });

  test('of an emoji are one code point, two UTF-16 units and four bytes', () => {
    const sql = "SELECT '😀', x";
    const at = sql.indexOf('x');
    expect([codePointOffset(sql, at), at, byteOffset(sql, at)]).toEqual([12, 13, 15]);
  });

  test('a walk that is asked for an earlier place begins again', () => {
    const walk = new ByteWalk('a😀b€c');
    expect([walk.utf16(5), walk.utf16(1), walk.utf16(9), walk.utf16(0), walk.utf16(99)]).toEqual([3, 1, 5, 0, 6]);
  });
});

describe('line and column', () => {
  test('count from one, columns in code points', () => {
    expect(lineAndColumn("SELECT '😀', x\n", 13)).toEqual({ line: 1, column: 13, text: "SELECT '😀', x" });
    expect(lineAndColumn('', 0)).toEqual({ line: 1, column: 1, text: '' });
  });

  test('take CRLF for one line end that is not in the text', () => {
    const crlf = 'a\r\nbc\r\n\r\nd';
    expect(lineAndColumn(crlf, crlf.indexOf('c'))).toEqual({ line: 2, column: 2, text: 'bc' });
    expect(lineAndColumn(crlf, crlf.indexOf('d'))).toEqual({ line: 4, column: 1, text: 'd' });
  });

  test('of the same content are the same with LF and with CRLF', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '😀', '\n'), { maxLength: 20 }), fc.nat(19), (parts, count) => {
        const lf = parts.join('');
        const before = parts.slice(0, count).join('');
        const crlf = (one: string): string => one.replaceAll('\n', '\r\n');
        expect(lineAndColumn(crlf(lf), crlf(before).length)).toEqual(lineAndColumn(lf, before.length));
      }),
    );
  });

  test('beyond the end and before the beginning are the end and the beginning', () => {
    expect(lineAndColumn('a\nb', 99)).toEqual({ line: 2, column: 2, text: 'b' });
    expect(lineAndColumn('a\nb', -1)).toEqual({ line: 1, column: 1, text: 'a' });
  });

  test('of a section count from the beginning of its file', () => {
    expect(positionIn({ sql: '-- Down Migration\nDROP x', origin: { file: 'f.sql', line: 10 } }, 23)).toEqual({
      file: 'f.sql',
      line: 12,
      column: 6,
      text: 'DROP x',
    });
    expect(positionIn({ sql: 'x', origin: null }, 0)).toEqual({ file: null, line: 1, column: 1, text: 'x' });
  });
});
