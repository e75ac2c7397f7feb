/** What row-level security and the audit are there for, asked of every table: also of one that is added later. */

import { readFile } from 'node:fs/promises';
import { isolationFaults, probeIsolation, rowId, serviceDatabase, testTenants, violation } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { service } from './support/service.ts';

test.each(['public', 'schema_of_its_own'])('every table in the schema %s is isolated and audited, and the application owns nothing', async (schema) => {
  await using on = await serviceDatabase(service, { schema });
  await on.migrator.up();
  expect(await isolationFaults(on)).toEqual([]);
});

test('a clinic sees and changes its own rows only, and without a clinic there are none', async () => {
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  await on.fill();
  const probes = await probeIsolation(on);
  expect(probes.length).toBeGreaterThan(0);
  for (const probe of probes) {
    expect(probe).toMatchObject({
      own: expect.toSatisfy((rows: number) => rows > 0),
      seen: probe.own,
      foreignSeen: 0,
      foreignInserted: '42501',
      seenByNobody: 0,
      seenByEmpty: 0,
      truncated: '42501',
      // Either no row is found, or the application may not do it at all.
      foreignChanged: expect.toBeOneOf([0, '42501']),
      foreignDeleted: expect.toBeOneOf([0, '42501']),
    });
  }
});

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
