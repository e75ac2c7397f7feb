/** What other tools call our migrations. Pure. */

import type { Migration } from '../migration.ts';
import { parseName } from '../version.ts';
import type { ForeignRow } from './foreign-history.ts';

type Named = Pick<Migration, 'name' | 'version'>;

/** Without what says that it is a file, and its up. */
function plainName(name: string): string {
  return name.replace(/\.(?:sql|[cm]?[jt]s)$/i, '').replace(/\.up$/i, '');
}

/** Whether a row has the migration's full name. */
export function isCalled({ name }: ForeignRow, migration: Named): boolean {
  return name !== null && (name === migration.name || plainName(name) === migration.name);
}

/** Migrations by everything that a row may call them: histories have thousands of rows. */
export class Names<One extends Named> {
  readonly #full = new Map<string, One>();
  readonly #versions = new Map<string, Set<One>>();
  readonly #numbers = new Map<string, Set<One>>();

  constructor(migrations: readonly One[]) {
    for (const one of migrations) {
      this.#full.set(one.name, one);
      add(this.#versions, one.version, one);
      const { number } = parseName(one.name);
      if (number === null) continue;
      add(this.#numbers, number, one);
      // Of a stamp in parts a tool may keep the digits alone: `2019-02-26-002946` is 20190226002946.
      add(this.#numbers, plainNumber(one.version.replaceAll(/[-_:T]/g, '')), one);
    }
  }

  /** By full name; else by what the row or its name says as a number. Empty: nobody's. */
  of({ name, version, calledBy }: ForeignRow): readonly One[] {
    const full = name === null ? undefined : (this.#full.get(name) ?? this.#full.get(plainName(name)));
    if (full !== undefined) return [full];
    if (calledBy === 'name') return [];
    const wanted = version ?? (name === null ? null : parseName(name).number);
    if (wanted === null) return [];
    const named = this.#full.get(wanted);
    return named !== undefined ? [named] : [...(this.#versions.get(wanted) ?? this.#numbers.get(plainNumber(wanted)) ?? [])];
  }
}

function add<One>(map: Map<string, Set<One>>, key: string, migration: One): void {
  const found = map.get(key);
  if (found === undefined) map.set(key, new Set([migration]));
  else found.add(migration);
}

function plainNumber(text: string): string {
  return /^\d+$/.test(text) ? text.replace(/^0+(?=\d)/, '') : text;
}
