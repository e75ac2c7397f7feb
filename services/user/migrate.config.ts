import { defineService } from '@org/migrate-core';

/**
 * Every table is under FORCEd row-level security, and migrations run with `row_security = off`: what would be filtered
 * fails instead. So the role that migrates owns the tables and is a superuser or has BYPASSRLS; it needs CREATEROLE
 * where `user_app` does not exist yet. Services that share a schema are migrated by the same role, since they share
 * functions.
 */
export default defineService({
  name: 'user',
  migrations: './migrations',
  database: 'user_service_db',
  applicationRole: 'user_app',
  rowLevelSecurity: {
    column: 'tenant_id',
    setting: 'app.current_tenant_id',
    audit: { functions: ['create_audit_entry'], logs: ['user_audit_log'] },
    allow: [
      // Who signs in is known by the address they came to, before any clinic is: one row, by naming it.
      'healthcare_entities.lookup_by_subdomain',
      // Whoever works them off learns for which clinics there is something to do, by a setting that no request makes.
      'clinic_provisionings.lookup_of_due',
    ],
  },
});
