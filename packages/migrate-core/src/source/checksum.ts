/** The checksum of a migration's part, as docs/formats.md defines it: the same on every machine and in every editor. */

import { hash } from 'node:crypto';

/** `ignoreBOM: false` takes the mark away. */
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** The text of a file as it counts: UTF-8 without a byte order mark. Line ends stay as they are, so that positions hold. */
export function decode(bytes: Uint8Array): { readonly text: string; readonly problem: string | null } {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    return { text: '', problem: 'it is UTF-16: save it as UTF-8' };
  }
  try {
    const text = UTF_8.decode(bytes);
    return text.includes('\0') ? { text, problem: 'it holds a NUL character, which PostgreSQL cannot take' } : { text, problem: null };
  } catch {
    return { text: '', problem: 'it is not UTF-8: save it as UTF-8' };
  }
}

/** SHA-256 in hex of the text with CRLF as LF. */
export function checksum(text: string): string {
  return hash('sha256', text.replaceAll('\r\n', '\n'));
}
