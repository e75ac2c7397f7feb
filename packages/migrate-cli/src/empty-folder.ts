/** A folder without a migration: perhaps it is the folder above the ones that were meant. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { directorySource, inQuotes } from '@org/migrate-core';

import type { Invocation } from './invocation.ts';
import { printable } from './render/text.ts';
import { shown } from './workspace.ts';

/** At most so many are named. */
const SHOWN = 5;

/** A sentence or two. @param folder `null` for a source that is none. */
export async function emptyFolder(folder: string | null, { options, cwd }: Pick<Invocation, 'options' | 'cwd'>): Promise<string> {
  const inside = folder === null ? [] : await foldersOfMigrations(folder);
  const at = options.dir === undefined ? '' : ` --dir ${inQuotes(options.dir)}`;
  const [first] = inside;
  if (first === undefined) return `There is no migration in this folder yet. Make the first one with: migrate create NAME${at}`;
  const names = inside.slice(0, SHOWN).map((one) => printable(shown(one, cwd)));
  const more = inside.length > SHOWN ? ` and ${inside.length - SHOWN} more` : '';
  const how = options.dir === undefined ? 'name one of them as the migrations of its service' : `name one of them: --dir ${names[0]}`;
  return `There is no migration in this folder itself, but in ${names.join(', ')}${more}; ${how}`;
}

async function foldersOfMigrations(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .map((entry) => join(folder, entry.name));
  const found: string[] = [];
  for (const one of folders.toSorted()) {
    const listing = await directorySource(one)
      .list()
      .catch(() => null);
    if (listing !== null && listing.migrations.length > 0) found.push(one);
  }
  return found;
}
