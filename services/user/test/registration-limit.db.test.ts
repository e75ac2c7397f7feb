import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { startService, type ServiceProcess } from '@org/service-kit/testing';
import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

const admin = { email: 'admin@example.org', password: 'correct horse battery', first_name: 'Salma', last_name: 'Bennani' };

async function start(db: TestDatabase, environment: Readonly<Record<string, string>>): Promise<ServiceProcess> {
  const service = await startService(fileURLToPath(new URL('../src/main.ts', import.meta.url)), { USER_DATABASE_URL: db.url, ...environment });
  if (service.url !== '') await service.until('/health/ready', 200);
  return service;
}

async function register(service: ServiceProcess, forwardedFor?: string): Promise<Response> {
  const body = JSON.stringify({ id: randomUUID(), name: 'Clinique du Parc', country: 'Morocco', admin });
  const headers = { 'content-type': 'application/json', ...(forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }) };
  return await fetch(`${service.url}/clinics`, { method: 'POST', headers, body });
}

async function statuses(service: ServiceProcess, addresses: readonly string[]): Promise<number[]> {
  const found: number[] = [];
  for (const address of addresses) found.push((await register(service, address)).status);
  return found;
}

test('more registrations from one address than there may be are refused, and nothing else is', async () => {
  await using db = await testDatabase({ label: 'user' });
  await using service = await start(db, { REGISTRATIONS_PER_MINUTE: '2' });
  // Nobody is trusted to say that it comes from somewhere else.
  expect(await statuses(service, ['192.0.2.1', '192.0.2.2'])).toEqual([201, 201]);
  const refused = await register(service);
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await refused.json()).toEqual({
    type: 'about:blank',
    title: 'Too Many Requests',
    status: 429,
    detail: 'too many clinics are registered from this address; try again in a minute',
  });
  for (let times = 0; times < 4; times++) expect((await service.request('GET', '/clinics/by-subdomain/nobody-has-this')).status).toBe(404);
  expect((await db.connect().then((client) => client.query('SELECT FROM healthcare_entities'))).rowCount).toBe(2);
});

test('behind a proxy that is trusted, each address has its own limit', async () => {
  await using db = await testDatabase({ label: 'user' });
  await using service = await start(db, { REGISTRATIONS_PER_MINUTE: '1', TRUSTED_PROXIES: '127.0.0.1' });
  const [one, other] = ['2001:db8:0:1::1', '2001:db8:0:2::1'];
  // The last one is of the same network as the first.
  expect(await statuses(service, ['192.0.2.1', '192.0.2.1', '192.0.2.2', one, other, '2001:db8:0:1::2'])).toEqual([201, 429, 201, 201, 201, 429]);
});

test('a limit that is none stops the start and is named', async () => {
  await using db = await testDatabase({ label: 'user' });
  await using service = await start(db, { REGISTRATIONS_PER_MINUTE: 'many' });
  expect(await service.ended).toEqual({ code: 2, signal: null });
  expect(service.output()).toContain('REGISTRATIONS_PER_MINUTE is "many", and must be a number from 1 to 9999');
});
