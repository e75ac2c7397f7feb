/** This service's migrations, as the library reads them. */

import { fileURLToPath } from 'node:url';
import { createMigrator, directorySource, type MigrationSource, readCatalog } from '@org/migrate-core';
import type { ServiceUnderTest } from '@org/test-postgres';

import { fillings } from './rows.ts';

const folder = (name: string): MigrationSource => directorySource(fileURLToPath(new URL(`../../../${name}/migrations`, import.meta.url)));
const namesOf = async (from: MigrationSource): Promise<readonly string[]> => (await from.list()).migrations.map((migration) => migration.name);

export const source: MigrationSource = folder('user');

export const service: ServiceUnderTest = {
  name: 'user',
  names: await namesOf(source),
  migrator: (connect, schema) => createMigrator({ service: 'user', source, connect, schema }),
  readCatalog,
  fillings,
};
