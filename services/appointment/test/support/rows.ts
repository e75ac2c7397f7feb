/** Rows for the tables of this service, by the migration that made room for them. */

import { rowId as id, type Filling, type TestTenant } from '@org/test-postgres';

/** The audit log is the same in both sources. */
const audited = (clinic: TestTenant): Filling => ({
  as: 'owner',
  sql: `INSERT INTO appointment_audit_log (tenant_id, table_name, action, changed_columns, db_role)
        VALUES ('${clinic.id}', 'earlier_table', 'INSERT', '{id}', 'somebody')`,
});

/** Of what all clinics share. Every migration has an entry. Each can be run again. */
export const fillings: Readonly<Record<string, (clinic: TestTenant) => Filling>> = {
  '0001_create_audit_log': audited,
  '0002_create_clinics': (clinic) => ({
    sql: `INSERT INTO clinics (id, name, country, timezone) VALUES ('${clinic.id}', 'Clinic ${clinic.letter}', 'France', 'Europe/Paris') ON CONFLICT DO NOTHING`,
  }),
};

/** Of what each clinic has; two of them in one schema, since the policies must hold there too. */
export const tenantFillings: Readonly<Record<string, (clinic: TestTenant) => Filling>> = {
  '0001_create_audit_log': audited,
  '0002_create_team_member': (clinic) => ({
    sql: `INSERT INTO team_member (id, tenant_id, user_id, first_name, last_name, specialty)
          VALUES ('${id(clinic, 1)}', '${clinic.id}', '${id(clinic, 1)}', 'Youssef', 'Alami', 'cardiology') ON CONFLICT DO NOTHING`,
  }),
  '0003_create_vendor_and_contact': (clinic) => ({
    sql: `INSERT INTO vendor (id, tenant_id, name) VALUES ('${id(clinic, 1)}', '${clinic.id}', 'Gloves ${clinic.letter}') ON CONFLICT DO NOTHING;
          INSERT INTO contact (id, tenant_id, vendor_id, first_name) VALUES ('${id(clinic, 1)}', '${clinic.id}', '${id(clinic, 1)}', 'Zoe') ON CONFLICT DO NOTHING`,
  }),
  '0004_create_appointments': (clinic) => ({
    sql: `INSERT INTO appointments (id, tenant_id, patient_id, team_member_id, starts_at, ends_at)
          VALUES ('${id(clinic, 1)}', '${clinic.id}', '${id(clinic, 9)}', '${id(clinic, 1)}', '2026-05-04T09:00Z', '2026-05-04T09:30Z'),
                 ('${id(clinic, 2)}', '${clinic.id}', '${id(clinic, 9)}', '${id(clinic, 1)}', '2026-05-04T10:00Z', '2026-05-04T10:30Z') ON CONFLICT DO NOTHING`,
  }),
  '0005_add_status_to_appointments': (clinic) => ({ sql: `UPDATE appointments SET status = 'completed' WHERE id = '${id(clinic, 1)}'` }),
  '0006_create_reminders': (clinic) => ({
    sql: `INSERT INTO reminders (id, tenant_id, kind, appointment_id, message, due_at)
          VALUES ('${id(clinic, 1)}', '${clinic.id}', 'appointment', '${id(clinic, 2)}', 'Tomorrow at ten', '2026-05-03T10:00Z'),
                 ('${id(clinic, 2)}', '${clinic.id}', 'notification', NULL, 'Order gloves', '2026-05-03T10:00Z') ON CONFLICT DO NOTHING`,
  }),
  '0007_prevent_double_booking': (clinic) => ({ sql: `UPDATE appointments SET reason = 'Control' WHERE id = '${id(clinic, 1)}'` }),
};
