/** What the schema takes and what it refuses, by the constraint's name. */

import { insertRow, rowId, type RowValues, serviceDatabase, testTenants, updateRows, violation, type ServiceDatabase } from '@org/test-postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { service } from './support/service.ts';

const [clinic, other] = testTenants;
let on: ServiceDatabase;

beforeAll(async () => {
  on = await serviceDatabase(service);
  await on.migrator.up();
  await on.fill();
});
afterAll(() => on[Symbol.asyncDispose]());

const user: RowValues = { tenant_id: clinic.id, email: 'new@clinic.test', password_hash: 'scrypt$2', first_name: 'Ana', last_name: 'Cole' };
const role: RowValues = { tenant_id: clinic.id, name: 'doctor' };
const hash = `\\x${'ab'.repeat(32)}`;
const verification: RowValues = {
  tenant_id: clinic.id,
  user_id: rowId(clinic, 1),
  purpose: 'password_reset',
  token_hash: hash,
  expires_at: '2999-01-01T00:00Z',
};
const tables: Readonly<Record<string, RowValues>> = { users: user, roles: role, user_verifications: verification };

/** Table, what is other than in a row that is taken, and who refuses it (`null`: nobody). Clinics and their branding are updated. */
const cases: readonly (readonly [table: string, values: RowValues, refusedBy: string | null])[] = [
  ...['Canada', 'USA', 'Morocco', 'France'].map((country) => ['healthcare_entities', { country, postal_code: null }, null] as const),
  ...['Spain', 'canada', 'CA'].map((country) => ['healthcare_entities', { country, postal_code: null }, 'healthcare_entities_country_check'] as const),
  ['healthcare_entities', { name: ' ' }, 'healthcare_entities_name_check'],
  ['healthcare_entities', { entity_type: 'hospital' }, null],
  ['healthcare_entities', { entity_type: 'bank' }, 'healthcare_entities_type_check'],
  ['healthcare_entities', { default_language: 'de' }, 'healthcare_entities_language_check'],
  // One number is one entity in its country.
  ['healthcare_entities', { registration_number: 'REG-b' }, 'healthcare_entities_registration_key'],
  ['healthcare_entities', { registration_number: 'REG-b', country: 'France', postal_code: '' }, null],

  ['healthcare_entities', { postal_code: 'k1a0b1' }, null],
  ['healthcare_entities', { postal_code: '75002' }, 'healthcare_entities_postal_code_check'],
  ['healthcare_entities', { country: 'USA', postal_code: '10001-0001' }, null],
  ['healthcare_entities', { country: 'USA', postal_code: '10001-1' }, 'healthcare_entities_postal_code_check'],
  ['healthcare_entities', { country: 'Morocco', postal_code: '20250' }, null],
  ['healthcare_entities', { country: 'Morocco', postal_code: '2025' }, 'healthcare_entities_postal_code_check'],
  ['healthcare_entities', { country: 'France', postal_code: '75002' }, null],
  ['healthcare_entities', { country: 'France', postal_code: 'F-75002' }, 'healthcare_entities_postal_code_check'],

  ...['a', 'clinique-du-nord', '24h', 'a'.repeat(63), null].map((subdomain) => ['healthcare_entities', { subdomain }, null] as const),
  ...['-a', 'a-', 'a_b', 'A', 'a.b', '', 'é', 'xn--clinic-9ya', `a\n`].map(
    (subdomain) => ['healthcare_entities', { subdomain }, 'healthcare_entities_subdomain_check'] as const,
  ),
  ...['www', 'api', 'admin'].map((subdomain) => ['healthcare_entities', { subdomain }, 'healthcare_entities_subdomain_reserved_check'] as const),
  ['healthcare_entities', { subdomain: 'a'.repeat(64) }, '22001'],
  ['healthcare_entities', { subdomain: 'clinic-b' }, 'healthcare_entities_subdomain_key'],
  ['healthcare_entities', { tenant_id: other.id }, '428C9'],

  ['users', {}, null],
  ['users', { email: 'NURSE@clinic-a.test' }, 'users_tenant_email_key'],
  // The same person at the other clinic is another account.
  ['users', { email: 'nurse@clinic-b.test' }, null],
  ['users', { email: 'nobody' }, 'users_email_check'],
  ['users', { password_hash: '' }, 'users_password_hash_check'],
  ['users', { preferred_language: '' }, null],
  ['users', { preferred_language: 'xx' }, 'users_preferred_language_check'],
  ['users', { failed_logins: -1 }, 'users_failed_logins_check'],

  ['roles', {}, null],
  ['roles', { name: 'nurse' }, 'roles_uniq_tenant_id_name'],
  ['roles', { name: 'Head nurse' }, 'roles_name_check'],

  ['user_verifications', {}, null],
  ['user_verifications', { purpose: 'lottery' }, 'user_verifications_purpose_check'],
  ['user_verifications', { token_hash: '\\x01' }, 'user_verifications_token_hash_check'],
  ['user_verifications', { expires_at: '2000-01-01T00:00Z' }, 'user_verifications_expiry_check'],
  ['user_verifications', { used_at: '2000-01-01T00:00Z' }, 'user_verifications_used_check'],
  ['user_verifications', { user_id: rowId(other, 1) }, 'user_verifications_user_fkey'],

  ['tenant_branding', { primary_color: '#00ff00' }, null],
  ...['red', '#0f0', '#00FF00', '#00ff0g'].map((primary_color) => ['tenant_branding', { primary_color }, 'tenant_branding_colors_check'] as const),
  ...['javascript:alert(1)', 'http://logo.test/a', 'data:image/png;base64,'].map(
    (logo_url) => ['tenant_branding', { logo_url }, 'tenant_branding_urls_check'] as const,
  ),
];

describe('a row of', () => {
  test.each(cases.map(([table, values, refusedBy]) => ({ table, values, refusedBy, shown: JSON.stringify(values) })))(
    '$table with $shown: refused by $refusedBy',
    async ({ table, values, refusedBy }) => {
      const inserted = tables[table];
      expect(await violation(on, clinic, inserted === undefined ? updateRows(table, values) : insertRow(table, { ...inserted, ...values }))).toBe(refusedBy);
    },
  );
});

test('a role of one clinic cannot be given to a user of another, in either direction', async () => {
  const give = (userId: string, roleId: string): string => insertRow('user_roles', { tenant_id: clinic.id, user_id: userId, role_id: roleId });
  expect(await violation(on, clinic, give(rowId(other, 1), rowId(clinic, 2)))).toBe('user_roles_fk_tenant_id_user_id');
  expect(await violation(on, clinic, give(rowId(clinic, 1), rowId(other, 2)))).toBe('user_roles_fk_tenant_id_role_id');
});

test('a clinic is closed, and not deleted', async () => {
  expect(await violation(on, clinic, `UPDATE healthcare_entities SET is_active = false`)).toBeNull();
  expect(await violation(on, clinic, `DELETE FROM healthcare_entities`)).toBe('42501');
});
