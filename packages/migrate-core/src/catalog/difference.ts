/** What differs between two catalogues, by the names of objects. Pure. */

import { type CatalogLine, readLines } from './line.ts';

export interface CatalogDifference {
  /** Seen from the first catalogue: `added` is only in the second. */
  readonly change: 'added' | 'removed' | 'changed';
  /** `table patients`. */
  readonly object: string;
  /** `column phone`; `null` where it is the object itself. */
  readonly part: string | null;
  /** `comment`, `owner`, `grants to app`; `null` where it is the definition. */
  readonly aspect: string | null;
  /** For people: `comment of column phone of table patients`. */
  readonly name: string;
  /** The definition in the first and in the second catalogue; `null` where there is none. */
  readonly before: string | null;
  readonly after: string | null;
}

/**
 * The differences from `a` to `b`, sorted by object; empty when they are equal. What comes or goes with its object (a new table's columns) is not
 * told beside it, and the order of columns differs only where columns that both have stand otherwise.
 */
export function diffCatalogs(a: { readonly text: string }, b: { readonly text: string }): CatalogDifference[] {
  const before = index(readLines(a.text));
  const after = index(readLines(b.text));
  const differences: CatalogDifference[] = [];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const was = before.get(key);
    const is = after.get(key);
    const line = was ?? is;
    if (line === undefined || was?.value === is?.value) continue;
    if (was === undefined || is === undefined) {
      // A table's first column brings the order of its columns, and what has come or gone as a whole is told alone.
      if (line.part === COLUMN_ORDER || wholes(line).some((key) => before.has(key) !== after.has(key))) continue;
    } else if (line.part === COLUMN_ORDER && sameOrder(was.value, is.value)) continue;
    differences.push({
      change: was === undefined ? 'added' : is === undefined ? 'removed' : 'changed',
      object: line.object,
      part: line.part === '' ? null : line.part,
      aspect: line.aspect === '' ? null : line.aspect,
      name: [line.aspect, line.part, line.object].filter((word) => word !== '').join(' of '),
      before: was?.value ?? null,
      after: is?.value ?? null,
    });
  }
  return differences.toSorted((x, y) => compare(x.object, y.object) || compare(x.part ?? '', y.part ?? '') || compare(x.aspect ?? '', y.aspect ?? ''));
}

/** A difference as a person reads it, without a line break at the end. */
export function describeDifference(difference: CatalogDifference): string {
  const { change, name, before, after } = difference;
  if (change === 'added') return after === '' ? `+ ${name}` : `+ ${name}: ${after}`;
  if (change === 'removed') return before === '' ? `- ${name}` : `- ${name}: ${before}`;
  return `~ ${name}\n    was ${before}\n    is  ${after}`;
}

const COLUMN_ORDER = 'column order';

function index(lines: readonly CatalogLine[]): Map<string, CatalogLine> {
  return new Map(lines.map((line) => [keyOf(line.object, line.part, line.aspect), line]));
}

function keyOf(object: string, part: string, aspect: string): string {
  return `${object}\t${part}\t${aspect}`;
}

/** The keys of what a line belongs to: its part's definition, and its object's. */
function wholes(line: CatalogLine): string[] {
  const keys: string[] = [];
  if (line.part !== '' || line.aspect !== '') keys.push(keyOf(line.object, '', ''));
  if (line.part !== '' && line.aspect !== '') keys.push(keyOf(line.object, line.part, ''));
  return keys;
}

function sameOrder(before: string, after: string): boolean {
  const a = JSON.parse(before) as string[];
  const b = JSON.parse(after) as string[];
  const common = (own: readonly string[], other: readonly string[]): string => JSON.stringify(own.filter((name) => other.includes(name)));
  return common(a, b) === common(b, a);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
