import { defineService } from '@org/migrate-core';

/**
 * Every table is under FORCEd row-level security, and migrations run with `row_security = off`: what would be filtered
 * fails instead. So the role that migrates owns the tables and is a superuser or has BYPASSRLS; it needs CREATEROLE
 * where `patient_app` does not exist yet. Services that share a schema are migrated by the same role, since they share
 * functions.
 */
export default defineService({
  name: 'patient',
  migrations: './migrations',
  database: 'patient_service_db',
  applicationRole: 'patient_app',
  rowLevelSecurity: {
    column: 'tenant_id',
    setting: 'app.current_tenant_id',
    audit: { functions: ['create_audit_entry'], logs: ['patient_audit_log'] },
  },
});
