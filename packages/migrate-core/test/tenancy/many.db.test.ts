import { requirePgBouncer, runOn, startPgBouncer, startServer, testDatabase } from '@org/test-postgres';
import { describe, expect, test } from 'vitest';

import { listSource } from '../../src/index.ts';
import { firstRow } from '../support/clinic.ts';
import { connectTo, failureOf, rows } from '../support/target.ts';
import { contentsOf, tenancyOn } from '../support/tenancy.ts';

const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `clinic_${index}`);

describe.each(['schema', 'database'] as const)('with a %s each', (mode) => {
  test('fifty sign-ups at once are fifty active tenants', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const made = await Promise.all(ids(50).map((id) => tenancy.create(id, { initialise: firstRow })));
    expect(made.every(({ tenant, outcome }) => tenant.status === 'active' && outcome === 'created')).toBe(true);
    expect(await contentsOf(db, mode, made[49]?.tenant.place ?? '')).toEqual({ migrations: 3, tables: 3, team: 1 });
    expect((await tenancy.fleet().status()).groups.map((group) => group.tenants.length)).toEqual([50]);
  }, 120_000);

  test('a server without enough connections for all of them makes them all the same', async () => {
    await using server = await startServer({ settings: { max_connections: 14 } });
    await runOn(server, 'CREATE DATABASE clinics');
    // Each of them would be a process of its own, with limits of its own.
    const made = await Promise.all(ids(12).map((id) => tenancyOn({ server, name: 'clinics' }, mode).create(id)));
    expect(made.every(({ tenant }) => tenant.status === 'active')).toBe(true);
  }, 120_000);

  test('through PgBouncer in transaction mode tenants are made, put away and made again', async (context) => {
    requirePgBouncer(context);
    await using db = await testDatabase();
    await using pool = await startPgBouncer({ poolSize: 8 });
    const connect = (database: string | null): ReturnType<typeof connectTo> => connectTo(pool.url(database ?? db.name));
    const callers = Array.from({ length: 6 }, () => tenancyOn(db, mode, { connect }));
    const made = await Promise.all(callers.map((tenancy, index) => tenancy.create(`clinic_${index % 3}`, { initialise: firstRow })));
    expect(made.map(({ tenant }) => tenant.status)).toEqual(Array.from({ length: 6 }, () => 'active'));
    const [tenancy] = callers;
    expect((await tenancy?.fleet().up())?.counts.upToDate).toBe(3);
    // The pooler keeps connections to its database.
    expect((await tenancy?.drop('clinic_0'))?.status).toBe('archived');
    await tenancy?.drop('clinic_0', { mode: 'delete' });
    await tenancy?.drop('clinic_1', { mode: 'delete' });
    expect((await tenancy?.create('clinic_0'))?.outcome).toBe('created');
    expect((await tenancy?.list())?.map((tenant) => tenant.id)).toEqual(['clinic_0', 'clinic_2']);
    expect(await rows(db, `SELECT count(*)::int AS held FROM pg_locks WHERE locktype = 'advisory'`)).toEqual([{ held: 0 }]);
  }, 120_000);
});

test('a schema that does not fit into the lock table is deleted by parts', async () => {
  await using server = await startServer({ settings: { max_locks_per_transaction: 10, max_connections: 20 } });
  await runOn(server, 'CREATE DATABASE clinics');
  const tables = Array.from({ length: 300 }, (_, index) => `CREATE TABLE t${index} (id serial PRIMARY KEY, name text UNIQUE)`);
  const source = listSource(
    Array.from({ length: 30 }, (_, index) => ({
      version: String(index + 1).padStart(4, '0'),
      description: 'tables',
      up: tables.slice(index * 10, index * 10 + 10).join(';'),
      down: '',
    })),
  );
  const tenancy = tenancyOn({ server, name: 'clinics' }, 'schema', { tenancy: { source, requiredTables: ['t0', 't299'] } });
  await tenancy.create('clinic');
  await tenancy.drop('clinic', { mode: 'delete' });
  expect(await tenancy.list()).toEqual([]);
  const { rows: left } = await runOn(server, `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'clinic%'`, 'clinics');
  expect(left).toEqual([]);
}, 120_000);

test('a pool of one connection is told, and nothing hangs', async (context) => {
  requirePgBouncer(context);
  await using db = await testDatabase();
  await using pool = await startPgBouncer({ poolSize: 1 });
  const tenancy = tenancyOn(db, 'schema', { connect: (database) => connectTo(pool.url(database ?? db.name)), retryLimitMs: 0 });
  const told = { code: 'connection', message: expect.stringContaining('two connections') as string };
  expect(await failureOf(tenancy.create('clinic'))).toMatchObject(told);
  const ahead = tenancyOn(db, 'schema', { connect: (database) => connectTo(pool.url(database ?? db.name)), tenancy: { spares: 1 } });
  expect(await ahead.prepareSpares()).toMatchObject({ ready: 0, made: 0, error: told });
});
