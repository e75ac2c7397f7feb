/** Each migration's down undoes its up, with rows in every table. */

import { testRoundTrips } from '@org/test-postgres/suites';

import { service, source } from './support/service.ts';

/** What each down cannot keep: the tables and columns that it takes away. Anything else must be there as it was. */
const lost: Readonly<Record<string, readonly string[]>> = {
  '0001_create_audit_log': ['user_audit_log (rows)'],
  '0002_create_healthcare_entities': ['healthcare_entities (rows)'],
  '0003_create_users': ['users (rows)'],
  '0004_create_roles': ['roles (rows)', 'user_roles (rows)'],
  '0005_create_user_verifications': ['user_verifications (rows)'],
  '0006_add_subdomain_to_healthcare_entities': ['healthcare_entities.subdomain'],
  '0007_create_tenant_branding': ['tenant_branding (rows)'],
  '0008_add_sign_in_state_to_users': ['users.email_verified_at', 'users.failed_logins', 'users.last_login_at', 'users.locked_until'],
  // What was done so far: the next up makes a row for each clinic again, as if nothing had been.
  '0009_create_clinic_provisionings': [
    'clinic_provisionings.admin_user_id',
    'clinic_provisionings.attempts',
    'clinic_provisionings.completed_at',
    'clinic_provisionings.created_at',
    'clinic_provisionings.id',
    'clinic_provisionings.last_error',
    'clinic_provisionings.next_attempt_at',
    'clinic_provisionings.service',
    'clinic_provisionings.status',
    'clinic_provisionings.tenant_id',
    'clinic_provisionings.updated_at',
  ],
};

testRoundTrips(service, source, lost);
