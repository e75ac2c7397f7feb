/** Rows for the tables of this service, by the migration that made room for them. */

import { rowId as id, type Filling, type TestTenant } from '@org/test-postgres';

/** As people type them; the last can be told by nobody. */
export const typedPhones: readonly (readonly [country: string, phone: string | null])[] = [
  ['Canada', '(514) 555-0123'],
  ['USA', '1-212-555-0199'],
  ['Morocco', '06 12 34 56 78'],
  ['France', '+33 (0)6 12 34 56 78'],
  ['France', null],
  ['Canada', ''],
  ['USA', '555-0100 ext. 5'],
];

/** Every migration has an entry. Each can be run again. */
export const fillings: Readonly<Record<string, (clinic: TestTenant) => Filling>> = {
  '0001_create_audit_log': (clinic) => ({
    as: 'owner',
    sql: `INSERT INTO patient_audit_log (tenant_id, table_name, action, changed_columns, db_role)
          VALUES ('${clinic.id}', 'earlier_table', 'INSERT', '{id}', 'somebody')`,
  }),
  '0002_create_patients': (clinic) => ({
    sql: `INSERT INTO patients (id, tenant_id, patient_id, first_name, last_name, date_of_birth, country, phone, blood_type, marital_status) VALUES
      ${typedPhones
        .map(
          ([country, phone], index) =>
            `('${id(clinic, index + 1)}', '${clinic.id}', 'P-${index + 1}', 'Amina', 'Tremblay', '1980-05-17', '${country}', ${phone === null ? 'NULL' : `'${phone}'`}, 'O-', '')`,
        )
        .join(',\n      ')} ON CONFLICT DO NOTHING`,
  }),
  '0003_add_emergency_contact_address': (clinic) => ({
    sql: `UPDATE patients SET emergency_contact_address = '1 rue de la Paix' || chr(10) || 'Paris' WHERE id = '${id(clinic, 1)}'`,
  }),
  // A patient with the new type would keep the down from running, as a test of its own shows.
  '0004_allow_rh_null_blood_type': (clinic) => ({ sql: `UPDATE patients SET blood_type = 'AB-' WHERE id = '${id(clinic, 2)}'` }),
  '0005_convert_phone_to_international': (clinic) => ({
    sql: `INSERT INTO patients (id, tenant_id, patient_id, first_name, last_name, date_of_birth, country, phone)
          VALUES ('${id(clinic, 20)}', '${clinic.id}', 'P-20', 'Leo', 'Martin', '2001-01-01', 'Morocco', '0537-65-43-21') ON CONFLICT DO NOTHING;
          UPDATE patients SET phone = '+1 514 555 9999' WHERE id = '${id(clinic, 3)}'`,
  }),
  '0006_create_medical_records': (clinic) => ({
    sql: `INSERT INTO medical_records (id, tenant_id, patient_id, record_type, title, recorded_by, diagnosis_codes)
          VALUES ('${id(clinic, 1)}', '${clinic.id}', '${id(clinic, 1)}', 'visit', 'First visit', '${id(clinic, 1)}', '{J45}') ON CONFLICT DO NOTHING`,
  }),
  '0007_create_lab_tests': (clinic) => ({
    sql: `INSERT INTO lab_tests (id, tenant_id, patient_id, medical_record_id, test_code, test_name, ordered_by)
          VALUES ('${id(clinic, 1)}', '${clinic.id}', '${id(clinic, 1)}', '${id(clinic, 1)}', '718-7', 'Hemoglobin', '${id(clinic, 1)}') ON CONFLICT DO NOTHING`,
  }),
  '0008_create_custom_field_definitions': (clinic) => ({
    sql: `INSERT INTO custom_field_definitions (id, tenant_id, entity, name, label, field_type, options)
          VALUES ('${id(clinic, 1)}', '${clinic.id}', 'patient', 'smoker', 'Smoker', 'select', '{never,former,current}') ON CONFLICT DO NOTHING`,
  }),
  '0009_create_custom_field_values': (clinic) => ({
    sql: `INSERT INTO custom_field_values (id, tenant_id, field_id, patient_id, value)
          VALUES ('${id(clinic, 1)}', '${clinic.id}', '${id(clinic, 1)}', '${id(clinic, 1)}', '"never"') ON CONFLICT DO NOTHING`,
  }),
  '0010_index_patients_by_name': (clinic) => ({ sql: `UPDATE patients SET is_active = false WHERE id = '${id(clinic, 7)}'` }),
};
