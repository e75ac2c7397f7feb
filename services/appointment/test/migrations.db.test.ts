/** Each migration's down undoes its up, with rows in every table. */

import { testRoundTrips } from '@org/test-postgres/suites';
import { describe } from 'vitest';

import { service, source, tenantService, tenantSource } from './support/service.ts';

/** What each down cannot keep: the tables and columns that it takes away. Anything else must be there as it was. */
const shared: Readonly<Record<string, readonly string[]>> = {
  '0001_create_audit_log': ['appointment_audit_log (rows)'],
  '0002_create_clinics': ['clinics (rows)'],
};
const each: Readonly<Record<string, readonly string[]>> = {
  '0001_create_audit_log': ['appointment_audit_log (rows)'],
  '0002_create_team_member': ['team_member (rows)'],
  '0003_create_vendor_and_contact': ['contact (rows)', 'vendor (rows)'],
  '0004_create_appointments': ['appointments (rows)'],
  '0005_add_status_to_appointments': ['appointments.status'],
  '0006_create_reminders': ['reminders (rows)'],
  '0007_prevent_double_booking': [],
};

describe('what all clinics share', () => {
  testRoundTrips(service, source, shared);
});
describe('what each clinic has', () => {
  testRoundTrips(tenantService, tenantSource, each);
});
