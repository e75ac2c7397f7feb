import { defineService } from '@org/migrate-core';

/** Where a clinic's appointments are: `schema` (default), one for each clinic in the service's database; `database`, one for each on its server. */
function tenancyMode(given: string | undefined): 'schema' | 'database' {
  if (given === undefined || given === '' || given === 'schema') return 'schema';
  if (given === 'database') return 'database';
  throw new Error(`APPOINTMENT_TENANCY is ${JSON.stringify(given)}, and must be schema or database`);
}

/** A clinic's id is its UUID as PostgreSQL writes it: in capitals it would be another tenant. */
export function clinicPlace(id: string): string {
  if (/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/.test(id)) return `clinic_${id.replaceAll('-', '')}`;
  throw new Error('a clinic’s id is a UUID in small letters, such as 5b8ce7c2-6a52-4a3c-9a63-1d1b9f0d1a01');
}

/**
 * What all clinics share is in `migrations`: the directory of clinics. What each has for itself is in `tenant-migrations`, applied once in
 * every clinic's schema or database.
 *
 * Every table is under FORCEd row-level security, in the clinics' own schemas as well: there each row's `tenant_id` is a second line of
 * defence. Were a request ever sent to another clinic's schema, by a mistake in a search path or a pool, the policy would show it
 * nothing and take nothing from it; and a table can be moved between the two ways of keeping clinics without being changed.
 *
 * Migrations run with `row_security = off`: what would be filtered fails instead. So the role that migrates owns the tables and is a superuser or
 * has BYPASSRLS; it needs CREATEROLE where `appointment_app` does not exist yet, CREATE on the database for clinics' schemas, and
 * CREATEDB for their databases. Services that share a schema are migrated by the same role, since they share functions.
 */
export default defineService({
  name: 'appointment',
  migrations: './migrations',
  database: 'appointment_service_db',
  applicationRole: 'appointment_app',
  rowLevelSecurity: {
    column: 'tenant_id',
    setting: 'app.current_tenant_id',
    audit: { functions: ['create_audit_entry'], logs: ['appointment_audit_log'] },
  },
  tenancy: {
    mode: tenancyMode(process.env['APPOINTMENT_TENANCY']),
    migrations: './tenant-migrations',
    place: clinicPlace,
    // Two sign-ups in a row are ready at once, and what they took is made again before a third one comes. Each is the room of a clinic without rows.
    spares: 2,
    requiredTables: ['team_member', 'vendor', 'contact', 'reminders', 'appointments'],
  },
});
