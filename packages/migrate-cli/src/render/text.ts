/** Small pieces of text that several renderings share. Pure. */

import type { ChosenConnection } from '@org/migrate-core';

import type { Colours } from './colour.ts';

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const BREAKS = /[\n\r\t]/g;
const ESCAPED: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` };

/**
 * Names and messages come from files, servers and strangers: a control character among them could move the cursor,
 * retitle the terminal or hide what was printed before; a line break could pass for a line of ours. One line: breaks and tabs are shown as `\n` and `\t`.
 */
export function printable(text: string): string {
  return printableText(text.replaceAll(BREAKS, (found) => ESCAPED[found] ?? ''));
}

/** For messages, statements and notices, which may have several lines: breaks and tabs stay. */
export function printableText(text: string): string {
  return text.replaceAll(CONTROL, (found) => `\\x${(found.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`);
}

/** `3 ms`, `1.2 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1_000)} s`;
}

/** An ISO 8601 time of the server: `2025-03-01 12:30:05 UTC`. */
export function time(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** At most `width` characters, the end cut off. */
export function fit(text: string, width: number): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > width ? `${line.slice(0, Math.max(1, width - 1))}…` : line;
}

/** The heading of a service: where it connects, and what said so. */
export function heading(service: string, connection: ChosenConnection | null, colours: Colours): string {
  const where = connection === null ? '' : `  ${printable(connection.display)} ${colours.dim(`(from ${connection.source})`)}`;
  return `${colours.bold(printable(service))}${where}`;
}
