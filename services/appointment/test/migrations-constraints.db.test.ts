/** What the schema takes and what it refuses, by the constraint's name. */

import { insertRow, rowId, type RowValues, serviceDatabase, testTenants, violation, type ServiceDatabase } from '@org/test-postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { tenantService as service } from './support/service.ts';

const [clinic, other] = testTenants;
let on: ServiceDatabase;

beforeAll(async () => {
  on = await serviceDatabase(service);
  await on.migrator.up();
  await on.fill();
});
afterAll(() => on[Symbol.asyncDispose]());

const appointment: RowValues = {
  tenant_id: clinic.id,
  patient_id: rowId(clinic, 9),
  team_member_id: rowId(clinic, 1),
  starts_at: '2026-06-01T09:00Z',
  ends_at: '2026-06-01T09:30Z',
};
const reminder: RowValues = { tenant_id: clinic.id, kind: 'notification', message: 'Call back', due_at: '2026-06-01T08:00Z' };
const tables: Readonly<Record<string, RowValues>> = {
  appointments: appointment,
  reminders: reminder,
  team_member: { tenant_id: clinic.id, first_name: 'Lea', last_name: 'Bernard' },
  vendor: { tenant_id: clinic.id, name: 'Linen' },
  contact: { tenant_id: clinic.id, first_name: 'Omar' },
};

const taken = { starts_at: '2026-05-04T10:00Z', ends_at: '2026-05-04T10:30Z' };
const payment = { kind: 'payment', amount: 120.5, currency: 'MAD' };

/** Table, what is other than in a row that is taken, and who refuses it (`null`: nobody). */
const cases: readonly (readonly [table: string, values: RowValues, refusedBy: string | null])[] = [
  ...['scheduled', 'confirmed', 'completed', 'cancelled'].map((status) => ['appointments', { status }, null] as const),
  ...['', 'Scheduled', 'no-show'].map((status) => ['appointments', { status }, 'appointments_status_check'] as const),
  ['appointments', { status: null }, '23502'],
  ['appointments', { ends_at: '2026-06-01T09:00Z' }, 'appointments_time_check'],
  ['appointments', { ends_at: '2026-06-02T09:01Z' }, 'appointments_time_check'],
  // One person, one beginning; unless it is cancelled, or somebody else's.
  ['appointments', taken, 'appointments_team_member_starts_at_key'],
  ['appointments', { ...taken, status: 'cancelled' }, null],
  ['appointments', { ...taken, starts_at: '2026-05-04T10:10Z' }, null],
  ['appointments', { team_member_id: rowId(other, 1) }, 'appointments_team_member_fkey'],
  ['appointments', { tenant_id: other.id }, '42501'],

  ['reminders', {}, null],
  ['reminders', { kind: 'appointment', appointment_id: rowId(clinic, 1) }, null],
  ['reminders', { kind: 'appointment' }, 'reminders_appointment_check'],
  ['reminders', { kind: 'appointment', appointment_id: rowId(other, 1) }, 'reminders_appointment_fkey'],
  ['reminders', { kind: 'birthday' }, 'reminders_kind_check'],
  ['reminders', payment, null],
  ['reminders', { ...payment, amount: null }, 'reminders_payment_check'],
  ['reminders', { ...payment, amount: 0 }, 'reminders_amount_check'],
  ['reminders', { ...payment, currency: 'mad' }, 'reminders_currency_check'],
  ['reminders', { channel: 'pigeon' }, 'reminders_channel_check'],
  ['reminders', { status: 'lost' }, 'reminders_status_check'],
  ['reminders', { status: 'sent' }, 'reminders_sent_check'],
  ['reminders', { status: 'sent', sent_at: '2026-06-01T08:00Z', attempts: 1 }, null],
  ['reminders', { attempts: -1 }, 'reminders_attempts_check'],
  ['reminders', { contact_id: rowId(other, 1) }, 'reminders_contact_fkey'],
  ['reminders', { vendor_id: rowId(other, 1) }, 'reminders_vendor_fkey'],
  ['reminders', { team_member_id: rowId(other, 1) }, 'reminders_team_member_fkey'],

  ['team_member', { email: '' }, null],
  ['team_member', { email: 'lea' }, 'team_member_email_check'],
  ['team_member', { last_name: ' ' }, 'team_member_name_check'],
  ['team_member', { user_id: rowId(clinic, 1) }, 'team_member_user_key'],
  ['vendor', {}, null],
  ['vendor', { name: 'GLOVES A' }, 'vendor_name_key'],
  ['vendor', { name: '' }, 'vendor_name_check'],
  ['contact', {}, null],
  ['contact', { first_name: ' ' }, 'contact_name_check'],
  ['contact', { vendor_id: rowId(other, 1) }, 'contact_fk_tenant_id_vendor_id'],
];

describe('a row of', () => {
  test.each(cases.map(([table, values, refusedBy]) => ({ table, values, refusedBy, shown: JSON.stringify(values) })))(
    '$table with $shown: refused by $refusedBy',
    async ({ table, values, refusedBy }) => {
      expect(await violation(on, clinic, insertRow(table, { ...tables[table], ...values }))).toBe(refusedBy);
    },
  );
});

test('an appointment is cancelled, and not deleted', async () => {
  expect(await violation(on, clinic, `UPDATE appointments SET status = 'cancelled'`)).toBeNull();
  expect(await violation(on, clinic, `DELETE FROM appointments`)).toBe('42501');
  expect(await violation(on, clinic, `DELETE FROM team_member`)).toBe('appointments_team_member_fkey');
});

test('appointments that were there before the status count as scheduled', async () => {
  const { rows } = await on.client.query(`SELECT status, count(*)::int AS n FROM appointments GROUP BY status ORDER BY status`);
  expect(rows).toEqual([
    { status: 'completed', n: 2 },
    { status: 'scheduled', n: 2 },
  ]);
});
