/** A clinic registers at the user service, and its place here is made: by whom it may be asked for, twice, slowly, and after everybody was away. */

import { randomUUID } from 'node:crypto';
import { provisioningToken, tokenFor, type ServiceProcess } from '@org/service-kit/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { newerBuild, platform, register, rowsOf, startAll, untilActive, type Platform, type ServiceName } from './support/platform.ts';

const details = { name: 'Clinique du Parc', country: 'Morocco', timezone: 'Africa/Casablanca', admin: null };
const tenantsOf = (on: Platform): Promise<Record<string, unknown>[]> =>
  rowsOf(on.database.appointment, 'SELECT id, status FROM schema_migrations_appointment_tenants ORDER BY id').catch(() => []);

describe('with all services at work', () => {
  let on: Platform;
  let services: Record<ServiceName, ServiceProcess>;

  beforeAll(async () => {
    on = await platform();
    services = await startAll(on);
  });
  afterAll(() => on[Symbol.asyncDispose]());

  test('only a service’s own token makes a tenant: no user’s permission does, not even all of them', async () => {
    const id = randomUUID();
    const service = { sub: 'user', service: 'user', aud: 'appointment', tenant: id, permissions: ['tenants:provision'] };
    const refused: readonly (readonly [string | null, number])[] = [
      [null, 401],
      ['eyJhbGciOiJub25lIn0.e30.', 401],
      [tokenFor({ ...service, lifetime: -10 }), 401],
      [tokenFor({ ...service, iss: 'somebody' }), 401],
      [tokenFor(service, 'a key that is not the one of this service at all'), 401],
      [tokenFor({ tenant: id, permissions: ['*'] }), 403],
      [tokenFor({ tenant: id, permissions: ['tenants:provision', '*'] }), 403],
      [tokenFor({ ...service, permissions: ['*'] }), 403],
      [tokenFor({ ...service, aud: 'patient' }), 403],
      [tokenFor({ ...service, tenant: randomUUID() }), 403],
    ];
    for (const [token, status] of refused) {
      const credential = token === null ? {} : { token };
      expect((await services.appointment.request('PUT', `/tenants/${id}`, { ...credential, body: details })).status).toBe(status);
      expect((await services.appointment.request('GET', `/tenants/${id}`, credential)).status).toBe(status);
    }
    expect(await tenantsOf(on)).not.toContainEqual(expect.objectContaining({ id }));
    // And a service's token opens nothing of what is a user's.
    const token = provisioningToken(id, 'appointment');
    for (const path of ['/clinic', '/team-members', '/appointments']) expect((await services.appointment.request('GET', path, { token })).status).toBe(403);
    // Neither can a clinic make itself a role that would.
    const clinic = await register(services.user, randomUUID());
    const role = { name: 'maker', permissions: ['tenants:provision'] };
    expect((await services.user.request('POST', '/roles', { token: clinic.token, body: role })).status).toBe(400);
  });

  test('asked for ten times at once, a tenant is made once, with one first member', async () => {
    const id = randomUUID();
    const admin = { user_id: randomUUID(), email: 'admin@example.org', first_name: 'Salma', last_name: 'Bennani' };
    const token = provisioningToken(id, 'appointment');
    const ask = () => services.appointment.request('PUT', `/tenants/${id}`, { token, body: { ...details, admin } });
    const answers = await Promise.all(Array.from({ length: 10 }, ask));
    // 202 where it takes its time.
    expect(answers.filter((one) => ![200, 201, 202].includes(one.status))).toEqual([]);
    await expect.poll(ask, { timeout: 30_000, interval: 200 }).toEqual({ status: 200, body: { id, status: 'active' } });
    expect((await services.appointment.request('GET', `/tenants/${id}`, { token })).body).toEqual({ id, status: 'active', failure: null });
    expect(await rowsOf(on.database.appointment, `SELECT user_id, position FROM clinic_${id.replaceAll('-', '')}.team_member`)).toEqual([
      { user_id: admin.user_id, position: 'Administrator' },
    ]);
  });

  test('what cannot be a clinic’s id is refused, and nothing is made or lost', async () => {
    const before = await tenantsOf(on);
    // Places for clinics to come are made meanwhile.
    const tables = `SELECT count(*)::int AS n FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text NOT LIKE '%\\_spare\\_%'`;
    const counted = await rowsOf(on.database.appointment, tables);
    const upper = randomUUID().toUpperCase();
    const hostile = [
      'a"; drop schema public cascade; --',
      "'; DROP TABLE clinics; --",
      'public',
      'pg_catalog',
      'select',
      'x'.repeat(64),
      'é'.repeat(40),
      '%00',
      '..%2F..%2Fetc',
      '{}',
      upper,
      `urn:uuid:${randomUUID()}`,
    ];
    for (const id of hostile) {
      const path = `/tenants/${id.startsWith('%') || id.startsWith('..') ? id : encodeURIComponent(id)}`;
      for (const token of [provisioningToken(id, 'appointment'), provisioningToken(randomUUID(), 'appointment')]) {
        const { status } = await services.appointment.request('PUT', path, { token, body: details });
        expect([400, 401, 403, 404], `${id}: ${status}`).toContain(status);
      }
      if (id === upper) continue;
      const { status } = await services.user.request('POST', '/clinics', {
        body: { id, name: 'X', country: 'France', admin: { email: 'x@example.org', password: 'a long enough one', first_name: 'X', last_name: 'Y' } },
      });
      expect(status, id).toBe(400);
    }
    expect(await tenantsOf(on)).toEqual(before);
    expect(await rowsOf(on.database.appointment, tables)).toEqual(counted);
  });

  test('an id in capitals is the same clinic', async () => {
    const id = randomUUID();
    const clinic = await register(services.user, id.toUpperCase());
    await untilActive(services.user, { ...clinic, id });
    await register(services.user, id);
    expect((await tenantsOf(on)).filter((one) => String(one['id']).toLowerCase() === id)).toEqual([{ id, status: 'active' }]);
  });

  test('a registration that is sent again is one clinic, one place and one member', async () => {
    const id = randomUUID();
    const clinic = await register(services.user, id);
    await register(services.user, id);
    await untilActive(services.user, clinic);
    await register(services.user, id);
    // The other service is asked again, and finds all there.
    await untilActive(services.user, clinic);
    expect((await services.appointment.request('GET', '/team-members', { token: clinic.token })).body.items).toHaveLength(1);
  });

  test('a clinic that changes its name and its time zone is called so here, too', async () => {
    const clinic = await register(services.user, randomUUID());
    await untilActive(services.user, clinic);
    const called = async () => (await services.appointment.request('GET', '/clinic', { token: clinic.token })).body;
    expect(await called()).toMatchObject({ name: `Clinic ${clinic.id.slice(0, 4)}`, timezone: 'Africa/Casablanca' });
    const body = { name: 'Clinique du Port', timezone: 'Europe/Paris' };
    expect((await services.user.request('PATCH', `/clinics/${clinic.id}`, { token: clinic.token, body })).status).toBe(200);
    await expect.poll(called, { timeout: 15_000 }).toMatchObject({ id: clinic.id, country: 'Morocco', ...body });
    await untilActive(services.user, clinic);
    expect((await services.appointment.request('GET', '/team-members', { token: clinic.token })).body.items).toHaveLength(1);
  });

  test('a place that was made anew by hand gets its administrator when the registration is sent again', async () => {
    const id = randomUUID();
    const clinic = await register(services.user, id);
    await untilActive(services.user, clinic);
    // As after dropping and creating it by hand.
    await rowsOf(on.database.appointment, `DELETE FROM ${clinic.place}.team_member`);
    expect(await rowsOf(on.database.appointment, `SELECT user_id FROM ${clinic.place}.team_member`)).toEqual([]);
    await register(services.user, id);
    await untilActive(services.user, clinic);
    await expect
      .poll(() => rowsOf(on.database.appointment, `SELECT user_id, position FROM ${clinic.place}.team_member`), { timeout: 15_000 })
      .toEqual([{ user_id: clinic.user, position: 'Administrator' }]);
  });

  test('started with another mode than its clinics’ places are of, the service says so, and how many they are', async () => {
    const clinic = await register(services.user, randomUUID());
    await untilActive(services.user, clinic);
    const other = await on.start('appointment', { APPOINTMENT_TENANCY: 'database' });
    await other.until('/health/ready', 200);
    await expect.poll(() => other.output(), { timeout: 15_000 }).toMatch(/ha(?:s|ve) a schema of (?:its|their) own, and tenancy\.mode says database/);
    expect(other.output()).toContain(`set tenancy.mode back to 'schema'`);
  });

  test('a token whose claims are lists of ids is nobody’s', async () => {
    const listed = (id: string): string => [id] as unknown as string;
    const tokens = [
      tokenFor({ tenant: listed(randomUUID()), permissions: ['*'] }),
      tokenFor({ tenant: randomUUID(), sub: listed(randomUUID()), permissions: ['*'] }),
    ];
    for (const token of tokens) {
      for (const path of ['/clinic', '/appointments']) expect((await services.appointment.request('GET', path, { token })).status, path).toBe(401);
      expect((await services.patient.request('GET', '/patients', { token })).status).toBe(401);
    }
  });

  test('a clinic that is not set up here yet is told to come back', async () => {
    const token = tokenFor({ tenant: randomUUID(), permissions: ['*'] });
    const response = await fetch(`${services.appointment.url}/team-members`, { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await response.json()).toMatchObject({ title: 'Service Unavailable', detail: expect.stringContaining('not set up here yet') });
    expect((await services.appointment.request('GET', '/clinic', { token })).status).toBe(503);
  });
});

test('a clinic registers while the appointment service is away; another process of user, started later, has it set up when that is back', async () => {
  await using on = await platform();
  const user = await on.start('user');
  const patient = await on.start('patient');
  await Promise.all([user.until('/health/ready', 200), patient.until('/health/ready', 200)]);
  const began = performance.now();
  const clinic = await register(user, randomUUID());
  expect(performance.now() - began).toBeLessThan(10_000);
  const state = async () => (await user.request('GET', `/clinics/${clinic.id}/provisioning`, { token: clinic.token })).body;
  await expect.poll(state, { timeout: 15_000 }).toMatchObject({
    status: 'pending',
    services: [{ service: 'appointment', status: 'pending', error: 'appointment cannot be reached (ECONNREFUSED)' }],
  });
  user.kill('SIGKILL');
  await user.ended;

  // Two of them now, beside each other.
  const [again] = await Promise.all([on.start('user'), on.start('user'), on.start('appointment')]);
  await again.until('/health/ready', 200);
  await untilActive(again, clinic, 60_000);
  expect(await rowsOf(on.database.appointment, `SELECT user_id FROM ${clinic.place}.team_member`)).toEqual([{ user_id: clinic.user }]);
  // Told once to people, and not at each attempt; nothing of it names the clinic's administrator.
  expect(user.output().match(/has not set the clinic up/g)).toHaveLength(1);
  expect(user.output()).not.toContain('admin@example.org');
});

test('without the other service’s URL a clinic registers, waits, and the log says what to set', async () => {
  await using on = await platform();
  const user = await on.start('user', { APPOINTMENT_SERVICE_URL: '' });
  await user.until('/health/ready', 200);
  const clinic = await register(user, randomUUID());
  expect((await user.request('GET', `/clinics/${clinic.id}/provisioning`, { token: clinic.token })).body).toMatchObject({
    status: 'pending',
    services: [{ service: 'appointment', status: 'pending', attempts: 0 }],
  });
  expect(user.output()).toContain('APPOINTMENT_SERVICE_URL is not set');
});

test('a tenant that takes long is answered in time with where to look, and registering waits for none of it', async () => {
  await using build = await newerBuild({ '0008_think.sql': 'SELECT pg_sleep(5);\n' });
  await using on = await platform();
  const [user, patient, appointment] = await Promise.all([on.start('user'), on.start('patient'), on.start('appointment', build.environment)]);
  await Promise.all([user, patient, appointment].map((one) => one.until('/health/ready', 200, 40_000)));
  const id = randomUUID();
  const token = provisioningToken(id, 'appointment');
  const asked = await fetch(`${appointment.url}/tenants/${id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(details),
  });
  // The answer and the log say why, where it is another one.
  expect(asked.status, `${await asked.text()}\n${appointment.output()}`).toBe(202);
  expect(asked.headers.get('location')).toBe(`/tenants/${id}`);
  expect((await appointment.request('GET', `/tenants/${id}`, { token })).body).toMatchObject({ status: 'provisioning' });
  expect((await appointment.request('GET', '/team-members', { token: tokenFor({ tenant: id, permissions: ['*'] }) })).status).toBe(503);

  const began = performance.now();
  const clinic = await register(user, randomUUID());
  expect(performance.now() - began).toBeLessThan(5_000);
  expect((await user.request('GET', `/clinics/${clinic.id}/provisioning`, { token: clinic.token })).body.status).toBe('pending');
  await untilActive(user, clinic);
  await expect.poll(async () => (await appointment.request('GET', `/tenants/${id}`, { token })).body.status, { timeout: 20_000 }).toBe('active');
});

test('a tenant that was cut off in the middle is completed by the next process', async () => {
  await using build = await newerBuild({ '0008_think.sql': 'SELECT pg_sleep(30);\n' });
  await using on = await platform();
  const [user, patient, first] = await Promise.all([on.start('user'), on.start('patient'), on.start('appointment', build.environment)]);
  await Promise.all([user, patient, first].map((one) => one.until('/health/ready', 200, 40_000)));
  const clinic = await register(user, randomUUID());
  await expect.poll(() => tenantsOf(on), { timeout: 20_000 }).toEqual([{ id: clinic.id, status: 'provisioning' }]);
  first.kill('SIGTERM');
  expect(await first.ended).toEqual({ code: 0, signal: null });
  const second = await on.start('appointment');
  await second.until('/health/ready', 200);
  await untilActive(user, clinic, 60_000);
  expect((await second.request('GET', '/team-members', { token: clinic.token })).body.items).toMatchObject([{ user_id: clinic.user }]);
});
