/**
 * Places in a text. Four units are about: PostgreSQL's `position` counts code points from 1, its parser bytes and code
 * points from 0, JavaScript UTF-16 units from 0. Everything here answers in UTF-16 or in lines and columns. Pure.
 */

import type { SourcePosition } from './errors.ts';

/** UTF-16 offset of the code point with this number, from 0. Beyond the end: the text's length. */
export function utf16Offset(text: string, codePoints: number): number {
  let offset = 0;
  for (let left = codePoints; left > 0 && offset < text.length; left--) offset += widthAt(text, offset);
  return offset;
}

/** How many code points stand before a UTF-16 offset. */
export function codePointOffset(text: string, offset: number): number {
  let count = 0;
  for (let at = 0; at < offset && at < text.length; at += widthAt(text, at)) count++;
  return count;
}

/** How many UTF-8 bytes stand before a UTF-16 offset. */
export function byteOffset(text: string, offset: number): number {
  let bytes = 0;
  for (let at = 0; at < offset && at < text.length; at += widthAt(text, at)) bytes += bytesAt(text, at);
  return bytes;
}

/**
 * From UTF-8 byte offsets to UTF-16 ones. Made for the parser's answers, which ascend: each call goes on from the one
 * before, so that a file is walked through once; an earlier offset starts again from the beginning.
 */
export class ByteWalk {
  readonly #text: string;
  #bytes = 0;
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  utf16(bytes: number): number {
    if (bytes < this.#bytes) {
      this.#bytes = 0;
      this.#offset = 0;
    }
    while (this.#bytes < bytes && this.#offset < this.#text.length) {
      this.#bytes += bytesAt(this.#text, this.#offset);
      this.#offset += widthAt(this.#text, this.#offset);
    }
    return this.#offset;
  }
}

/** Line and column from 1, the column in code points, and the line's text. `\n` and `\r\n` end a line. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number; text: string } {
  const end = Math.min(Math.max(offset, 0), text.length);
  let line = 1;
  let start = 0;
  for (let next = text.indexOf('\n'); next !== -1 && next < end; next = text.indexOf('\n', next + 1)) {
    line++;
    start = next + 1;
  }
  const newline = text.indexOf('\n', start);
  const whole = text.slice(start, newline === -1 ? text.length : newline);
  return { line, column: codePointOffset(text.slice(start, end), end - start) + 1, text: whole.endsWith('\r') ? whole.slice(0, -1) : whole };
}

/** Where a UTF-16 offset of a script stands in its file; in generated SQL the file is `null` and lines count from its beginning. */
export function positionIn(
  script: { readonly sql: string; readonly origin: { readonly file: string; readonly line: number } | null },
  offset: number,
): SourcePosition {
  const place = lineAndColumn(script.sql, offset);
  return { file: script.origin?.file ?? null, line: place.line + (script.origin?.line ?? 0), column: place.column, text: place.text };
}

/** From a UTF-16 offset in what is sent to the one in what was written; inside of a replacement, where that begins. */
export function writtenOffset(
  moved: readonly { readonly sent: { readonly start: number; readonly end: number }; readonly written: { readonly start: number; readonly end: number } }[],
  offset: number,
): number {
  const last = moved.findLast(({ sent }) => sent.start <= offset);
  if (last === undefined) return offset;
  return offset < last.sent.end ? last.written.start : last.written.end + (offset - last.sent.end);
}

function widthAt(text: string, offset: number): number {
  return (text.codePointAt(offset) ?? 0) > 0xff_ff ? 2 : 1;
}

function bytesAt(text: string, offset: number): number {
  const code = text.codePointAt(offset) ?? 0;
  if (code < 0x80) return 1;
  if (code < 0x8_00) return 2;
  return code > 0xff_ff ? 4 : 3;
}
