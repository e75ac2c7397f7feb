import { createHash } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { checksum, decode } from '../../src/source/checksum.ts';

describe('a checksum', () => {
  test('is the SHA-256 of the text in UTF-8', () => {
    expect(checksum('SELECT 1;\n')).toBe(createHash('sha256').update('SELECT 1;\n').digest('hex'));
    expect(checksum('é😀')).toBe(createHash('sha256').update(Buffer.from('é😀', 'utf8')).digest('hex'));
    expect(checksum('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  test('is the same with CRLF, and with a byte order mark', () => {
    const marked = decode(Buffer.from('\uFEFFSELECT 1;\r\nSELECT 2;\r\n'));
    expect(marked.problem).toBeNull();
    expect(checksum(marked.text)).toBe(checksum('SELECT 1;\nSELECT 2;\n'));
  });

  test('differs for anything else, even a space or a lone CR', () => {
    const all = ['a\n', 'a', 'a \n', 'a\r', 'A\n', 'a\n\n'].map(checksum);
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('a file that is no text for PostgreSQL', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['UTF-16 as editors on Windows save it', Buffer.from('\uFEFFSELECT 1', 'utf16le'), /UTF-16: save it as UTF-8/],
    ['UTF-16, big-endian', Buffer.from([0xfe, 0xff, 0, 0x41]), /UTF-16/],
    ['a NUL', Buffer.from('SELECT 1;\0'), /NUL/],
    ['UTF-16 without its mark', Buffer.from('SELECT 1', 'utf16le'), /NUL/],
    ['Latin-1', Buffer.from('SELECT \u00e9', 'latin1'), /not UTF-8/],
    ['half a character', Buffer.from([0x41, 0xf0, 0x9f]), /not UTF-8/],
  ])('says so: %s', (_, bytes, problem) => {
    expect(decode(bytes).problem).toMatch(problem);
  });
});
