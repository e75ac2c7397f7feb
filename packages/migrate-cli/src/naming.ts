/** The naming style of a folder, and the next name in it. Pure. */

import { MigrationError } from '@org/migrate-core';

export type Format = 'sql' | 'pair' | 'folder' | 'ts';

/** A migration of the folder: its name, and the file that its up is in. */
export interface Existing {
  readonly name: string;
  readonly file: string | null;
}

const LONGEST_NAME = 120;

/** The words as a name may have them. Throws `invalidOptions` for anything that could be more than a name. */
export function checkedWords(typed: string): string {
  const words = typed.normalize('NFC').trim();
  const fail = (what: string): never => {
    throw new MigrationError({
      code: 'invalidOptions',
      message: `This cannot be the name of a migration: ${what}.`,
      hint: 'say in a few words what changes, e.g. migrate create add_phone_to_patients',
    });
  };
  if (words === '') fail('it is empty');
  if (/\.(?:sql|[cm]?[jt]s)$/i.test(words)) fail('the extension comes from --format');
  if (!/^[\p{L}\p{N}][\p{L}\p{N}\p{M}_\- ]*$/u.test(words)) fail('letters, digits, "_", "-" and spaces are what it may hold, a letter or digit first');
  if (Buffer.byteLength(words) > LONGEST_NAME) fail(`it is longer than ${LONGEST_NAME} bytes`);
  return words;
}

/** What follows the newest of the folder, in its style. `existing` is in source order. */
export function nextName(words: string, existing: readonly Existing[], now: Date): string {
  const numbered = existing.map(({ name }) => name).filter((name) => /^\d/.test(name));
  const newest = numbered.at(-1);
  if (newest === undefined)
    return existing.length === 0
      ? `0001_${joined(words, '_')}`
      : unnumbered(
          words,
          existing.map((one) => one.name),
          now,
        );
  const date = /^(\d{4})([-_])(\d{2})\2(\d{2})([-_T])(\d{6})/.exec(newest);
  const prefix = date?.[0] ?? /^\d+/.exec(newest)?.[0] ?? '';
  const rest = newest.slice(prefix.length);
  const separator = /^[_\-.]+/.exec(rest)?.[0] ?? '_';
  const between =
    /\p{L}-\p{L}/u.test(rest) && !/\p{L}_\p{L}/u.test(rest) ? '-' : /_/.test(rest.slice(separator.length)) || !separator.includes('-') ? '_' : '-';
  const number = date === null ? nextNumber(prefix, numbered, now) : dashed(prefix, now, date[2] ?? '-', date[5] ?? '-');
  return `${number}${separator}${joined(words, between)}`;
}

function joined(words: string, between: string): string {
  return words.replaceAll(/[\s_-]+/g, between);
}

type Stamp = { readonly of: (date: Date) => string; readonly read: (digits: string) => number };

/** Stamps by their length; any other number is counted. */
const STAMPS: Readonly<Record<number, Stamp>> = {
  8: { of: (date) => digits(date).slice(0, 8), read: (text) => parts(text) },
  10: { of: (date) => String(Math.floor(date.getTime() / 1_000)), read: (text) => Number(text) * 1_000 },
  12: { of: (date) => digits(date).slice(0, 12), read: (text) => parts(text) },
  13: { of: (date) => String(date.getTime()), read: Number },
  14: { of: (date) => digits(date).slice(0, 14), read: (text) => parts(text) },
  17: { of: (date) => digits(date), read: (text) => parts(text) },
};

function nextNumber(prefix: string, names: readonly string[], now: Date): string {
  const stamp = STAMPS[prefix.length];
  const looksLikeTime = stamp !== undefined && (prefix.length === 10 || prefix.length === 13 ? /^[12]/ : /^(?:19|20)\d\d(?:0[1-9]|1[0-2])/).test(prefix);
  if (stamp === undefined || !looksLikeTime) {
    const largest = names.map((name) => BigInt(/^\d+/.exec(name)?.[0] ?? '0')).reduce((best, one) => (one > best ? one : best), 0n);
    return String(largest + 1n).padStart(prefix.length, '0');
  }
  const fresh = stamp.of(now);
  if (fresh > prefix || prefix.length === 8) return fresh < prefix ? prefix : fresh;
  // The newest is of the future, or of this very second: the new one still comes after it.
  const step = prefix.length === 13 || prefix.length === 17 ? 1 : prefix.length === 12 ? 60_000 : 1_000;
  return stamp.of(new Date(stamp.read(prefix) + step));
}

function dashed(prefix: string, now: Date, between: string, before: string): string {
  const write = (date: Date): string => {
    const text = digits(date);
    return `${text.slice(0, 4)}${between}${text.slice(4, 6)}${between}${text.slice(6, 8)}${before}${text.slice(8, 14)}`;
  };
  const fresh = write(now);
  return fresh > prefix ? fresh : write(new Date(parts(prefix.replaceAll(/\D/g, '')) + 1_000));
}

/** `YYYYMMDDHHMMSSmmm`, UTC. */
function digits(date: Date): string {
  return date.toISOString().replaceAll(/\D/g, '');
}

function parts(text: string): number {
  const [, year = '', month = '', day = '', hour = '00', minute = '00', second = '00', rest = '000'] =
    /^(\d{4})(\d{2})(\d{2})(\d{2})?(\d{2})?(\d{2})?(\d{3})?/.exec(text) ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second), Number(rest));
}

/** A folder without numbers: TypeORM's class names end in a stamp, other names order themselves. */
function unnumbered(words: string, names: readonly string[], now: Date): string {
  const last = names.at(-1) ?? '';
  if (!/\d{13}$/.test(last)) return joined(words, last.includes('-') && !last.includes('_') ? '-' : '_');
  const pascal = words.split(/[\s_-]+/).map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`);
  return `${pascal.join('')}${Math.max(now.getTime(), Number(last.slice(-13)) + 1)}`;
}

/** What the newest migration is. A folder of none begins with one file of SQL. */
export function formatOf(existing: readonly Existing[]): Format {
  const file = existing.at(-1)?.file ?? '';
  if (/\.up\.sql$/i.test(file)) return 'pair';
  if (/[/\\](?:migration|up)\.sql$/i.test(file)) return 'folder';
  return /\.[cm]?[jt]s$/i.test(file) ? 'ts' : 'sql';
}
