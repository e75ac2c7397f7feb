import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { firstRow } from '../support/clinic.ts';
import { killAfter } from '../support/kill-after.ts';
import { contentsOf, databasesOf, tenancyOn, type Mode } from '../support/tenancy.ts';

/** Milliseconds after it began, from before its first statement to behind its last. */
const moments = [0, 15, 30, 60, 90, 130, 180, 240, 320, 600];

test.each(['schema', 'database'] as const)(
  'with a %s each: a process that is killed while it makes a tenant leaves nothing that the next call cannot finish',
  async (mode: Mode) => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const ends: string[] = [];
    for (const [index, ms] of moments.entries()) {
      const id = `clinic_${index}`;
      ends.push(await killAfter('create-tenant.ts', ms, [mode, db.url, mode === 'schema' ? '' : `${db.name}_`, id]));
      const half = await tenancy.find(id);
      if (ends[index] === 'killed' && half?.status === 'active') expect(await contentsOf(db, mode, half.place)).toEqual({ migrations: 3, tables: 3, team: 1 });
      const { tenant } = await tenancy.create(id, { initialise: firstRow });
      expect(tenant.status).toBe('active');
      expect(await contentsOf(db, mode, tenant.place)).toEqual({ migrations: 3, tables: 3, team: 1 });
    }
    expect(ends).toContain('killed');
    expect((await tenancy.fleet().up()).counts.upToDate).toBe(moments.length);
    expect(await tenancy.strays()).toEqual({ unknown: [], absent: [] });
    expect((await databasesOf(db)).filter((name) => name.includes('_new'))).toEqual([]);
  },
  120_000,
);

test('a tenant whose process was killed can be dropped', async () => {
  await using db = await testDatabase();
  const tenancy = tenancyOn(db, 'database');
  await tenancy.create('whole');
  for (const ms of [40, 80]) {
    await killAfter('create-tenant.ts', ms, ['database', db.url, `${db.name}_`, 'half']);
    if ((await tenancy.find('half')) !== null) await tenancy.drop('half', { mode: 'delete' });
    expect((await tenancy.list()).map((tenant) => tenant.id)).toEqual(['whole']);
  }
});
