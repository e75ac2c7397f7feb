import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { startService, tokenFor, type ServiceProcess } from '@org/service-kit/testing';
import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { countries, entityTypes } from '../src/clinics.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let db: TestDatabase;
let service: ServiceProcess;

beforeAll(async () => {
  db = await testDatabase({ label: 'user' });
  service = await startService(fileURLToPath(new URL('../src/main.ts', import.meta.url)), { USER_DATABASE_URL: db.url });
  await service.until('/health/ready', 200);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await db[Symbol.asyncDispose]();
});

const admin = { email: 'admin@example.org', password: 'correct horse battery', first_name: 'Salma', last_name: 'Bennani' };

async function clinic(more: object = {}): Promise<{ id: string; token: string; user: string }> {
  const id = randomUUID();
  const registered = await service.request('POST', '/clinics', { body: { id, name: 'Clinique du Parc', country: 'Morocco', admin, ...more } });
  expect(registered, JSON.stringify(registered.body)).toMatchObject({ status: 201, body: { id } });
  const { status, body } = await service.request('POST', '/sign-in', { body: { clinic: id, email: admin.email.toUpperCase(), password: admin.password } });
  expect(status).toBe(200);
  return { id, token: body.token, user: body.user };
}

test('a clinic registers, its administrator signs in by its subdomain, and changes it', async () => {
  const subdomain = `parc-${randomUUID().slice(0, 8)}`;
  const { id } = await clinic({ subdomain, city: 'Rabat', default_language: 'fr' });
  const { body: signedIn } = await service.request('POST', '/sign-in', { body: { subdomain, email: admin.email, password: admin.password } });
  const token = signedIn.token as string;
  expect((await service.request('GET', '/me', { token })).body).toMatchObject({ clinic: id, permissions: ['*'] });
  expect(await service.request('PATCH', `/clinics/${id}`, { token, body: { city: 'Salé' } })).toMatchObject({ status: 200, body: { city: 'Salé', subdomain } });
  const branded = await service.request('PUT', `/clinics/${id}/branding`, {
    token,
    body: { display_name: 'Le Parc', logo_url: 'https://example.org/logo.svg' },
  });
  expect(branded).toMatchObject({ status: 200, body: { display_name: 'Le Parc', primary_color: '#1d4ed8' } });
  expect((await service.request('GET', `/clinics/by-subdomain/${subdomain}`)).body).toMatchObject({ id, branding: { display_name: 'Le Parc' } });
  expect((await service.request('GET', '/clinics/by-subdomain/nobody-has-this')).status).toBe(404);
});

test('a registration can be sent again, and only by whoever sent it', async () => {
  const { id } = await clinic();
  const body = { id, name: 'Clinique du Parc', country: 'Morocco', admin };
  expect(await service.request('POST', '/clinics', { body })).toMatchObject({ status: 200, body: { id } });
  expect((await service.request('POST', '/clinics', { body: { ...body, admin: { ...admin, password: 'another password' } } })).status).toBe(409);
  expect((await service.request('POST', '/clinics', { body: { ...body, admin: { ...admin, email: 'other@example.org' } } })).status).toBe(409);
});

test('what the tables refuse is a problem without their data or their names', async () => {
  const subdomain = `one-${randomUUID().slice(0, 8)}`;
  await clinic({ subdomain });
  const taken = await service.request('POST', '/clinics', { body: { name: 'X', country: 'France', subdomain, admin } });
  expect(taken).toEqual({ status: 409, body: { type: 'about:blank', title: 'Conflict', status: 409, detail: 'it is there already' } });
  const country = await service.request('POST', '/clinics', { body: { name: 'X', country: 'Atlantis', admin } });
  expect(country).toMatchObject({ status: 400, body: { detail: expect.stringMatching(/country.*Canada, USA, Morocco, France/) } });
  expect(JSON.stringify(country.body)).not.toMatch(/Atlantis|healthcare_entities/);
  expect((await service.request('POST', '/clinics', { body: { name: 'X', country: 'France', unknown: 1, admin } })).status).toBe(400);
  expect((await service.request('GET', '/nowhere')).status).toBe(404);
  // The failing row holds the password's hash, the constraint the email: neither is for the log.
  expect(service.output()).not.toMatch(/scrypt\$|admin@example\.org|Failing row/);
});

test('fifty clinics register at once from one address', async () => {
  const body = { name: 'Clinique du Parc', country: 'Morocco', admin };
  const answers = await Promise.all(Array.from({ length: 50 }, () => service.request('POST', '/clinics', { body })));
  expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
});

test('two clinics do not see each other’s users, roles or themselves', async () => {
  const [a, b] = [await clinic(), await clinic()];
  const person = { email: 'nora@example.org', first_name: 'Nora', last_name: 'Idrissi', password: 'a long enough one' };
  const created = await service.request('POST', '/users', { token: a.token, body: person });
  expect(created.status).toBe(201);
  expect(Object.keys(created.body)).not.toContain('password_hash');
  expect((await service.request('POST', '/users', { token: a.token, body: { ...person, email: 'NORA@example.org' } })).status).toBe(409);
  expect((await service.request('POST', '/users', { token: b.token, body: person })).status).toBe(201);

  const list = await service.request('GET', '/users?limit=10', { token: b.token });
  expect(list.body.items.map((one: { id: string }) => one.id)).not.toContain(created.body.id);
  expect(list.body.items).toHaveLength(2);
  for (const [method, path, body] of [
    ['GET', `/users/${created.body.id}`],
    ['PATCH', `/users/${created.body.id}`, { last_name: 'X' }],
    ['DELETE', `/users/${created.body.id}`],
    ['GET', `/clinics/${a.id}`],
    ['PATCH', `/clinics/${a.id}`, { name: 'Theirs' }],
    ['PUT', `/clinics/${a.id}/branding`, { display_name: 'Theirs' }],
    ['POST', `/users/${created.body.id}/verifications`, { purpose: 'invitation' }],
  ] as const) {
    expect((await service.request(method, path, { token: b.token, ...(body === undefined ? {} : { body }) })).status, `${method} ${path}`).toBe(404);
  }
  expect((await service.request('GET', `/users/${created.body.id}`, { token: a.token })).body.last_name).toBe('Idrissi');
});

test('lists come in pages', async () => {
  const { token } = await clinic();
  for (const name of ['a', 'b', 'c']) await service.request('POST', '/roles', { token, body: { name, permissions: ['patients:read'] } });
  const first = await service.request('GET', '/roles?limit=3', { token });
  expect(first.body).toMatchObject({ items: [{ name: 'a' }, { name: 'admin' }, { name: 'b' }], next: 3 });
  expect((await service.request('GET', '/roles?limit=3&offset=3', { token })).body).toMatchObject({ items: [{ name: 'c' }], next: null });
  expect((await service.request('GET', '/roles?limit=1000', { token })).status).toBe(400);
});

test('roles are given and taken, and nobody gives what they do not have', async () => {
  const { id, token, user } = await clinic();
  const role = await service.request('POST', '/roles', { token, body: { name: 'reception', permissions: ['patients:read', 'patients:write'] } });
  const given = await service.request('POST', `/users/${user}/roles`, { token, body: { role_id: role.body.id } });
  expect(given).toMatchObject({ status: 201, body: { granted_by: user } });
  expect((await service.request('POST', `/users/${user}/roles`, { token, body: { role_id: randomUUID() } })).status).toBe(422);
  // Still given to somebody.
  expect((await service.request('DELETE', `/roles/${role.body.id}`, { token })).status).toBe(409);
  expect((await service.request('DELETE', `/users/${user}/roles/${role.body.id}`, { token })).status).toBe(204);
  expect((await service.request('DELETE', `/roles/${role.body.id}`, { token })).status).toBe(204);

  const modest = tokenFor({ tenant: id, sub: user, permissions: ['roles:write', 'roles:read'] });
  expect((await service.request('POST', '/roles', { token: modest, body: { name: 'mine', permissions: ['*'] } })).status).toBe(403);
  const all = await service.request('GET', '/roles', { token: modest });
  const adminRole = all.body.items.find((one: { name: string }) => one.name === 'admin');
  expect((await service.request('POST', `/users/${user}/roles`, { token: modest, body: { role_id: adminRole.id } })).status).toBe(403);
});

test('an invitation sets a password once, and proves the address', async () => {
  const { id, token } = await clinic();
  const person = await service.request('POST', '/users', {
    token,
    body: { email: 'ali@example.org', first_name: 'Ali', last_name: 'Amrani', password: 'made up by somebody' },
  });
  const sent = await service.request('POST', `/users/${person.body.id}/verifications`, { token, body: { purpose: 'invitation' } });
  expect(sent.status).toBe(201);
  const use = { clinic: id, token: sent.body.token, password: 'chosen by Ali himself' };
  expect((await service.request('POST', '/verifications', { body: { clinic: id, token: sent.body.token } })).status).toBe(422);
  expect((await service.request('POST', '/verifications', { body: { ...use, clinic: randomUUID() } })).status).toBe(404);
  expect((await service.request('POST', '/verifications', { body: use })).body).toEqual({ user: person.body.id, purpose: 'invitation' });
  expect((await service.request('POST', '/verifications', { body: use })).status).toBe(404);
  expect((await service.request('POST', '/sign-in', { body: { clinic: id, email: 'ali@example.org', password: use.password } })).status).toBe(200);
  expect((await service.request('GET', `/users/${person.body.id}`, { token })).body.email_verified_at).not.toBeNull();
});

test('five wrong passwords lock an account, and the answer does not tell', async () => {
  const { id } = await clinic();
  const wrong = { clinic: id, email: admin.email, password: 'wrong' };
  for (let attempt = 0; attempt < 5; attempt++) expect((await service.request('POST', '/sign-in', { body: wrong })).status).toBe(401);
  const locked = await service.request('POST', '/sign-in', { body: { ...wrong, password: admin.password } });
  const unknown = await service.request('POST', '/sign-in', { body: { ...wrong, email: 'nobody@example.org' } });
  expect(locked).toEqual(unknown);
  expect(locked.status).toBe(401);
});

test('tokens of another key, another issuer, out of date or of a strange tenant are refused', async () => {
  const { id } = await clinic();
  const all = { tenant: id, permissions: ['*'] };
  const tokens = [
    tokenFor(all, 'a key that is not the one of this service at all'),
    tokenFor({ ...all, iss: 'somebody' }),
    tokenFor({ ...all, lifetime: -10 }),
    tokenFor({ ...all, tenant: "x'; DROP TABLE users; --" }),
    'eyJhbGciOiJub25lIn0.e30.',
  ];
  for (const token of tokens) expect((await service.request('GET', '/users', { token })).status).toBe(401);
  expect((await service.request('GET', '/users')).status).toBe(401);
  expect((await service.request('GET', '/users', { token: tokenFor({ ...all, permissions: ['patients:read'] }) })).status).toBe(403);
});

test('what is changed is audited with who did it, and without the secret', async () => {
  const { id, token, user } = await clinic();
  const person = await service.request('POST', '/users', {
    token,
    body: { email: 'rim@example.org', first_name: 'Rim', last_name: 'Alaoui', password: 'a long enough one' },
  });
  await service.request('PATCH', `/users/${person.body.id}`, { token, body: { last_name: 'Tazi' } });
  const client = await db.connect();
  const { rows } = await client.query('SELECT action, actor, old_values, new_values FROM user_audit_log WHERE tenant_id = $1 AND row_id = $2 ORDER BY id', [
    id,
    person.body.id,
  ]);
  expect(rows).toMatchObject([
    { action: 'INSERT', actor: user, new_values: { last_name: 'Alaoui', password_hash: '(withheld)' } },
    { action: 'UPDATE', actor: user, old_values: { last_name: 'Alaoui' }, new_values: { last_name: 'Tazi' } },
  ]);
});

test('the countries and types that a registration may name are those of the table', async () => {
  const client = await db.connect();
  for (const [constraint, allowed] of [
    ['healthcare_entities_country_check', countries],
    ['healthcare_entities_type_check', entityTypes],
  ] as const) {
    const { rows } = await client.query('SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conname = $1', [constraint]);
    expect([...String(rows[0]?.['definition']).matchAll(/'([^']+)'/g)].map(([, value]) => value)).toEqual(allowed);
  }
});
