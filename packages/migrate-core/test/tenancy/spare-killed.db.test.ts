import { runOn, testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { firstOf } from '../support/clinic.ts';
import { killAfter } from '../support/kill-after.ts';
import { contentsOf, databasesOf, tenancyOn, type Mode } from '../support/tenancy.ts';

/** Milliseconds after it began, from before its first statement to behind its last. */
const moments = [0, 20, 45, 80, 120, 170, 230, 300, 400, 550, 750];

const whole = (id: string): object => ({ migrations: 3, tables: 3, team: firstOf(id).initialise === undefined ? 0 : 1 });

test.each(['schema', 'database'] as const)(
  'with a %s each: a process that is killed while it makes spares, or gives one away, leaves nothing that the next one does not mend',
  async (mode: Mode) => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode, { tenancy: { spares: 3 } });
    const ends: string[] = [];
    for (const [index, ms] of moments.entries()) {
      const ids = [0, 1, 2, 3, 4].map((number) => `c${index}_${number}`);
      ends.push(await killAfter('prepare-spares.ts', ms, [mode, db.url, mode === 'schema' ? '' : `${db.name}_`, ...ids]));
      for (const { id, status, place } of await tenancy.list()) {
        if (status === 'active') expect(await contentsOf(db, mode, place)).toEqual(whole(id));
      }
      // Every other time the spares are mended first; else the tenants take what is there.
      if (index % 2 === 0) expect(await tenancy.prepareSpares()).toMatchObject({ ready: 3, error: null });
      for (const id of ids) expect((await tenancy.create(id, firstOf(id))).tenant.status).toBe('active');
    }
    expect(ends).toContain('killed');
    expect(await tenancy.prepareSpares()).toMatchObject({ ready: 3, error: null });
    const tenants = await tenancy.list();
    expect(tenants).toHaveLength(5 * moments.length);
    for (const { id, place } of tenants) expect(await contentsOf(db, mode, place)).toEqual(whole(id));
    const { rows } = await runOn(db.server, 'SELECT count(DISTINCT made_as)::int AS oids FROM schema_migrations_test_tenants', db.name);
    expect(rows).toEqual([{ oids: tenants.length }]);
    expect((await tenancy.fleet().up()).counts.upToDate).toBe(tenants.length);
    expect(await tenancy.strays()).toEqual({ unknown: [], absent: [] });
    const schemas = (await runOn(db.server, 'SELECT nspname AS name FROM pg_namespace', db.name)).rows as { name: string }[];
    const names = [...(await databasesOf(db)), ...schemas.map((one) => one.name)];
    expect(names.filter((name) => name.includes('_spare_'))).toHaveLength(3);
    expect(names.filter((name) => name.endsWith('_new') || name.includes('_new_'))).toEqual([]);
  },
  180_000,
);
