/** Each migration's down undoes its up, with rows in every table. */

import { serviceDatabase } from '@org/test-postgres';
import { testRoundTrips } from '@org/test-postgres/suites';
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

testRoundTrips(service, source, lost);

test('a down that promises to be lossless loses nothing', async () => {
  const { migrations } = await source.list();
  const promised = migrations.filter(({ directives }) => directives.down === 'lossless').map(({ name }) => name);
  expect(promised).toEqual(['0005_convert_phone_to_international']);
  expect(promised.flatMap((name) => lost[name])).toEqual([]);
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
