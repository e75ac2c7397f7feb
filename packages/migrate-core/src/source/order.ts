/** The order of a folder, where its numbers do not say it or say it twice. */

import { readFile } from 'node:fs/promises';

import type { SourceProblem } from '../migration.ts';
import { compareNames, nearest, parseName } from '../version.ts';
import { unreadable } from './file.ts';
import { ORDER_FILE, type Unit } from './layout.ts';

/**
 * By number, then by name. A folder of Prisma's with stamps in it is sorted as Prisma does, by plain name: there
 * `20250625_add` stands among the stamps of fourteen digits, not before all of them. One of Diesel's with dates in parts as Diesel does, which takes
 * the dashes out and compares what is left as text: `2020-1-5-…` is `202015…` there, behind the December of that year.
 */
export function sortUnits(units: readonly Unit[]): Unit[] {
  const all = (file: string): boolean => units.every((unit) => unit.kind === 'sql' && unit.up.endsWith(file));
  const byText = (key: (name: string) => string): Unit[] => units.toSorted((a, b) => plain(key(a.name), key(b.name)) || plain(a.name, b.name));
  if (all('/migration.sql') && units.some((unit) => parseName(unit.name).scheme === 'stamp')) return byText((name) => name);
  if (all('/up.sql') && units.some((unit) => DIESEL.test(unit.name))) return byText((name) => (name.split('_')[0] as string).replaceAll('-', ''));
  return units.toSorted((a, b) => compareNames(a.name, b.name));
}

const DIESEL = /^\d{4}-\d{1,2}-\d{1,2}-\d/;

function plain(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}

/** By the order file at `path`, where there is one: one name a line, `#` for comments. Else as given. `names` are all of the folder, also those that cannot be read. */
export async function orderNames(
  names: readonly string[],
  path: string,
): Promise<{ readonly names: readonly string[]; readonly by: 'number' | 'file'; readonly problems: readonly SourceProblem[] }> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return null;
    throw unreadable(path, error);
  });
  if (text === null) return { names, by: 'number', problems: [] };
  const problems: SourceProblem[] = [];
  const listed = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    // A name may hold a `#`; a comment has a space before it.
    .map((line) => line.replace(/(?:^|\s)#.*/, '').trim())
    .filter((line) => line !== '');
  const problem = (name: string, message: string): void => {
    problems.push({ code: 'invalidMigration', name, message: `${path}: ${message}` });
  };
  const known = new Set(names);
  const seen = new Set<string>();
  for (const name of listed) {
    if (seen.has(name)) problem(name, `${name} stands there twice`);
    else if (!known.has(name)) {
      // Compared with every name letter by letter: only where somebody will read it.
      const [near] = nearest(name, names);
      problem(name, `${name} is no migration of this folder${near === undefined ? '' : ` (did you mean ${near}?)`}`);
    }
    seen.add(name);
  }
  const unlisted = names.filter((name) => !seen.has(name));
  for (const name of unlisted) problem(name, `${name} does not stand there: add it where it belongs`);
  return { names: [...seen].filter((name) => known.has(name)).concat(unlisted), by: 'file', problems };
}

/** In a folder counted by hand a number that stands twice is a merge that nobody looked at. Stamps may be equal. */
export function sameNumbers(names: readonly string[]): SourceProblem[] {
  const byNumber = new Map<string, string[]>();
  for (const name of names) {
    const { scheme, number } = parseName(name);
    if (scheme === 'index' && number !== null) byNumber.set(number, [...(byNumber.get(number) ?? []), name]);
  }
  return [...byNumber.values()]
    .filter((same) => same.length > 1)
    .map((same) => ({
      code: 'duplicate',
      name: same[1] as string,
      message: `${same.join(' and ')} have the same number: rename one of them if it was not applied anywhere yet, or say in ${ORDER_FILE} which comes first`,
    }));
}
