/** Clinics register over HTTP and work, in each way of keeping services and clinics apart; none sees anything of another. */

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ServiceProcess } from '@org/service-kit/testing';
import { runOn, testRole } from '@org/test-postgres';
import pg from 'pg';

import {
  platform,
  register,
  rowsOf,
  startAll,
  untilActive,
  type Platform,
  type RegisteredClinic,
  type ServiceName,
  type Topology,
} from './support/platform.ts';

const topologies: readonly (readonly [string, Topology])[] = [
  ['a database for each service, a schema for each clinic', { databases: 'each', tenancy: 'schema' }],
  ['a database for each service, a database for each clinic', { databases: 'each', tenancy: 'database' }],
  ['three services in one database, a schema for each clinic', { databases: 'one', tenancy: 'schema' }],
  ['three services in one database, a database for each clinic', { databases: 'one', tenancy: 'database' }],
];

test.each(['schema', 'database'] as const)(
  'with a %s for each clinic, the application’s own login reaches the clinics, and may do nothing else there',
  async (tenancy) => {
    await using on = await platform({ tenancy });
    await using login = await testRole({ label: 'appointment_login' });
    await using stranger = await testRole({ label: 'stranger' });
    const { server, name } = on.database.appointment;
    await runOn(server, `DO $$ BEGIN CREATE ROLE appointment_app NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`);
    await runOn(server, `GRANT appointment_app TO ${login.name}`);
    const [user, patient, appointment] = await Promise.all([
      on.start('user'),
      on.start('patient'),
      on.start('appointment', { APPOINTMENT_DATABASE_URL: login.url(name), APPOINTMENT_MIGRATION_DATABASE_URL: on.database.appointment.url }),
    ]);
    await Promise.all([user, patient, appointment].map((one) => one.until('/health/ready', 200, 40_000)));
    const clinic = await register(user, randomUUID());
    await untilActive(user, clinic);
    const member = { first_name: 'Youssef', last_name: 'Alami' };
    expect((await appointment.request('POST', '/team-members', { token: clinic.token, body: member })).status).toBe(201);
    expect((await appointment.request('GET', '/team-members', { token: clinic.token })).body.items).toHaveLength(2);

    const schema = tenancy === 'schema' ? clinic.place : 'public';
    const at = (role: { url(database: string): string }) => new pg.Client(role.url(tenancy === 'schema' ? name : clinic.place));
    const client = at(login);
    await client.connect();
    // Whoever could get at the login itself: no row without a clinic, no history, no registry, no table of one's own.
    expect((await client.query(`SELECT FROM ${schema}.team_member`)).rowCount).toBe(0);
    for (const sql of [`CREATE TABLE ${schema}.mine (id int)`, `SELECT FROM ${schema}.schema_migrations_appointment`, `TRUNCATE ${schema}.team_member`]) {
      await expect(client.query(sql), sql).rejects.toMatchObject({ code: '42501' });
    }
    await client.end();
    const other = at(stranger);
    const reach = other.connect().then(() => other.query(`SELECT FROM ${schema}.team_member`));
    await expect(reach).rejects.toMatchObject({ code: '42501' });
    await other.end();
  },
);

describe.each(topologies)('%s', (_, topology) => {
  let on: Platform;
  let services: Record<ServiceName, ServiceProcess>;
  let a: RegisteredClinic;
  let b: RegisteredClinic;

  beforeAll(async () => {
    on = await platform(topology);
    services = await startAll(on);
    [a, b] = [await register(services.user, randomUUID()), await register(services.user, randomUUID(), { country: 'France', timezone: 'Europe/Paris' })];
    await Promise.all([untilActive(services.user, a), untilActive(services.user, b)]);
  });
  afterAll(() => on[Symbol.asyncDispose]());

  const team = async (clinic: RegisteredClinic): Promise<{ id: string; user_id: string | null; email: string | null }[]> =>
    (await services.appointment.request('GET', '/team-members', { token: clinic.token })).body.items;

  test('whoever registered a clinic is the first member of its team, and of no other', async () => {
    expect(await team(a)).toMatchObject([{ user_id: a.user, email: 'admin@example.org', first_name: 'Salma', last_name: 'Bennani' }]);
    expect(await team(b)).toMatchObject([{ user_id: b.user }]);
    expect((await services.appointment.request('GET', '/clinic', { token: b.token })).body).toMatchObject({
      id: b.id,
      country: 'France',
      timezone: 'Europe/Paris',
    });
  });

  test('what a clinic enters it reads back, and another clinic finds none of it', async () => {
    const { appointment, patient } = services;
    const person = await patient.request('POST', '/patients', {
      token: a.token,
      body: { patient_id: 'P-1', first_name: 'Amina', last_name: 'Tremblay', date_of_birth: '1980-05-17', country: 'Morocco' },
    });
    expect(person.status, JSON.stringify(person.body)).toBe(201);
    const doctor = await appointment.request('POST', '/team-members', { token: a.token, body: { first_name: 'Youssef', last_name: 'Alami' } });
    expect(doctor.status).toBe(201);
    const booked = await appointment.request('POST', '/appointments', {
      token: a.token,
      body: { patient_id: person.body.id, team_member_id: doctor.body.id, starts_at: '2026-11-23T09:00:00Z', ends_at: '2026-11-23T09:30:00Z' },
    });
    expect(booked).toMatchObject({ status: 201, body: { status: 'scheduled', created_by: a.user } });
    expect((await appointment.request('GET', `/appointments/${booked.body.id}`, { token: a.token })).body).toEqual(booked.body);

    expect((await appointment.request('GET', '/appointments', { token: b.token })).body.items).toEqual([]);
    expect(await team(b)).toHaveLength(1);
    for (const [service, method, path, body] of [
      [appointment, 'GET', `/appointments/${booked.body.id}`],
      [appointment, 'PATCH', `/appointments/${booked.body.id}`, { notes: 'theirs' }],
      [appointment, 'POST', `/appointments/${booked.body.id}/status`, { status: 'cancelled' }],
      [appointment, 'DELETE', `/team-members/${doctor.body.id}`],
      [patient, 'GET', `/patients/${person.body.id}`],
    ] as const) {
      expect((await service.request(method, path, { token: b.token, ...(body === undefined ? {} : { body }) })).status, `${method} ${path}`).toBe(404);
    }
    // Another clinic's doctor is nobody here.
    const stolen = { patient_id: person.body.id, team_member_id: doctor.body.id, starts_at: '2026-11-24T09:00:00Z', ends_at: '2026-11-24T09:30:00Z' };
    expect((await appointment.request('POST', '/appointments', { token: b.token, body: stolen })).status).toBe(422);
  });

  test('a clinic’s token opens nothing that names another clinic', async () => {
    const { appointment, user } = services;
    const details = { name: 'Theirs', country: 'France', timezone: 'UTC', admin: null };
    for (const [service, method, path, status, body] of [
      [user, 'GET', `/clinics/${b.id}`, 404],
      [user, 'GET', `/clinics/${b.id}/provisioning`, 404],
      [user, 'PATCH', `/clinics/${b.id}`, 404, { name: 'Theirs' }],
      [appointment, 'GET', `/tenants/${b.id}`, 403],
      [appointment, 'PUT', `/tenants/${b.id}`, 403, details],
      [appointment, 'PUT', `/tenants/${a.id}`, 403, details],
    ] as const) {
      expect((await service.request(method, path, { token: a.token, ...(body === undefined ? {} : { body }) })).status, `${method} ${path}`).toBe(status);
    }
  });

  test('each clinic’s rows are in a place of its own, and the service tells how many there are', async () => {
    const shared = on.database.appointment;
    const places = [a.place, b.place].toSorted();
    const found =
      topology.tenancy === 'database'
        ? await rowsOf(shared, `SELECT datname AS name FROM pg_database WHERE datname = ANY ('{${places.join(',')}}') ORDER BY 1`)
        : await rowsOf(shared, `SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'clinic\\_%' ORDER BY 1`);
    expect(found.map((row) => row['name'])).toEqual(places);
    for (const { id, place } of [a, b]) {
      const sql = `SELECT DISTINCT tenant_id FROM ${topology.tenancy === 'database' ? 'public' : place}.team_member`;
      expect(await rowsOf(shared, sql, topology.tenancy === 'database' ? place : undefined)).toEqual([{ tenant_id: id }]);
    }
    expect(await rowsOf(shared, `SELECT to_regclass('public.team_member') AS shared`)).toEqual([{ shared: null }]);
    // The answer may be half a second old.
    await expect
      .poll(async () => (await services.appointment.request('GET', '/health/db')).body, { timeout: 10_000 })
      .toMatchObject({ service: 'appointment', version: '0002', phase: 'ready', tenants: { total: 2, current: 2, behind: 0, failed: 0 } });
  });
});
