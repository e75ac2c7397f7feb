/** Which tenants are served when: those that are current at once, the others as soon as their own migrations are done. */

import { setTimeout as sleep } from 'node:timers/promises';
import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createFleet, directorySource, startTenants, type FleetEvent, type Tenant, type TenantStartupOptions } from '../src/index.ts';
import { connectTo, folder, rows, type Files } from './support/target.ts';

const base: Files = { '0001_team.sql': 'CREATE TABLE team_member (id int PRIMARY KEY);\n' };
const slow = 'SELECT pg_sleep(1.5);\nCREATE TABLE vendor (id int);\n';

/** A registry in memory; the schemas and their histories are real. */
class Clinics {
  readonly db: TestDatabase;
  readonly path: string;
  readonly registered = new Map<string, Tenant>();
  readonly controller = new AbortController();
  finds = 0;
  lists = 0;
  /** What other services have applied. */
  elsewhere: readonly string[] = [];
  /** What the registry does instead of answering. */
  broken: Error | null = null;

  constructor(db: TestDatabase, path: string) {
    this.db = db;
    this.path = path;
  }

  async add(count: number, status: Tenant['status'] = 'active'): Promise<string[]> {
    const from = this.registered.size;
    const ids = Array.from({ length: count }, (_, index) => `clinic_${from + index}`);
    const client = await this.db.connect();
    for (const id of ids) await client.query(`CREATE SCHEMA "${id}"`);
    for (const id of ids) this.registered.set(id, { id, place: id, status, createdAt: new Date(), updatedAt: new Date(), failure: null });
    return ids;
  }

  fleet(onEvent?: (event: FleetEvent) => void): ReturnType<typeof createFleet> {
    return createFleet({
      service: 'test',
      source: directorySource(this.path),
      targets: () => [...this.registered.values()].filter((one) => one.status === 'active').map((one) => this.target(one)),
      connect: () => connectTo(this.db.url),
      onEvent,
      requirements: () => Promise.resolve(this.elsewhere),
      signal: this.controller.signal,
    });
  }

  target = ({ id, place }: Tenant): { tenant: string; schema: string } => ({ tenant: id, schema: place });

  start(options: Partial<TenantStartupOptions> = {}): ReturnType<typeof startTenants> {
    return startTenants({
      tenancy: {
        list: async () => {
          this.lists++;
          if (this.broken !== null) throw this.broken;
          return [...this.registered.values()];
        },
        find: async (id) => {
          this.finds++;
          if (this.broken !== null) throw this.broken;
          return this.registered.get(id) ?? null;
        },
        target: this.target,
        fleet: (onEvent) => this.fleet(onEvent),
      },
      signal: this.controller.signal,
      ...options,
    });
  }
}

test('tenants that are behind are migrated in the background, and each is served from then on by a lookup', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const clinics = new Clinics(db, files.path);
  const ids = await clinics.add(12);
  const tenants = clinics.start();
  expect(tenants.summary()).toEqual({ total: 0, current: 0, behind: 0, failed: 0, unchecked: 0 });
  expect((await tenants.done)?.counts).toMatchObject({ applied: 12, failed: 0 });
  expect(tenants.summary()).toEqual({ total: 12, current: 12, behind: 0, failed: 0, unchecked: 0 });
  expect(ids.map((id) => tenants.admitted(id)?.place)).toEqual(ids);
  expect(await tenants.admit('clinic_3')).toMatchObject({ kind: 'admitted', tenant: { place: 'clinic_3' } });
  expect(clinics.finds).toBe(0);
  await tenants.settled();
});

test('a tenant that is behind is refused by itself, its own migration goes first, and it is served when that is done', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const clinics = new Clinics(db, files.path);
  const ids = await clinics.add(6);
  await clinics.fleet().up();
  await files.write({ '0002_vendor.sql': slow });
  await clinics.fleet().up({ concurrency: 6 });
  // Nine others stand before it in the background, one at a time.
  await clinics.add(10);
  const last = [...clinics.registered.keys()].at(-1) as string;
  const tenants = clinics.start({ concurrency: 1, patienceMs: 200 });
  const answers = await Promise.all([tenants.admit(last), tenants.admit(last), ...ids.map((id) => tenants.admit(id))]);
  expect(answers.slice(0, 2).map((one) => one.kind === 'refused' && one.why)).toEqual(['behind', 'behind']);
  expect(answers.slice(2).map((one) => one.kind)).toEqual(ids.map(() => 'admitted'));
  await expect.poll(async () => (await tenants.admit(last)).kind, { timeout: 12_000 }).toBe('admitted');
  // Long before the background would have come to it.
  expect(tenants.summary().current).toBeLessThan(16);
  clinics.controller.abort();
  await tenants.settled();
});

test('replicas that start together share the tenants that are behind, and each is migrated once', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const first = new Clinics(db, files.path);
  await first.add(60);
  await first.start().done;
  await files.write({ '0002_vendor.sql': 'SELECT pg_sleep(0.02);\nCREATE TABLE vendor (id int);\n' });
  const replicas = Array.from({ length: 5 }, () => {
    const clinics = new Clinics(db, files.path);
    for (const [id, tenant] of first.registered) clinics.registered.set(id, tenant);
    return clinics.start({ concurrency: 2 });
  });
  const reports = await Promise.all(replicas.map((one) => one.done));
  expect(replicas.map((one) => one.summary().current)).toEqual([60, 60, 60, 60, 60]);
  const applied = reports.map((report) => report?.counts.applied ?? 0);
  expect(applied.reduce((sum, count) => sum + count, 0)).toBe(60);
  expect(applied.filter((count) => count > 0).length).toBeGreaterThan(1);
});

test('a tenant whose migration fails is refused for a while without another try, and is served after it was mended', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0002_vendor.sql': 'CREATE TABLE vendor (id int);\n' });
  const clinics = new Clinics(db, files.path);
  await clinics.add(4);
  const client = await db.connect();
  await client.query('CREATE TABLE clinic_2.vendor (id int)');
  const tenants = clinics.start({ retryMs: 1_500 });
  expect((await tenants.done)?.counts).toMatchObject({ applied: 3, failed: 1 });
  expect(tenants.summary()).toEqual({ total: 4, current: 3, behind: 0, failed: 1, unchecked: 0 });

  const tries = async (): Promise<unknown> =>
    (await rows(db, `SELECT count(*)::int AS n FROM clinic_2.schema_migrations_test_log WHERE action = 'failed'`))[0]?.['n'];
  const before = await tries();
  for (let index = 0; index < 20; index++)
    expect(await tenants.admit('clinic_2')).toMatchObject({ kind: 'refused', why: 'failed', failure: { name: '0002_vendor', sqlState: '42P07' } });
  expect(await tries()).toBe(before);
  expect(tenants.admitted('clinic_1')).not.toBeNull();

  await client.query('DROP TABLE clinic_2.vendor');
  await expect.poll(async () => (await tenants.admit('clinic_2')).kind, { timeout: 12_000 }).toBe('admitted');
  await tenants.settled();
});

test('a tenant that another replica created is found by its first request; that nobody has an id is believed for a moment only', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const clinics = new Clinics(db, files.path);
  const tenants = clinics.start({ absentMs: 400 });
  await tenants.done;
  for (let index = 0; index < 10; index++) expect(await tenants.admit('clinic_0')).toMatchObject({ kind: 'refused', why: 'absent' });
  expect(clinics.finds).toBe(1);
  await clinics.add(1);
  await sleep(500);
  expect((await Promise.all([tenants.admit('clinic_0'), tenants.admit('clinic_0')])).map((one) => one.kind)).toEqual(['admitted', 'admitted']);
  expect(clinics.finds).toBe(2);
  await clinics.add(1, 'provisioning');
  await clinics.add(1, 'archived');
  expect(await tenants.admit('clinic_1')).toMatchObject({ why: 'provisioning' });
  expect(await tenants.admit('clinic_2')).toMatchObject({ why: 'archived' });
  // Whoever has just made it says so.
  clinics.registered.set('clinic_1', { ...(clinics.registered.get('clinic_1') as Tenant), status: 'active' });
  tenants.forget('clinic_1');
  expect((await tenants.admit('clinic_1')).kind).toBe('admitted');
  expect(tenants.summary().total).toBe(2);
});

test('an older build serves tenants that a newer one has migrated', async () => {
  await using db = await testDatabase();
  await using older = await folder(base);
  await using newer = await folder({ ...base, '0002_vendor.sql': 'CREATE TABLE vendor (id int);\n' });
  await new Clinics(db, newer.path).add(0);
  const ahead = new Clinics(db, newer.path);
  await ahead.add(5);
  await ahead.start().done;
  const behind = new Clinics(db, older.path);
  for (const [id, tenant] of ahead.registered) behind.registered.set(id, tenant);
  const tenants = behind.start();
  expect((await tenants.done)?.counts).toMatchObject({ upToDate: 5, failed: 0 });
  expect(tenants.summary().current).toBe(5);
});

test('with the mode wait nobody is migrated, and each is served when somebody else has', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const clinics = new Clinics(db, files.path);
  await clinics.add(3);
  const tenants = clinics.start({ mode: 'wait', patienceMs: 100, pollMs: 100 });
  expect(await tenants.done).toBeNull();
  expect(tenants.summary()).toMatchObject({ behind: 3, current: 0 });
  expect(await tenants.admit('clinic_0')).toMatchObject({ kind: 'refused', why: 'behind' });
  expect(await rows(db, `SELECT count(*)::int AS n FROM pg_tables WHERE schemaname LIKE 'clinic%'`)).toEqual([{ n: 0 }]);
  await clinics.fleet().up();
  await expect.poll(() => tenants.summary().current, { timeout: 12_000 }).toBe(3);
  clinics.controller.abort();
  await tenants.settled();
});

test('with the mode off whoever the registry knows is served, without a look at their schemas', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const clinics = new Clinics(db, files.path);
  await clinics.add(2);
  const tenants = clinics.start({ mode: 'off' });
  expect(await tenants.done).toBeNull();
  expect(tenants.admitted('clinic_1')).not.toBeNull();
  await clinics.add(1);
  expect((await tenants.admit('clinic_2')).kind).toBe('admitted');
  expect(await rows(db, `SELECT count(*)::int AS n FROM pg_tables WHERE schemaname LIKE 'clinic%'`)).toEqual([{ n: 0 }]);
});

test('tenants that wait for another service are migrated when that has applied what they require, without being asked for', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0002_vendor.sql': '-- migrate: requires=user@0001\nCREATE TABLE vendor (id int);\n' });
  const clinics = new Clinics(db, files.path);
  await clinics.add(3);
  const tenants = clinics.start({ retryMs: 500 });
  expect((await tenants.done)?.failures.map((one) => one.failed?.code)).toEqual(['unmetRequirement', 'unmetRequirement', 'unmetRequirement']);
  expect(await tenants.admit('clinic_1')).toMatchObject({ kind: 'refused', why: 'failed' });
  clinics.elsewhere = ['0001_users'];
  await expect.poll(() => tenants.summary().current, { timeout: 20_000 }).toBe(3);
  await tenants.settled();
});

test('a registry that cannot be read is asked again, and requests are told to come back', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const clinics = new Clinics(db, files.path);
  await clinics.add(1);
  clinics.broken = new Error('no answer');
  const troubles: string[] = [];
  const tenants = clinics.start({ retryMs: 100, onTrouble: (error) => troubles.push(error.message) });
  expect(await tenants.admit('clinic_0')).toMatchObject({ kind: 'refused', why: 'unreachable' });
  await expect.poll(() => troubles.length, { timeout: 12_000 }).toBeGreaterThan(1);
  clinics.broken = null;
  expect((await tenants.done)?.counts).toMatchObject({ applied: 1 });
  expect(troubles).toContain('no answer');
});

test('the signal ends what runs, and leaves histories that say truly what was done', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0002_vendor.sql': 'SELECT pg_sleep(30);\nCREATE TABLE vendor (id int);\n' });
  const clinics = new Clinics(db, files.path);
  await clinics.add(3);
  const tenants = clinics.start({ patienceMs: 100 });
  await tenants.admit('clinic_2');
  const running = async (): Promise<unknown> =>
    (await rows(db, `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`))[0]?.['n'];
  await expect.poll(running, { timeout: 12_000 }).toBeGreaterThan(0);
  const began = performance.now();
  clinics.controller.abort();
  await tenants.settled();
  expect(performance.now() - began).toBeLessThan(8_000);
  expect(await running()).toBe(0);
  expect(await rows(db, `SELECT count(*)::int AS n FROM pg_tables WHERE tablename = 'vendor'`)).toEqual([{ n: 0 }]);
  // What cannot be done any more is refused, and begins nothing.
  expect((await tenants.admit('clinic_1')).kind).toBe('refused');
});

test('a tenant that was taken back is refused and not migrated again, until somebody else does that', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_team.sql': 'CREATE TABLE team_member (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE team_member;\n' });
  const clinics = new Clinics(db, files.path);
  await clinics.add(2);
  const tenants = clinics.start();
  await tenants.done;
  await (await clinics.fleet().migrator({ tenant: 'clinic_0', schema: 'clinic_0' })).down();
  await sleep(5_500);
  tenants.doubt('clinic_0');
  tenants.doubt('clinic_1');
  expect(await tenants.admit('clinic_0')).toMatchObject({ kind: 'refused', why: 'behind' });
  expect((await tenants.admit('clinic_1')).kind).toBe('admitted');
  expect(tenants.summary()).toMatchObject({ total: 2, current: 1, behind: 1 });
  await tenants.settled();
  expect(await rows(db, `SELECT count(*)::int AS n FROM pg_tables WHERE tablename = 'team_member'`)).toEqual([{ n: 1 }]);
  await clinics.fleet().up();
  await expect.poll(async () => (await tenants.admit('clinic_0')).kind, { timeout: 20_000, interval: 200 }).toBe('admitted');
});

test('a tenant whose place is gone is looked at again when a request says so', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const clinics = new Clinics(db, files.path);
  await clinics.add(1);
  const tenants = clinics.start();
  await tenants.done;
  clinics.registered.delete('clinic_0');
  tenants.doubt('clinic_0');
  // Looked at just now: a request whose table is absent does not make it be looked at again and again.
  expect(tenants.admitted('clinic_0')).not.toBeNull();
  tenants.forget('clinic_0');
  expect(await tenants.admit('clinic_0')).toMatchObject({ why: 'absent' });
});
