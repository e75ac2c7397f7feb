/** The three services as processes of their own, on databases of a test's own, as one would run them. */

import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startService, type ServiceProcess } from '@org/service-kit/testing';
import { freePort, runOn, testDatabase, type TestDatabase } from '@org/test-postgres';
import pg from 'pg';
import { expect, vi } from 'vitest';

export type ServiceName = 'user' | 'patient' | 'appointment';

export interface Topology {
  /** `one`: all three services in one database. Default `each`. */
  readonly databases?: 'each' | 'one';
  /** Default `schema`. */
  readonly tenancy?: 'schema' | 'database';
}

/** A clinic that has registered, and whoever registered it. */
export interface RegisteredClinic {
  readonly id: string;
  readonly token: string;
  readonly user: string;
  /** Its schema or database. */
  readonly place: string;
}

export interface Platform extends AsyncDisposable {
  readonly url: Readonly<Record<ServiceName, string>>;
  /** Of each service; the same where they share one. */
  readonly database: Readonly<Record<ServiceName, TestDatabase>>;
  /** Starts one more process of a service; the first one listens where the others look for it. Ended with the platform. */
  start(name: ServiceName, environment?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** What all services are started with. */
  environmentOf(name: ServiceName): Readonly<Record<string, string>>;
}

const main = (service: ServiceName): string => fileURLToPath(new URL(`../../../${service}/src/main.ts`, import.meta.url));

/** Nothing is started yet. */
export async function platform({ databases = 'each', tenancy = 'schema' }: Topology = {}): Promise<Platform> {
  const names: readonly ServiceName[] = ['user', 'patient', 'appointment'];
  const one = databases === 'one' ? await testDatabase({ label: 'clinics' }) : null;
  const database = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, one ?? (await testDatabase({ label: name }))])),
  ) as Platform['database'];
  const port = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()]))) as Record<ServiceName, number>;
  const url = Object.fromEntries(names.map((name) => [name, `http://127.0.0.1:${port[name]}`])) as Platform['url'];
  const running: ServiceProcess[] = [];
  const atPort = new Set<ServiceName>();
  const environmentOf: Platform['environmentOf'] = (name) => ({
    ...Object.fromEntries(names.filter((other) => other !== name).map((other) => [`${other.toUpperCase()}_SERVICE_URL`, url[other]])),
    ...(one === null ? { [`${name.toUpperCase()}_DATABASE_URL`]: database[name].url } : { DATABASE_URL: one.url }),
    APPOINTMENT_TENANCY: tenancy,
  });
  return {
    url,
    database,
    environmentOf,
    async start(name, environment = {}) {
      // Whoever stands at the service's own port has not ended yet.
      const taken = atPort.has(name);
      if (!taken) atPort.add(name);
      const process = await startService(main(name), { ...environmentOf(name), ...(taken ? {} : { PORT: String(port[name]) }), ...environment });
      if (!taken) void process.ended.then(() => atPort.delete(name));
      running.push(process);
      return process;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((process) => process[Symbol.asyncDispose]()));
      if (tenancy === 'database') await dropPlaces(database.appointment);
      for (const each of new Set(Object.values(database))) await each[Symbol.asyncDispose]();
    },
  };
}

/** All three, ready. */
export async function startAll(on: Platform): Promise<Record<ServiceName, ServiceProcess>> {
  const [user, patient, appointment] = await Promise.all([on.start('user'), on.start('patient'), on.start('appointment')]);
  const all = { user, patient, appointment } as Record<ServiceName, ServiceProcess>;
  await Promise.all(Object.values(all).map((one) => one.until('/health/ready', 200, 40_000)));
  return all;
}

/** The databases of tenants, which no test would drop otherwise. */
async function dropPlaces(database: TestDatabase): Promise<void> {
  const places = await rowsOf<{ place: string }>(database, `SELECT place FROM schema_migrations_appointment_tenants WHERE kind = 'database'`).catch(() => []);
  for (const { place } of places) await runOn(database.server, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(place)} WITH (FORCE)`);
}

/** As the superuser, in a database of the test or of one of its tenants. */
export async function rowsOf<T extends object = Record<string, unknown>>(database: TestDatabase, sql: string, tenant?: string): Promise<T[]> {
  const client = new pg.Client(tenant === undefined ? database.url : database.server.url(tenant));
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

const admin = { email: 'admin@example.org', password: 'correct horse battery', first_name: 'Salma', last_name: 'Bennani' };

/** Registers a clinic and signs its administrator in. Its place may not be there yet. */
export async function register(user: ServiceProcess, id: string, more: object = {}): Promise<RegisteredClinic> {
  const { status, body } = await user.request('POST', '/clinics', {
    body: { id, name: `Clinic ${id.slice(0, 4)}`, country: 'Morocco', timezone: 'Africa/Casablanca', admin, ...more },
  });
  expect([200, 201], JSON.stringify(body)).toContain(status);
  const signedIn = await user.request('POST', '/sign-in', { body: { clinic: id, email: admin.email, password: admin.password } });
  expect(signedIn.status).toBe(200);
  return { id, token: signedIn.body.token, user: signedIn.body.user, place: `clinic_${id.replaceAll('-', '')}` };
}

/** Until every service has its place for the clinic. */
export async function untilActive(user: ServiceProcess, clinic: RegisteredClinic, withinMs = 40_000): Promise<void> {
  await vi.waitFor(
    async () => {
      const { body } = await user.request('GET', `/clinics/${clinic.id}/provisioning`, { token: clinic.token });
      expect(body).toMatchObject({ status: 'active', services: [{ service: 'appointment', status: 'active' }] });
    },
    { timeout: withinMs, interval: 100 },
  );
}

/** A build of the appointment service with more tenant migrations than the present one: its configuration's file. */
export async function newerBuild(
  more: Readonly<Record<string, string>>,
): Promise<{ readonly environment: Readonly<Record<string, string>> } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'appointment-build-'));
  const own = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  await cp(own('tenant-migrations'), join(folder, 'tenant-migrations'), { recursive: true });
  await cp(own('migrations'), join(folder, 'migrations'), { recursive: true });
  for (const [name, text] of Object.entries(more)) await writeFile(join(folder, 'tenant-migrations', name), text);
  await cp(own('migrate.config.ts'), join(folder, 'migrate.config.ts'));
  // What its files import is found there.
  await symlink(own('node_modules'), join(folder, 'node_modules'));
  return {
    environment: { MIGRATE_CONFIG: join(folder, 'migrate.config.ts') },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
