import { defineService } from '@org/migrate-core';

/**
 * Every table is under FORCEd row-level security, and migrations run with `row_security = off`: what would be filtered
 * fails instead. So the role that migrates owns the tables and is a superuser or has BYPASSRLS; it needs CREATEROLE
 * where `appointment_app` does not exist yet. Services that share a schema are migrated by the same role, since they share
 * functions.
 */
export default defineService({
  name: 'appointment',
  migrations: './migrations',
  database: 'appointment_service_db',
  applicationRole: 'appointment_app',
});
