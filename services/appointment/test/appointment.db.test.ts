import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { provisioningToken, startService, tokenFor, type ServiceProcess } from '@org/service-kit/testing';
import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';

const main = (service: string): string => fileURLToPath(new URL(`../../${service}/src/main.ts`, import.meta.url));
let db: TestDatabase;
const started: ServiceProcess[] = [];
let service: ServiceProcess;

beforeAll(async () => {
  // All three at one URL, started in the wrong order and at once: each finds by itself what it has to wait for.
  db = await testDatabase({ label: 'shared' });
  started.push(...(await Promise.all(['appointment', 'patient', 'user'].map((name) => startService(main(name), { DATABASE_URL: db.url })))));
  service = started[0] as ServiceProcess;
  await Promise.all(started.map((one) => one.until('/health/ready', 200, 40_000)));
});
afterAll(async () => {
  for (const one of [...started, db]) await one[Symbol.asyncDispose]();
});

const details = { name: 'Clinique du Parc', country: 'Morocco', timezone: 'Africa/Casablanca', admin: null };

async function clinic(): Promise<{ id: string; token: string }> {
  const id = randomUUID();
  const ask = async (): Promise<number> =>
    (await service.request('PUT', `/tenants/${id}`, { token: provisioningToken(id, 'appointment'), body: details })).status;
  // 202 where it takes its time: the first one of a service has to be made migration by migration.
  await expect.poll(ask, { timeout: 30_000, interval: 200 }).toBeOneOf([200, 201]);
  return { id, token: tokenFor({ tenant: id, permissions: ['*'] }) };
}

async function member(token: string, last_name = 'Chraibi'): Promise<string> {
  const { status, body } = await service.request('POST', '/team-members', { token, body: { first_name: 'Youssef', last_name, specialty: 'cardiology' } });
  expect(status, JSON.stringify(body)).toBe(201);
  return body.id as string;
}

function booking(team_member_id: string, from: string, to: string): object {
  return { patient_id: randomUUID(), team_member_id, starts_at: from, ends_at: to, reason: 'Check-up' };
}

test('three services at one URL keep a history each', async () => {
  const client = await db.connect();
  const { rows } = await client.query(
    "SELECT relname FROM pg_class WHERE relname LIKE 'schema\\_migrations\\_%' AND relkind = 'r' AND relname !~ '_(log|scripts|tenants)$' AND relnamespace = 'public'::regnamespace ORDER BY 1",
  );
  expect(rows.map((row: { relname: string }) => row.relname)).toEqual(['schema_migrations_appointment', 'schema_migrations_patient', 'schema_migrations_user']);
});

test('nobody is booked twice, and what is cancelled is free again', async () => {
  const { token } = await clinic();
  const doctor = await member(token);
  const first = await service.request('POST', '/appointments', { token, body: booking(doctor, '2026-11-23T09:00:00Z', '2026-11-23T09:30:00Z') });
  expect(first).toMatchObject({ status: 201, body: { status: 'scheduled' } });
  for (const [from, to] of [
    ['09:00', '09:30'],
    ['09:15', '09:45'],
    ['08:00', '10:00'],
  ]) {
    expect(
      (await service.request('POST', '/appointments', { token, body: booking(doctor, `2026-11-23T${from}:00Z`, `2026-11-23T${to}:00Z`) })).status,
      from,
    ).toBe(409);
  }
  expect((await service.request('POST', '/appointments', { token, body: booking(doctor, '2026-11-23T09:30:00Z', '2026-11-23T10:00:00Z') })).status).toBe(201);
  expect((await service.request('POST', '/appointments', { token, body: booking(randomUUID(), '2026-11-23T09:30:00Z', '2026-11-23T10:00:00Z') })).status).toBe(
    422,
  );
  expect((await service.request('POST', '/appointments', { token, body: booking(doctor, '2026-11-23T12:00:00Z', '2026-11-23T11:00:00Z') })).status).toBe(422);

  await service.request('POST', `/appointments/${first.body.id}/status`, { token, body: { status: 'cancelled' } });
  expect((await service.request('POST', '/appointments', { token, body: booking(doctor, '2026-11-23T09:00:00Z', '2026-11-23T09:30:00Z') })).status).toBe(201);
});

test('of ten bookings for one moment, one is made', async () => {
  const { token } = await clinic();
  const doctor = await member(token);
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      service.request('POST', '/appointments', { token, body: booking(doctor, `2026-11-24T09:0${index}:00Z`, '2026-11-24T09:30:00Z') }),
    ),
  );
  const count = (status: number): number => answers.filter((one) => one.status === status).length;
  expect([count(201), count(409)]).toEqual([1, 9]);
});

test('a status goes its way and not back', async () => {
  const { token } = await clinic();
  const { body } = await service.request('POST', '/appointments', {
    token,
    body: booking(await member(token), '2026-11-23T09:00:00Z', '2026-11-23T09:30:00Z'),
  });
  const become = async (status: string) => (await service.request('POST', `/appointments/${body.id}/status`, { token, body: { status } })).status;
  expect([await become('confirmed'), await become('confirmed'), await become('scheduled'), await become('completed'), await become('cancelled')]).toEqual([
    200, 200, 409, 200, 409,
  ]);
  expect(await become('eaten')).toBe(400);
  expect((await service.request('POST', `/appointments/${body.id}/move`, { token, body: { ends_at: '2026-11-23T10:00:00Z' } })).status).toBe(409);
  expect((await service.request('DELETE', `/appointments/${body.id}`, { token })).status).toBe(404);
});

test('a day is the day of the place that is named', async () => {
  const { token } = await clinic();
  const doctor = await member(token);
  // In Montréal it is still the 22nd.
  await service.request('POST', '/appointments', { token, body: booking(doctor, '2026-11-23T03:00:00Z', '2026-11-23T03:30:00Z') });
  const { body: late } = await service.request('POST', '/appointments', { token, body: booking(doctor, '2026-11-23T15:00:00Z', '2026-11-23T15:30:00Z') });
  const count = async (query: string) => (await service.request('GET', `/appointments?${query}`, { token })).body.items.length as number;
  expect(await count('day=2026-11-23')).toBe(2);
  expect(await count('day=2026-11-23@America/Montreal')).toBe(1);
  expect(await count('day=2026-11-22@America/Montreal')).toBe(1);
  expect((await service.request('GET', '/appointments?day=2026-11-23@Mars/Olympus', { token })).status).toBe(422);
  await service.request('POST', `/appointments/${late.id}/move`, { token, body: { starts_at: '2026-11-25T15:00:00Z', ends_at: '2026-11-25T15:30:00Z' } });
  expect(await count('day=2026-11-25')).toBe(1);
});

test('reminders, vendors and contacts belong together and to one clinic', async () => {
  const [a, b] = [await clinic(), await clinic()];
  const { body: vendor } = await service.request('POST', '/vendors', { token: a.token, body: { name: 'Pharma Sud', country: 'Morocco' } });
  expect((await service.request('POST', '/vendors', { token: a.token, body: { name: 'PHARMA SUD' } })).status).toBe(409);
  const { body: contact } = await service.request('POST', '/contacts', { token: a.token, body: { first_name: 'Leila', vendor_id: vendor.id } });
  expect((await service.request('GET', `/contacts?vendor_id=${vendor.id}`, { token: a.token })).body.items).toMatchObject([{ id: contact.id }]);
  const payment = { kind: 'payment', message: 'Invoice 12', due_at: '2026-11-30T08:00:00Z', vendor_id: vendor.id, amount: '1250.50', currency: 'MAD' };
  const { body: reminder } = await service.request('POST', '/reminders', { token: a.token, body: payment });
  expect(reminder).toMatchObject({ amount: '1250.50', status: 'pending' });
  expect((await service.request('POST', '/reminders', { token: a.token, body: { ...payment, amount: undefined } })).status).toBe(422);
  // Another clinic's vendor is no vendor at all.
  expect((await service.request('POST', '/reminders', { token: b.token, body: payment })).status).toBe(422);
  expect((await service.request('GET', '/reminders?due_before=2026-12-01T00:00:00Z', { token: a.token })).body.items).toHaveLength(1);
  expect((await service.request('PATCH', `/reminders/${reminder.id}`, { token: a.token, body: { status: 'sent' } })).status).toBe(422);
  expect(
    (await service.request('PATCH', `/reminders/${reminder.id}`, { token: a.token, body: { status: 'sent', sent_at: '2026-11-30T08:00:01Z' } })).status,
  ).toBe(200);
  for (const path of ['/vendors', '/contacts', '/reminders', '/team-members', '/appointments']) {
    expect((await service.request('GET', path, { token: b.token })).body.items, path).toEqual([]);
  }
  for (const path of [`/vendors/${vendor.id}`, `/contacts/${contact.id}`, `/reminders/${reminder.id}`]) {
    expect((await service.request('GET', path, { token: b.token })).status).toBe(404);
    expect((await service.request('DELETE', path, { token: b.token })).status).toBe(404);
  }
  expect((await service.request('DELETE', `/vendors/${vendor.id}`, { token: a.token })).status).toBe(204);
  expect((await service.request('GET', '/reminders', { token: a.token })).body.items).toEqual([]);
});
