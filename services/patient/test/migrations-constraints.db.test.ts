/** What the schema takes and what it refuses, by the constraint's name. */

import { insertRow, rowId, type RowValues, serviceDatabase, testTenants, violation, type ServiceDatabase } from '@org/test-postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { service } from './support/service.ts';

const [clinic, other] = testTenants;
let on: ServiceDatabase;

beforeAll(async () => {
  on = await serviceDatabase(service);
  await on.migrator.up();
  await on.fill();
});
afterAll(() => on[Symbol.asyncDispose]());

const patient: RowValues = { tenant_id: clinic.id, patient_id: 'NEW-1', first_name: 'Ines', last_name: 'Roy', date_of_birth: '1990-02-03', country: 'Canada' };
const record: RowValues = { tenant_id: clinic.id, patient_id: rowId(clinic, 1), record_type: 'note', title: 'Note', recorded_by: rowId(clinic, 1) };
const lab: RowValues = { tenant_id: clinic.id, patient_id: rowId(clinic, 1), test_code: '2345-7', test_name: 'Glucose', ordered_by: rowId(clinic, 1) };
const field: RowValues = { tenant_id: clinic.id, entity: 'patient', name: 'diet', label: 'Diet', field_type: 'text' };
const value: RowValues = { tenant_id: clinic.id, field_id: rowId(clinic, 1), patient_id: rowId(clinic, 2), value: '"former"' };

const tables: Readonly<Record<string, RowValues>> = {
  patients: patient,
  medical_records: record,
  lab_tests: lab,
  custom_field_definitions: field,
  custom_field_values: value,
};

/** Table, what is other than in a row that is taken, and who refuses it (`null`: nobody). */
const cases: readonly (readonly [table: string, values: RowValues, refusedBy: string | null])[] = [
  ['patients', {}, null],
  // A number is the clinic's own, and taken once in it.
  ['patients', { patient_id: 'P-1' }, 'patients_tenant_id_patient_id_key'],
  ['patients', { patient_id: ' ' }, 'patients_patient_id_check'],
  ['patients', { last_name: '' }, 'patients_name_check'],
  ['patients', { date_of_birth: '1849-12-31' }, 'patients_date_of_birth_check'],
  ['patients', { date_of_birth: '2999-01-01' }, 'patients_date_of_birth_check'],
  ['patients', { country: null }, '23502'],
  ['patients', { country: 'Portugal', postal_code: 'whatever 7' }, null],

  ...['', null, 'A+', 'AB-', 'O-', 'Rh-null'].map((blood_type) => ['patients', { blood_type }, null] as const),
  ...['C+', 'a+', 'rh-null', 'O'].map((blood_type) => ['patients', { blood_type }, 'patients_blood_type_check'] as const),
  ...['', null, 'en', 'fr', 'ar', 'es', 'zgh'].map((preferred_language) => ['patients', { preferred_language }, null] as const),
  ...['EN', 'english', 'xx'].map((preferred_language) => ['patients', { preferred_language }, 'patients_preferred_language_check'] as const),
  ...['', null, 'single', 'married', 'divorced', 'widowed'].map((marital_status) => ['patients', { marital_status }, null] as const),
  ['patients', { marital_status: 'unknown' }, 'patients_marital_status_check'],
  ...['', null, 'female', 'undisclosed'].map((gender) => ['patients', { gender }, null] as const),
  ['patients', { gender: 'F' }, 'patients_gender_check'],
  ...['', null, 'ines@example.test'].map((email) => ['patients', { email }, null] as const),
  ...['ines', 'ines@', 'a b@example.test'].map((email) => ['patients', { email }, 'patients_email_check'] as const),

  ...['', null, 'H2X 1Y4', 'h2x1y4', 'H2X-1Y4'].map((postal_code) => ['patients', { postal_code }, null] as const),
  ...['H2X', '12345', 'H2X  1Y4', 'H2X 1Y4 '].map((postal_code) => ['patients', { postal_code }, 'patients_postal_code_check'] as const),
  ...['10001', '10001-0001'].map((postal_code) => ['patients', { country: 'USA', postal_code }, null] as const),
  ...['1001', '10001-01', 'H2X 1Y4'].map((postal_code) => ['patients', { country: 'USA', postal_code }, 'patients_postal_code_check'] as const),
  ...['Morocco', 'France'].flatMap((country) => [
    ['patients', { country, postal_code: '20250' }, null] as const,
    ['patients', { country, postal_code: '2025' }, 'patients_postal_code_check'] as const,
    ['patients', { country, postal_code: '20250-1' }, 'patients_postal_code_check'] as const,
  ]),

  ['medical_records', {}, null],
  ['medical_records', { record_type: 'gossip' }, 'medical_records_type_check'],
  ['medical_records', { title: '  ' }, 'medical_records_title_check'],
  ['medical_records', { corrects_id: rowId(clinic, 1) }, null],
  ['medical_records', { id: rowId(clinic, 5), corrects_id: rowId(clinic, 5) }, 'medical_records_corrects_check'],
  // Another clinic's patient, and its record.
  ['medical_records', { patient_id: rowId(other, 1) }, 'medical_records_patient_fkey'],
  ['medical_records', { corrects_id: rowId(other, 1) }, 'medical_records_corrects_fkey'],

  ['lab_tests', {}, null],
  ['lab_tests', { status: 'completed', result_value: '5.1', resulted_at: '2026-02-01T08:00Z' }, null],
  ['lab_tests', { status: 'completed' }, 'lab_tests_result_check'],
  ['lab_tests', { status: 'lost' }, 'lab_tests_status_check'],
  ['lab_tests', { patient_id: rowId(other, 1) }, 'lab_tests_fk_tenant_id_patient_id'],
  ['lab_tests', { medical_record_id: rowId(other, 1) }, 'lab_tests_fk_tenant_id_medical_record_id'],

  ['custom_field_definitions', {}, null],
  ['custom_field_definitions', { name: 'smoker' }, 'custom_field_definitions_name_key'],
  ['custom_field_definitions', { name: 'smoker', entity: 'lab_test' }, null],
  ['custom_field_definitions', { name: 'Diet!' }, 'custom_field_definitions_name_check'],
  ['custom_field_definitions', { entity: 'invoice' }, 'custom_field_definitions_entity_check'],
  ['custom_field_definitions', { field_type: 'colour' }, 'custom_field_definitions_type_check'],
  ['custom_field_definitions', { field_type: 'select' }, 'custom_field_definitions_options_check'],
  ['custom_field_definitions', { options: '{a}' }, 'custom_field_definitions_options_check'],

  ['custom_field_values', {}, null],
  ['custom_field_values', { patient_id: rowId(clinic, 1) }, 'custom_field_values_patient_id_key'],
  ['custom_field_values', { patient_id: null }, 'custom_field_values_owner_check'],
  ['custom_field_values', { lab_test_id: rowId(clinic, 1) }, 'custom_field_values_owner_check'],
  ['custom_field_values', { value: '{"a": 1}' }, 'custom_field_values_value_check'],
  ['custom_field_values', { field_id: rowId(other, 1) }, 'custom_field_values_fk_tenant_id_field_id'],
];

describe('a row of', () => {
  test.each(cases.map(([table, values, refusedBy]) => ({ table, values, refusedBy, shown: JSON.stringify(values) })))(
    '$table with $shown: refused by $refusedBy',
    async ({ table, values, refusedBy }) => {
      expect(await violation(on, clinic, insertRow(table, { ...tables[table], ...values }))).toBe(refusedBy);
    },
  );
});

test('two clinics may use the same number for their patients', async () => {
  expect(await violation(on, clinic, insertRow('patients', { ...patient, patient_id: 'SHARED' }))).toBeNull();
  const { rows } = await on.client.query(`SELECT count(DISTINCT tenant_id)::int AS clinics FROM patients WHERE patient_id = 'P-1'`);
  expect(rows).toEqual([{ clinics: 2 }]);
});

test('a patient with a record is not deleted, and a record not at all', async () => {
  expect(await violation(on, clinic, `DELETE FROM patients WHERE id = '${rowId(clinic, 1)}'`)).toBe('medical_records_patient_fkey');
  expect(await violation(on, clinic, `DELETE FROM patients WHERE id = '${rowId(clinic, 7)}'`)).toBeNull();
  expect(await violation(on, clinic, `DELETE FROM medical_records`)).toBe('42501');
  expect(await violation(on, clinic, `UPDATE medical_records SET title = 'Other'`)).toBe('42501');
});
