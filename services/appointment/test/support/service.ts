/** This service's migrations, of both sources, as the library reads them. */

import { fileURLToPath } from 'node:url';
import { createMigrator, directorySource, type MigrationSource, readCatalog } from '@org/migrate-core';
import type { ServiceUnderTest } from '@org/test-postgres';

import { fillings, tenantFillings } from './rows.ts';

const folder = (name: string, sub = 'migrations'): MigrationSource => directorySource(fileURLToPath(new URL(`../../../${name}/${sub}`, import.meta.url)));
const namesOf = async (from: MigrationSource): Promise<readonly string[]> => (await from.list()).migrations.map((migration) => migration.name);

/** As if the other services had applied all that they have: a migration that requires what is not there still fails. */
const requirements = async (other: string): Promise<readonly string[]> => await namesOf(folder(other));

/** What all clinics share. */
export const source: MigrationSource = folder('appointment');
/** What each clinic has. */
export const tenantSource: MigrationSource = folder('appointment', 'tenant-migrations');

const under = async (from: MigrationSource, rows: ServiceUnderTest['fillings']): Promise<ServiceUnderTest> => ({
  name: 'appointment',
  names: await namesOf(from),
  migrator: (connect, schema) => createMigrator({ service: 'appointment', source: from, connect, schema, requirements }),
  readCatalog,
  fillings: rows,
});

export const service: ServiceUnderTest = await under(source, fillings);
export const tenantService: ServiceUnderTest = await under(tenantSource, tenantFillings);
