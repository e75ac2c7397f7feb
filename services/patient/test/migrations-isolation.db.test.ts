/** What row-level security and the audit are there for, asked of every table: also of one that is added later. */

import { readFile } from 'node:fs/promises';
import { isolationFaults, rowId, serviceDatabase, testTenants, violation } from '@org/test-postgres';
import { testIsolation } from '@org/test-postgres/suites';
import { expect, test } from 'vitest';

import { service } from './support/service.ts';

testIsolation(service);

test('the table that the guide shows is isolated and audited as the others are', async () => {
  const guide = await readFile(new URL('../../../docs/guides/row-level-security.md', import.meta.url), 'utf8');
  const table = /```sql\n(CREATE TABLE referrals[^`]*)```/.exec(guide)?.[1] ?? '';
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  await on.fill();
  await on.client.query(table);
  expect(await isolationFaults(on)).toEqual([]);
  const [clinic, other] = testTenants;
  const refer = (patient: string): string => `INSERT INTO referrals (tenant_id, patient_id) VALUES ('${clinic.id}', '${patient}')`;
  expect(await violation(on, clinic, refer(rowId(clinic, 1)))).toBeNull();
  expect(await violation(on, clinic, refer(rowId(other, 1)))).toBe('referrals_patient_fkey');
});
