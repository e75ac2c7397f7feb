/** This service's migrations, as the library reads them. */

import { fileURLToPath } from 'node:url';
import { createMigrator, directorySource, type MigrationSource, readCatalog } from '@org/migrate-core';
import type { ServiceUnderTest } from '@org/test-postgres';

import { fillings } from './rows.ts';

const folder = (name: string): MigrationSource => directorySource(fileURLToPath(new URL(`../../../${name}/migrations`, import.meta.url)));
const namesOf = async (from: MigrationSource): Promise<readonly string[]> => (await from.list()).migrations.map((migration) => migration.name);

/** As if the other services had applied all that they have: a migration that requires what is not there still fails. */
const requirements = async (other: string): Promise<readonly string[]> => await namesOf(folder(other));

export const source: MigrationSource = folder('patient');

export const service: ServiceUnderTest = {
  name: 'patient',
  names: await namesOf(source),
  migrator: (connect, schema) => createMigrator({ service: 'patient', source, connect, schema, requirements }),
  readCatalog,
  fillings,
};
