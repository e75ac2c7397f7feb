/** The services beside this one, by their folders: nothing of their code is imported. */

import { fileURLToPath } from 'node:url';
import { createMigrator, directorySource, type MigrationSource, readCatalog } from '@org/migrate-core';
import type { Filling, ServiceUnderTest, TestTenant } from '@org/test-postgres';

/** One row for each clinic is enough here: it goes through the policy, the trigger and the log. */
const rows: Readonly<Record<string, (tenant: TestTenant) => string>> = {
  user: (tenant) => `INSERT INTO healthcare_entities (id, name, country) VALUES ('${tenant.id}', 'Clinic ${tenant.letter}', 'France') ON CONFLICT DO NOTHING`,
  patient: (tenant) =>
    `INSERT INTO patients (tenant_id, patient_id, first_name, last_name, date_of_birth, country)
     VALUES ('${tenant.id}', 'P-1', 'Amina', 'Tremblay', '1980-05-17', 'Canada') ON CONFLICT DO NOTHING`,
};

/** A service's migrations, this one's as well. */
export function migrationsOf(service: string): MigrationSource {
  return directorySource(fileURLToPath(new URL(`../../../${service}/migrations`, import.meta.url)));
}

export const neighbours: readonly ServiceUnderTest[] = await Promise.all(['user', 'patient'].map(neighbour));

async function neighbour(name: string): Promise<ServiceUnderTest> {
  const namesOf = async (service: string): Promise<string[]> => (await migrationsOf(service).list()).migrations.map((migration) => migration.name);
  const source = migrationsOf(name);
  const names = await namesOf(name);
  const first = names.findIndex((one) => one.endsWith('_create_patients') || one.endsWith('_create_healthcare_entities'));
  const filling =
    (index: number) =>
    (tenant: TestTenant): Filling => ({ sql: index === first ? (rows[name]?.(tenant) ?? '') : '' });
  return {
    name,
    names,
    migrator: (connect, schema) => createMigrator({ service: name, source, connect, schema, requirements: namesOf }),
    readCatalog,
    fillings: Object.fromEntries(names.map((one, index) => [one, filling(index)])),
  };
}
