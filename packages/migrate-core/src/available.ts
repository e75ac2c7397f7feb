/** From what a source lists to what the planner needs of it. Pure. */

import { parseName, type SourceListing } from './migration.ts';
import type { AvailableMigration } from './plan.ts';

/** In source order, those included that cannot be read. */
export function sourceNames({ migrations, names }: Pick<SourceListing, 'migrations' | 'names'>): readonly string[] {
  return names ?? migrations.map((one) => one.name);
}

/** In source order. One with a problem is there as well: it is not to be taken for one that this build does not have. */
export function availableOf(listing: SourceListing): readonly AvailableMigration[] {
  const read = new Map(listing.migrations.map((one) => [one.name, one]));
  return sourceNames(listing).map((name) => {
    const migration = read.get(name);
    if (migration === undefined) return { name, version: parseName(name).version, checksum: null, requires: [] };
    return { name, version: migration.version, checksum: migration.checksum, requires: migration.directives.requires };
  });
}
