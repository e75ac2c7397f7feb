/** Who migrates and who serves: neither needs to be a superuser, and a migrator that row-level security would hold is told so. */

import { createMigrator } from '@org/migrate-core';
import { asTenant, runOn, testDatabase, testRole, testTenants, type TestDatabase, type TestRole } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { fillings } from './support/rows.ts';
import { service, source } from './support/service.ts';

const [clinic] = testTenants;

async function openTo(role: TestRole): Promise<TestDatabase> {
  const db = await testDatabase();
  await runOn(db.server, `GRANT CREATE ON SCHEMA public TO ${role.name}`, db.name);
  return db;
}

/** `patient_app` belongs to the server: another test's superuser may have made it, or this test makes it for the others. */
async function withApplicationRole(db: TestDatabase): Promise<void> {
  await runOn(db.server, `DO $$ BEGIN CREATE ROLE patient_app NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`);
}

test('a role with BYPASSRLS that may create in the schema migrates up and down, and the application works in between', async () => {
  await using migrator = await testRole({ label: 'migrator', attributes: 'NOSUPERUSER BYPASSRLS CREATEROLE' });
  await using login = await testRole({ label: 'login' });
  await using db = await openTo(migrator);
  await withApplicationRole(db);
  await runOn(db.server, `GRANT patient_app TO ${login.name}`);

  const patient = createMigrator({ service: 'patient', source, connect: () => db.connect(migrator), requirements: async () => ['0001', '0002', '0003'] });
  expect((await patient.up()).outcome).toBe('applied');

  // As a service connects: a login of its own, that is a member of the application's role and nothing else.
  const on = { client: await db.connect(login), schema: 'public', role: 'patient_app' };
  for (const name of service.names) {
    const filling = fillings[name]?.(clinic);
    if (filling !== undefined && filling.as !== 'owner') await asTenant(on, clinic, filling.sql);
  }
  const { rows } = await asTenant(
    on,
    clinic,
    `SELECT count(*)::int AS patients, (SELECT count(*)::int FROM patient_audit_log WHERE db_role = '${login.name}') > 0 AS logged FROM patients`,
  );
  expect(rows).toEqual([{ patients: 8, logged: true }]);
  expect((await asTenant(on, null, `SELECT * FROM patients`)).rows).toEqual([]);
  // Without the application's role it may not even look.
  await expect(on.client.query('SELECT * FROM patients')).resolves.toMatchObject({ rows: [] });

  expect((await patient.down({ steps: service.names.length })).undone).toHaveLength(service.names.length);
});

test('a data migration under a role without BYPASSRLS fails loudly instead of passing over every row', async () => {
  await using owner = await testRole({ label: 'owner' });
  await using db = await openTo(owner);
  await withApplicationRole(db);
  const patient = createMigrator({ service: 'patient', source, connect: () => db.connect(owner), requirements: async () => ['0001', '0002', '0003'] });
  await patient.up({ to: '0005' });
  // The down asks how many patients have the new blood type: none must not be the answer of a policy.
  await patient.down({ to: '0004' });
  await expect(patient.down({ steps: 1 })).rejects.toThrow('row-level security');
});
