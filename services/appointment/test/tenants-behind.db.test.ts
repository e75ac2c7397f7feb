/** The service starts with another build than its clinics' places are of: those that are current are served at once, the others when they are. */

import { randomUUID } from 'node:crypto';
import { type ServiceProcess } from '@org/service-kit/testing';
import { expect, test } from 'vitest';

import { newerBuild, platform, register, rowsOf, startAll, untilActive, type Platform, type RegisteredClinic, type Topology } from './support/platform.ts';

const notes = 'CREATE TABLE vendor_notes (id int);\n-- Down Migration\nDROP TABLE vendor_notes;\n';
const tenancies: readonly Topology[] = [{ tenancy: 'schema' }, { tenancy: 'database' }];

async function registered(on: Platform, user: ServiceProcess, count: number): Promise<RegisteredClinic[]> {
  const clinics: RegisteredClinic[] = [];
  for (let index = 0; index < count; index++) clinics.push(await register(user, randomUUID()));
  await Promise.all(clinics.map((clinic) => untilActive(user, clinic)));
  return clinics;
}

async function ask(service: ServiceProcess, { token }: RegisteredClinic): Promise<{ status: number; retryAfter: number }> {
  const response = await fetch(`${service.url}/team-members`, { headers: { authorization: `Bearer ${token}` } });
  await response.body?.cancel();
  return { status: response.status, retryAfter: Number(response.headers.get('retry-after') ?? 0) };
}

/** In the clinic's own place. */
async function inPlace(on: Platform, { place }: RegisteredClinic, { tenancy }: Topology, sql: (schema: string) => string): Promise<Record<string, unknown>[]> {
  return tenancy === 'database' ? rowsOf(on.database.appointment, sql('public'), place) : rowsOf(on.database.appointment, sql(place));
}

test.each(tenancies)(
  'with a $tenancy for each, a clinic whose migration fails is refused alone, and served by itself when that was mended',
  async (topology) => {
    await using on = await platform(topology);
    const { user, appointment: older } = await startAll(on);
    const clinics = await registered(on, user, 3);
    const [broken, ...others] = clinics as [RegisteredClinic, ...RegisteredClinic[]];
    await inPlace(on, broken, topology, (schema) => `CREATE TABLE ${schema}.vendor_notes (id int)`);

    await using build = await newerBuild({ '0008_vendor_notes.sql': notes });
    const newer = await on.start('appointment', { ...build.environment, LOG_LEVEL: 'info' });
    await newer.until('/health/ready', 200);
    for (const clinic of others) await expect.poll(async () => (await ask(newer, clinic)).status, { timeout: 15_000 }).toBe(200);
    await expect
      .poll(async () => (await newer.request('GET', '/health/db')).body.tenants, { timeout: 15_000 })
      .toEqual({ total: 3, current: 2, behind: 0, failed: 1, unchecked: 0 });
    expect((await newer.request('GET', '/health/ready')).status).toBe(200);
    const answer = await ask(newer, broken);
    expect(answer.status).toBe(503);
    expect(answer.retryAfter).toBeGreaterThan(0);
    expect(newer.output()).toContain('0008_vendor_notes');

    // What is older serves all of them meanwhile, the newer ones as well.
    for (const clinic of clinics) expect((await ask(older, clinic)).status).toBe(200);

    await inPlace(on, broken, topology, (schema) => `DROP TABLE ${schema}.vendor_notes`);
    await expect.poll(async () => (await ask(newer, broken)).status, { timeout: 30_000, interval: 200 }).toBe(200);
    expect((await newer.request('GET', '/health/ready')).status).toBe(200);
  },
);

test('a request for a clinic that is behind has its migration done first', async () => {
  await using on = await platform();
  const { user } = await startAll(on);
  const clinics = await registered(on, user, 4);
  const last = clinics.toSorted((a, b) => (a.id < b.id ? -1 : 1)).at(-1) as RegisteredClinic;
  await using build = await newerBuild({ '0008_vendor_notes.sql': `SELECT pg_sleep(6);\n${notes}` });
  const newer = await on.start('appointment', { ...build.environment, MIGRATE_TENANT_CONCURRENCY: '1' });
  await newer.until('/health/ready', 200);
  expect((await ask(newer, last)).status).toBe(503);
  await expect.poll(async () => (await ask(newer, last)).status, { timeout: 40_000, interval: 100 }).toBe(200);
  // The background has them one after the other, and this one at the end.
  const { tenants } = (await newer.request('GET', '/health/db')).body;
  expect(tenants.total).toBe(4);
  expect(tenants.current).toBeLessThan(4);
});

test.each(tenancies)('an older build starts and serves where a newer one has migrated every $tenancy', async (topology) => {
  await using on = await platform(topology);
  await using build = await newerBuild({ '0008_vendor_notes.sql': notes });
  const [user, patient, newer] = await Promise.all([on.start('user'), on.start('patient'), on.start('appointment', build.environment)]);
  await Promise.all([user, patient, newer].map((one) => one.until('/health/ready', 200, 40_000)));
  const clinics = await registered(on, user, 2);
  for (const clinic of clinics)
    expect(await inPlace(on, clinic, topology, (schema) => `SELECT to_regclass('${schema}.vendor_notes') IS NOT NULL AS there`)).toEqual([{ there: true }]);
  const older = await on.start('appointment');
  await older.until('/health/ready', 200);
  for (const clinic of clinics) await expect.poll(async () => (await ask(older, clinic)).status, { timeout: 15_000 }).toBe(200);
  await expect
    .poll(async () => (await older.request('GET', '/health/db')).body.tenants, { timeout: 15_000 })
    .toMatchObject({ total: 2, current: 2, failed: 0 });
});

test('SIGTERM in the middle of the clinics’ migrations ends the service in time, and the next start does what is left', async () => {
  await using on = await platform();
  const { user, appointment } = await startAll(on);
  const clinics = await registered(on, user, 3);
  appointment.kill('SIGTERM');
  expect(await appointment.ended).toEqual({ code: 0, signal: null });

  await using slow = await newerBuild({ '0008_vendor_notes.sql': `SELECT pg_sleep(60);\n${notes}` });
  const stopped = await on.start('appointment', slow.environment);
  await stopped.until('/health/ready', 200);
  const sleeping = () =>
    rowsOf(on.database.appointment, `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`);
  await expect.poll(async () => Number((await sleeping())[0]?.['n']), { timeout: 20_000 }).toBeGreaterThan(0);
  const began = performance.now();
  stopped.kill('SIGTERM');
  expect(await stopped.ended).toEqual({ code: 0, signal: null });
  expect(performance.now() - began).toBeLessThan(9_000);
  expect(await sleeping()).toEqual([{ n: 0 }]);

  await using build = await newerBuild({ '0008_vendor_notes.sql': notes });
  const next = await on.start('appointment', build.environment);
  await next.until('/health/ready', 200);
  await expect.poll(async () => (await next.request('GET', '/health/db')).body.tenants, { timeout: 20_000 }).toMatchObject({ total: 3, current: 3 });
  for (const { place } of clinics) {
    expect(await rowsOf(on.database.appointment, `SELECT state FROM ${place}.schema_migrations_appointment WHERE name = '0008_vendor_notes'`)).toEqual([
      { state: 'applied' },
    ]);
  }
});

test('two replicas find each other’s new clinics, and a clinic whose place was taken away is refused by itself', async () => {
  await using on = await platform();
  const { user, appointment } = await startAll(on);
  const replica = await on.start('appointment');
  await replica.until('/health/ready', 200);
  const [kept, lost] = (await registered(on, user, 2)) as [RegisteredClinic, RegisteredClinic];
  for (const service of [appointment, replica]) for (const clinic of [kept, lost]) expect((await ask(service, clinic)).status).toBe(200);
  await rowsOf(on.database.appointment, `DROP SCHEMA ${lost.place} CASCADE`);
  expect((await ask(replica, lost)).status).toBe(503);
  expect((await ask(replica, kept)).status).toBe(200);
});
