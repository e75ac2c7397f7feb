import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { startService, tokenFor, type ServiceProcess } from '@org/service-kit/testing';
import { testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';

const main = (service: string): string => fileURLToPath(new URL(`../../${service}/src/main.ts`, import.meta.url));
let db: TestDatabase;
let userDb: TestDatabase;
let user: ServiceProcess;
let service: ServiceProcess;

beforeAll(async () => {
  [userDb, db] = [await testDatabase({ label: 'user' }), await testDatabase({ label: 'patient' })];
  user = await startService(main('user'), { USER_DATABASE_URL: userDb.url });
  service = await startService(main('patient'), { PATIENT_DATABASE_URL: db.url, USER_SERVICE_URL: user.url });
  await service.until('/health/ready', 200);
});
afterAll(async () => {
  for (const one of [service, user, db, userDb]) await one[Symbol.asyncDispose]();
});

function clinic(): { id: string; token: string; user: string } {
  const [id, sub] = [randomUUID(), randomUUID()];
  return { id, user: sub, token: tokenFor({ tenant: id, sub, permissions: ['*'] }) };
}

const amina = { patient_id: 'P-1', first_name: 'Amina', last_name: 'El Fassi', date_of_birth: '1984-02-29', country: 'Morocco', phone: '06 12 34 56 78' };

test('a patient is registered, found, changed and audited', async () => {
  const { id: tenant, token, user: who } = clinic();
  const created = await service.request('POST', '/patients', {
    token,
    body: { ...amina, blood_type: 'Rh-null', emergency_contact_address: '12, rue des Orangers\nRabat' },
  });
  expect(created, JSON.stringify(created.body)).toMatchObject({
    status: 201,
    // A date stays the day it is, wherever the server stands.
    body: { date_of_birth: '1984-02-29', phone: '+212612345678', phone_as_typed: '06 12 34 56 78', created_by: who, blood_type: 'Rh-null' },
  });
  const path = `/patients/${created.body.id}`;
  expect((await service.request('GET', path, { token })).body).toEqual(created.body);
  expect((await service.request('PATCH', path, { token, body: { marital_status: 'married', email: null } })).body.marital_status).toBe('married');
  for (const query of ['name=el%20f', 'name=AMI', 'patient_id=P-1', 'phone=%2B212612345678', 'date_of_birth=1984-02-29']) {
    expect((await service.request('GET', `/patients?${query}`, { token })).body.items, query).toHaveLength(1);
  }
  for (const query of ['name=%25', 'name=fassi', 'patient_id=P-2'])
    expect((await service.request('GET', `/patients?${query}`, { token })).body.items, query).toEqual([]);
  await service.request('PATCH', path, { token, body: { is_active: false } });
  expect((await service.request('GET', '/patients?name=ami', { token })).body.items, 'no patient any more').toEqual([]);
  expect((await service.request('GET', '/patients?patient_id=P-1', { token })).body.items, 'but still known by number').toHaveLength(1);

  const client = await db.connect();
  const { rows } = await client.query('SELECT action, actor, changed_columns FROM patient_audit_log WHERE tenant_id = $1 ORDER BY id', [tenant]);
  expect(rows).toMatchObject([
    { action: 'INSERT', actor: who },
    { action: 'UPDATE', actor: who, changed_columns: ['marital_status', 'updated_at'] },
    { action: 'UPDATE', actor: who, changed_columns: ['is_active', 'updated_at'] },
  ]);
  expect((await service.request('DELETE', path, { token })).status).toBe(204);
  expect((await service.request('GET', path, { token })).status).toBe(404);
});

test('a patient’s number is unique within the clinic, and what cannot be is refused without the data', async () => {
  const [a, b] = [clinic(), clinic()];
  expect((await service.request('POST', '/patients', { token: a.token, body: amina })).status).toBe(201);
  expect((await service.request('POST', '/patients', { token: b.token, body: amina })).status).toBe(201);
  expect((await service.request('POST', '/patients', { token: a.token, body: amina })).status).toBe(409);
  const refused = await service.request('POST', '/patients', { token: a.token, body: { ...amina, patient_id: 'P-2', blood_type: 'Z+' } });
  expect(refused.status).toBe(422);
  expect(JSON.stringify(refused.body)).not.toMatch(/Z\+|Fassi|patients_/);
  for (const body of [{ ...amina, date_of_birth: '2023-02-30' }, { ...amina, is_admin: true }, { patient_id: 'P-3' }, { ...amina, first_name: 7 }]) {
    expect((await service.request('POST', '/patients', { token: a.token, body })).status).toBe(400);
  }
  expect((await service.request('GET', '/patients/not-an-id', { token: a.token })).status).toBe(400);
  expect(service.output()).not.toMatch(/El Fassi|Failing row/);
});

test('a clinic sees nothing of another one’s patients, records, tests and fields', async () => {
  const [a, b] = [clinic(), clinic()];
  const { body: patient } = await service.request('POST', '/patients', { token: a.token, body: amina });
  const { body: record } = await service.request('POST', `/patients/${patient.id}/records`, {
    token: a.token,
    body: { record_type: 'visit', title: 'First visit' },
  });
  const { body: lab } = await service.request('POST', `/patients/${patient.id}/lab-tests`, {
    token: a.token,
    body: { test_code: '718-7', test_name: 'Hemoglobin' },
  });
  await service.request('POST', '/custom-fields', { token: a.token, body: { entity: 'patient', name: 'shoe_size', label: 'Shoe size', field_type: 'number' } });
  for (const [method, path, body] of [
    ['GET', `/patients/${patient.id}`],
    ['PATCH', `/patients/${patient.id}`, { last_name: 'X' }],
    ['DELETE', `/patients/${patient.id}`],
    ['GET', `/patients/${patient.id}/records`],
    ['POST', `/patients/${patient.id}/records`, { record_type: 'visit', title: 'X' }],
    ['PATCH', `/records/${record.id}`, { is_confidential: true }],
    ['GET', `/lab-tests/${lab.id}`],
    ['PATCH', `/lab-tests/${lab.id}`, { status: 'cancelled' }],
    ['GET', `/patients/${patient.id}/custom-fields`],
    ['PUT', `/patients/${patient.id}/custom-fields/shoe_size`, { value: 40 }],
  ] as const) {
    expect((await service.request(method, path, { token: b.token, ...(body === undefined ? {} : { body }) })).status, `${method} ${path}`).toBe(404);
  }
  for (const path of ['/patients', '/lab-tests', '/custom-fields']) expect((await service.request('GET', path, { token: b.token })).body.items).toEqual([]);
  // Naming another clinic in the body is no way in either: there is no such key.
  expect((await service.request('POST', '/patients', { token: b.token, body: { ...amina, tenant_id: a.id } })).status).toBe(400);
});

test('records are added and corrected by later ones', async () => {
  const { token, user: who } = clinic();
  const { body: patient } = await service.request('POST', '/patients', { token, body: amina });
  const path = `/patients/${patient.id}/records`;
  const first = await service.request('POST', path, { token, body: { record_type: 'diagnosis', title: 'Asthma', diagnosis_codes: ['J45.0'] } });
  expect(first).toMatchObject({ status: 201, body: { recorded_by: who, diagnosis_codes: ['J45.0'] } });
  const second = await service.request('POST', path, { token, body: { record_type: 'note', title: 'Not asthma', corrects_id: first.body.id } });
  expect(second.status).toBe(201);
  expect((await service.request('POST', path, { token, body: { record_type: 'gossip', title: 'X' } })).status).toBe(422);
  expect((await service.request('POST', path, { token, body: { record_type: 'note', title: 'X', corrects_id: randomUUID() } })).status).toBe(422);
  expect((await service.request('GET', `${path}?diagnosis=J45.0`, { token })).body.items).toHaveLength(1);
  expect((await service.request('GET', path, { token })).body.items.map((one: { title: string }) => one.title)).toEqual(['Not asthma', 'Asthma']);
  expect((await service.request('PATCH', `/records/${first.body.id}`, { token, body: { is_confidential: true } })).body.is_confidential).toBe(true);
  // With a record, a patient is not deleted.
  expect((await service.request('DELETE', `/patients/${patient.id}`, { token })).status).toBe(409);
});

test('a test is ordered, and completed only with a result', async () => {
  const { token } = clinic();
  const { body: patient } = await service.request('POST', '/patients', { token, body: amina });
  const { body: lab } = await service.request('POST', `/patients/${patient.id}/lab-tests`, { token, body: { test_code: '718-7', test_name: 'Hemoglobin' } });
  expect((await service.request('GET', '/lab-tests?open=true', { token })).body.items).toHaveLength(1);
  expect((await service.request('PATCH', `/lab-tests/${lab.id}`, { token, body: { status: 'completed' } })).status).toBe(422);
  const result = { status: 'completed', result_value: '13.4', result_unit: 'g/dL', resulted_at: '2026-11-21T10:00:00Z', is_abnormal: false };
  expect((await service.request('PATCH', `/lab-tests/${lab.id}`, { token, body: result })).body).toMatchObject({ status: 'completed', result_value: '13.4' });
  expect((await service.request('GET', '/lab-tests?open=true', { token })).body.items).toEqual([]);
  expect((await service.request('DELETE', `/lab-tests/${lab.id}`, { token })).status).toBe(404);
});

test('a clinic’s own fields take what they are defined for', async () => {
  const { token } = clinic();
  const { body: patient } = await service.request('POST', '/patients', { token, body: amina });
  const define = (body: object) => service.request('POST', '/custom-fields', { token, body: { entity: 'patient', label: 'A field', ...body } });
  expect((await define({ name: 'referred_by', field_type: 'select', options: ['doctor', 'friend'] })).status).toBe(201);
  expect((await define({ name: 'last_travel', field_type: 'date', position: 1 })).status).toBe(201);
  expect((await define({ name: 'no_choices', field_type: 'select' })).status).toBe(422);
  expect((await define({ name: 'referred_by', field_type: 'text' })).status).toBe(409);
  const path = `/patients/${patient.id}/custom-fields`;
  expect((await service.request('PUT', `${path}/referred_by`, { token, body: { value: 'friend' } })).status).toBe(200);
  expect((await service.request('PUT', `${path}/referred_by`, { token, body: { value: 'doctor' } })).status).toBe(200);
  for (const [name, value, status] of [
    ['referred_by', 'nobody', 422],
    ['last_travel', '2026-02-30', 422],
    ['unheard_of', 'x', 404],
  ] as const) {
    expect((await service.request('PUT', `${path}/${name}`, { token, body: { value } })).status, name).toBe(status);
  }
  expect((await service.request('GET', path, { token })).body.items).toMatchObject([
    { name: 'referred_by', value: 'doctor' },
    { name: 'last_travel', value: null },
  ]);
});

test('permissions decide who reads and who writes', async () => {
  const { id } = clinic();
  const reader = tokenFor({ tenant: id, permissions: ['patients:read'] });
  expect((await service.request('GET', '/patients', { token: reader })).status).toBe(200);
  expect((await service.request('POST', '/patients', { token: reader, body: amina })).status).toBe(403);
  expect((await service.request('GET', '/lab-tests', { token: reader })).status).toBe(403);
});

test('the application may have a connection of its own, which owns nothing', async () => {
  await using role = await testRole({ label: 'patient_login' });
  const client = await db.connect();
  await client.query(`GRANT patient_app TO ${role.name}`);
  await using second = await startService(main('patient'), {
    PATIENT_MIGRATION_DATABASE_URL: db.url,
    PATIENT_DATABASE_URL: role.url(db.name),
    USER_SERVICE_URL: user.url,
  });
  await second.until('/health/ready', 200);
  const { token } = clinic();
  const created = await second.request('POST', '/patients', { token, body: amina });
  expect(created.status).toBe(201);
  const { rows } = await client.query('SELECT db_role FROM patient_audit_log WHERE row_id = $1', [created.body.id]);
  expect(rows).toEqual([{ db_role: role.name }]);
  second.kill('SIGTERM');
  expect((await second.ended).code).toBe(0);
});
