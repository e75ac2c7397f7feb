/** The way in for taking over another tool's history. Needed once in a database's life: the rest is loaded when it is asked for. */

import type { Adoption, AdoptionOptions } from './adoption/adoption.ts';

/**
 * What would be marked as applied: give the names of `adopted` to `repair({ markApplied, takenOverFrom })`. Writes nothing.
 *
 * @throws MigrationError `invalidOptions` when no table, or no single one, can be read as a history; `invalidMigration` when the source has
 * problems; `planRefused` when a row has no migration, its migration did not finish, or another history of the schema has taken the table over before.
 */
export async function planAdoption(options: AdoptionOptions): Promise<Adoption> {
  const { findAdoption } = await import('./adoption/adoption.ts');
  return findAdoption(options);
}
