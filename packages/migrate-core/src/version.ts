/** What a migration's name says: its number, its words, and its place among others. Pure. */

export interface ParsedName {
  /** What people type: the leading number as written, a class name's trailing stamp, or the whole name. */
  readonly version: string;
  /** The number without leading zeros, dates as `YYYYMMDDHHMMSS`; `null` when unnumbered. */
  readonly number: string | null;
  /** The name's words, for people. */
  readonly description: string;
  /** `index`: 1 to 4 digits, which must not repeat. `stamp`: longer, a date or a time. */
  readonly scheme: 'index' | 'stamp' | 'unnumbered';
}

/** `2019-02-26-002946` (Diesel), `2014_10_12_000000`, `2024-01-31`, `2020-12-7`: a date in parts, with or without a time. */
const DATE = /^((?:19|20)\d{2})[-_](0?[1-9]|1[0-2])[-_](0?[1-9]|[12]\d|3[01])(?:[-_T](\d{2})[-_:]?(\d{2})[-_:]?(\d{2})(?:-\d{4})?)?(?=[-_.]|$)/;
/** TypeORM's class names end in milliseconds: `CreateUsers1699123456789`. */
const TRAILING_STAMP = /\d{13}$/;

export function parseName(name: string): ParsedName {
  const { version, number, scheme, rest } = numberOf(name);
  return { version, number, description: words(rest) || name, scheme };
}

interface Numbered extends Omit<ParsedName, 'description'> {
  /** The name without its number. */
  readonly rest: string;
}

function numberOf(name: string): Numbered {
  const date = DATE.exec(name);
  if (date !== null) {
    const [written, ...parts] = date;
    return { version: written, number: parts.map((part) => (part ?? '').padStart(2, '0')).join(''), scheme: 'stamp', rest: name.slice(written.length) };
  }
  const digits = /^\d+/.exec(name)?.[0];
  if (digits === undefined) {
    const stamp = TRAILING_STAMP.exec(name)?.[0];
    return { version: stamp ?? name, number: stamp ?? null, scheme: 'unnumbered', rest: stamp === undefined ? name : name.slice(0, -stamp.length) };
  }
  // `1.2.3` is no index: the folder's other 1.x are not the same number twice.
  const dotted = name.charAt(digits.length) === '.';
  const version = dotted ? (/^[\d.]*\d/.exec(name)?.[0] ?? digits) : digits;
  return { version, number: normalized(digits), scheme: digits.length <= 4 && !dotted ? 'index' : 'stamp', rest: name.slice(version.length) };
}

/**
 * The order of a folder, and a total one: by number, then by name; then class names by the stamp at their end; then Flyway's by their versions, then other names, `R__…` last. A 17-digit UTC stamp counts as
 * its date in milliseconds, whatever stands beside it: an order that depended on the neighbours would not be transitive.
 */
export function compareNames(a: string, b: string): number {
  const one = orderKey(a);
  const two = orderKey(b);
  if (one.rank !== two.rank) return one.rank - two.rank;
  const byNumber = compareDigits(one.number, two.number) || Number(one.dotted) - Number(two.dotted);
  if (byNumber !== 0) return byNumber;
  const byVersion = compareVersions(one.version ?? [], two.version ?? []);
  if (byVersion !== 0) return byVersion;
  // Prisma and golang-migrate sort numbered names as plain text; versions in parts (`1.10`, `V2`) mean their numbers.
  return (one.rank > 0 || one.dotted ? natural(a, b) : 0) || plain(a, b);
}

interface OrderKey {
  /** With a number before it, with a stamp behind it, with a version of Flyway's, with none of these; Flyway's repeatable ones. */
  readonly rank: 0 | 1 | 2 | 3 | 4;
  readonly number: string;
  readonly dotted: boolean;
  /** The parts of Flyway's, without leading zeros. */
  readonly version?: readonly string[];
}

/** `V2__words`, `V1_55_1__words`, `V2019.01.12__words`. */
const FLYWAY = /^V(\d+(?:[._]\d+)*)__/;

function orderKey(name: string): OrderKey {
  const { number, scheme } = numberOf(name);
  if (number === null) {
    const version = FLYWAY.exec(name)?.[1]?.split(/[._]/).map(normalized) ?? [];
    return { rank: version.length > 0 ? 2 : name.startsWith('R__') ? 4 : 3, number: '', dotted: false, version };
  }
  if (scheme === 'unnumbered') return { rank: 1, number, dotted: false };
  const digits = /^\d+/.exec(name)?.[0] ?? '';
  const dotted = name.charAt(digits.length) === '.';
  return { rank: 0, number: digits.length === 17 ? (milliseconds(digits) ?? number) : number, dotted };
}

/** Part by part; `1_55` comes before `1_55_1`. */
function compareVersions(a: readonly string[], b: readonly string[]): number {
  for (const [index, part] of a.entries()) {
    const order = compareDigits(part, b[index] ?? '');
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** A 17-digit UTC stamp as milliseconds since 1970; `null` when it is no date. */
function milliseconds(digits: string): string | null {
  const parts = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{3})$/.exec(digits);
  if (parts === null) return null;
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0, rest = 0] = parts.slice(1).map(Number);
  const value = Date.UTC(year, month - 1, day, hours, minutes, seconds, rest);
  const inRange = year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31 && hours < 24 && minutes < 60 && seconds < 60;
  return inRange ? String(value) : null;
}

function normalized(digits: string): string {
  return digits.replace(/^0+(?=\d)/, '');
}

/** Whole numbers of any length, without leading zeros. */
function compareDigits(a: string, b: string): number {
  return a.length - b.length || plain(a, b);
}

function plain(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Runs of digits by their value, everything else by code unit: `V2__x` before `V10__x`. */
function natural(a: string, b: string): number {
  const one = a.split(/(\d+)/);
  const two = b.split(/(\d+)/);
  for (let index = 0; index < Math.min(one.length, two.length); index++) {
    const left = one[index] as string;
    const right = two[index] as string;
    // `split` with a group alternates text and digits, so that equal places are alike.
    const order = index % 2 === 1 ? compareDigits(normalized(left), normalized(right)) : plain(left, right);
    if (order !== 0) return order;
  }
  return one.length - two.length;
}

function words(text: string): string {
  return text
    .replaceAll(/[_\-\s]+/g, ' ')
    .replace(/^[. ]+/, '')
    .trim();
}

export type VersionAnswer =
  | { readonly kind: 'found'; readonly name: string }
  | { readonly kind: 'none'; readonly suggestions: readonly string[] }
  | { readonly kind: 'ambiguous'; readonly candidates: readonly string[] };

/** The migration that a person means: by full name (an extension may follow), by number (`7` is `0007`), or by any beginning that only one has. */
export function findVersion(query: string, names: readonly string[]): VersionAnswer {
  const wanted = query.trim();
  if (wanted === '') return { kind: 'none', suggestions: [] };
  for (const exact of [wanted, wanted.replace(/\.(?:sql|[cm]?[jt]s)$/i, '').replace(/\.(?:up|down)$/i, '')]) {
    if (names.includes(exact)) return { kind: 'found', name: exact };
  }
  const version = only(names.filter((name) => parseName(name).version === wanted));
  if (version !== null) return version;
  if (/^\d+$/.test(wanted)) {
    const number = only(names.filter((name) => parseName(name).number === normalized(wanted)));
    if (number !== null) return number;
  }
  return only(names.filter((name) => name.startsWith(wanted))) ?? { kind: 'none', suggestions: nearest(wanted, names) };
}

function only(matches: readonly string[]): VersionAnswer | null {
  const [first] = matches;
  if (first === undefined) return null;
  return matches.length === 1 ? { kind: 'found', name: first } : { kind: 'ambiguous', candidates: matches };
}

/** At most three words that differ from `wanted` by little, nearest first. A beginning of the same length counts like the whole. */
export function nearest(wanted: string, among: readonly string[]): string[] {
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  const lower = wanted.toLowerCase();
  return among
    .map((name) => {
      const whole = name.toLowerCase();
      const distance = Math.min(editDistance(lower, whole), editDistance(lower, whole.slice(0, lower.length)), editDistance(lower, parseName(whole).version));
      return { name, distance: whole.includes(lower) ? Math.min(distance, 1) : distance };
    })
    .filter((one) => one.distance <= limit)
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map((one) => one.name);
}

function editDistance(a: string, b: string): number {
  // Far apart is far enough: names may be long, and there may be thousands.
  if (Math.abs(a.length - b.length) > 10 || a.length > 100) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
