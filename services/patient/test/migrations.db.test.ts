/** Each migration's down undoes its up, with rows in every table. */

import { serviceDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { service, source } from './support/service.ts';

/** What each down cannot keep: the tables and columns that it takes away. Anything else must be there as it was. */
const lost: Readonly<Record<string, readonly string[]>> = {
  '0001_create_audit_log': ['patient_audit_log (rows)'],
  '0002_create_patients': ['patients (rows)'],
  '0003_add_emergency_contact_address': ['patients.emergency_contact_address'],
  '0004_allow_rh_null_blood_type': [],
  '0005_convert_phone_to_international': [],
  '0006_create_medical_records': ['medical_records (rows)'],
  '0007_create_lab_tests': ['lab_tests (rows)'],
  '0008_create_custom_field_definitions': ['custom_field_definitions (rows)'],
  '0009_create_custom_field_values': ['custom_field_values (rows)'],
  '0010_index_patients_by_name': [],
};

test('every file of the folder is a migration without problems', async () => {
  const { migrations, ignored, problems } = await source.list();
  expect({ ignored, problems }).toEqual({ ignored: [], problems: [] });
  expect(migrations.map((migration) => migration.name)).toEqual(Object.keys(lost));
});

test.each(['public', 'schema_of_its_own'])('up, down and up in the schema %s: the same schema again, and no row lost that could be kept', async (schema) => {
  await using on = await serviceDatabase(service, { schema });
  const empty = await on.catalog();
  const steps = await on.roundTrips();
  for (const step of steps) {
    const { name, before, afterUp, afterDown, afterSecondUp } = step;
    expect({ name, schema: afterDown }).toEqual({ name, schema: before });
    expect({ name, schema: afterSecondUp }).toEqual({ name, schema: afterUp });
  }
  expect(steps.filter((step) => step.empty.length > 0)).toEqual([]);
  expect(steps.filter((step) => step.damaged.length > 0)).toEqual([]);
  expect(Object.fromEntries(steps.map((step) => [step.name, step.lost]))).toEqual(lost);

  // From the newest back to nothing, with all the rows still there.
  for (const step of steps.toReversed()) {
    await on.migrator.down({ steps: 1 });
    expect({ name: step.name, schema: await on.catalog() }).toEqual({ name: step.name, schema: step.before });
  }
  expect(await on.catalog()).toBe(empty);
});

test('a down that promises to be lossless loses nothing', async () => {
  const { migrations } = await source.list();
  const promised = migrations.filter(({ directives }) => directives.down === 'lossless').map(({ name }) => name);
  expect(promised).toEqual(['0005_convert_phone_to_international']);
  expect(promised.flatMap((name) => lost[name])).toEqual([]);
});

test('every table says what it is for', async () => {
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  const { rows } = await on.client.query(
    `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> ALL ($1) AND obj_description(oid, 'pg_class') IS NULL`,
    [on.exclude],
  );
  expect(rows).toEqual([]);
});

test('the indexes of names are built while writes go on, and are valid', async () => {
  const [compiled] = await source.compile(['0010_index_patients_by_name']);
  expect(compiled).toMatchObject({
    up: { statements: Array(2).fill({ kind: 'IndexStmt', transaction: 'forbidden' }) },
    down: { statements: Array(2).fill({ kind: 'DropStmt', transaction: 'forbidden' }) },
  });
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  const { rows } = await on.client.query(`SELECT indisvalid FROM pg_index WHERE indexrelid::regclass::text ~ '^patients_tenant_(last|first)_name_idx$'`);
  expect(rows).toEqual([{ indisvalid: true }, { indisvalid: true }]);
});
