/** Rows for the tables of this service, by the migration that made room for them. */

import { rowId as id, type Filling, type TestTenant } from '@org/test-postgres';

/** Every migration has an entry. Each can be run again. */
export const fillings: Readonly<Record<string, (clinic: TestTenant) => Filling>> = {
  '0001_create_audit_log': (clinic) => ({
    as: 'owner',
    sql: `INSERT INTO user_audit_log (tenant_id, table_name, action, changed_columns, db_role)
          VALUES ('${clinic.id}', 'earlier_table', 'INSERT', '{id}', 'somebody')`,
  }),
  '0002_create_healthcare_entities': (clinic) => ({
    sql: `INSERT INTO healthcare_entities (id, name, country, registration_number, postal_code)
          VALUES ('${clinic.id}', 'Clinic ${clinic.letter}', 'Canada', 'REG-${clinic.letter}', 'H2X 1Y4') ON CONFLICT DO NOTHING`,
  }),
  '0003_create_users': (clinic) => ({
    sql: `INSERT INTO users (id, tenant_id, email, password_hash, first_name, last_name, preferred_language)
          VALUES ('${id(clinic, 1)}', '${clinic.id}', 'nurse@clinic-${clinic.letter}.test', 'scrypt$1$secret-${clinic.letter}', 'Nora', 'Diallo', 'fr')
          ON CONFLICT DO NOTHING`,
  }),
  '0004_create_roles': (clinic) => ({
    sql: `INSERT INTO roles (id, tenant_id, name, permissions) VALUES ('${id(clinic, 2)}', '${clinic.id}', 'nurse', '{patients:read}') ON CONFLICT DO NOTHING;
          INSERT INTO user_roles (tenant_id, user_id, role_id) VALUES ('${clinic.id}', '${id(clinic, 1)}', '${id(clinic, 2)}') ON CONFLICT DO NOTHING`,
  }),
  '0005_create_user_verifications': (clinic) => ({
    sql: `INSERT INTO user_verifications (id, tenant_id, user_id, purpose, token_hash, expires_at)
          VALUES ('${id(clinic, 3)}', '${clinic.id}', '${id(clinic, 1)}', 'invitation', sha256('${clinic.letter}'), now() + interval '1 day')
          ON CONFLICT DO NOTHING`,
  }),
  '0006_add_subdomain_to_healthcare_entities': (clinic) => ({
    sql: `UPDATE healthcare_entities SET subdomain = 'clinic-${clinic.letter}' WHERE id = '${clinic.id}'`,
  }),
  '0007_create_tenant_branding': (clinic) => ({
    sql: `INSERT INTO tenant_branding (tenant_id, display_name, logo_url) VALUES ('${clinic.id}', 'Clinic ${clinic.letter}', 'https://logo.test/${clinic.letter}')
          ON CONFLICT DO NOTHING`,
  }),
  '0008_add_sign_in_state_to_users': (clinic) => ({
    sql: `UPDATE users SET last_login_at = '2026-01-02T03:04:05Z', failed_logins = 2, locked_until = '2026-01-02T04:04:05Z', email_verified_at = '2025-12-01Z'
          WHERE id = '${id(clinic, 1)}'`,
  }),
  // The migration itself has made a row for each clinic.
  '0009_create_clinic_provisionings': (clinic) => ({
    sql: `INSERT INTO clinic_provisionings (tenant_id, service) VALUES ('${clinic.id}', 'appointment') ON CONFLICT DO NOTHING;
          UPDATE clinic_provisionings SET attempts = 3, last_error = 'it cannot be reached' WHERE tenant_id = '${clinic.id}'`,
  }),
};
