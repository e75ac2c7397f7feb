import { setTimeout as sleep } from 'node:timers/promises';

import { startServer } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createFleet, directorySource, type FleetEvent } from '../src/index.ts';
import { connectTo, folder } from './support/target.ts';

const COUNT = 60;
const slow = { '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\nSELECT pg_sleep(0.05);\n-- Down Migration\nDROP TABLE team;\n' };

async function fleetOf(
  url: string,
  path: string,
  events: FleetEvent[],
  onDone: (done: number) => void = () => undefined,
): Promise<ReturnType<typeof createFleet>> {
  const names = Array.from({ length: COUNT }, (_, index) => `clinic_${index}`);
  return createFleet({
    service: 'test',
    source: directorySource(path),
    targets: () => names.map((name) => ({ tenant: name, schema: name })),
    connect: () => connectTo(url),
    onEvent: (event) => {
      events.push(event);
      if (event.type === 'result') onDone(event.done);
    },
  });
}

/** Makes the schemas of the fleet. Answers where they are. */
async function prepare(server: Awaited<ReturnType<typeof startServer>>): Promise<string> {
  const url = server.url('postgres');
  const client = await connectTo(url);
  for (let index = 0; index < COUNT; index++) await client.query(`CREATE SCHEMA clinic_${index}`);
  await client.end();
  return url;
}

test('a server that vanishes in the middle is told at once, and the report says who is done, unknown and not begun', async () => {
  await using server = await startServer();
  await using files = await folder(slow);
  const url = await prepare(server);
  const events: FleetEvent[] = [];
  const stops: Promise<unknown>[] = [];
  const fleet = await fleetOf(url, files.path, events, (done) => {
    if (done >= 10 && stops.length === 0) stops.push(server.stop('immediate'));
  });
  const began = performance.now();
  let lostAt = Infinity;
  const watch = setInterval(() => {
    if (lostAt === Infinity && events.some((event) => event.type === 'connectionLost')) lostAt = performance.now() - began;
  }, 50);
  const report = await fleet.up({ concurrency: 4 });
  clearInterval(watch);
  await Promise.all(stops);
  expect(report.stopped).toBe('connection');
  expect(report.total).toBe(COUNT);
  expect(lostAt).toBeLessThan(performance.now() - began - 5_000);
  expect(events.filter((event) => event.type === 'connectionLost')).toHaveLength(1);
  expect(report.counts.applied).toBeGreaterThan(0);
  expect(report.counts.notRun).toBeGreaterThan(0);
  expect(report.counts.failed).toBe(report.failures.length);
  expect(report.failures.map((one) => one.failed?.code).filter((code) => code !== 'connection')).toEqual([]);
  expect(events.filter((event) => event.type === 'result')).toHaveLength(COUNT);

  await server.start();
  const again = await (await fleetOf(server.url('postgres'), files.path, [])).up();
  expect(again.failures).toEqual([]);
  expect(again.counts.upToDate).toBeGreaterThanOrEqual(report.counts.applied);
}, 120_000);

test('a server that comes back is gone on with, and nobody failed', async () => {
  await using server = await startServer();
  await using files = await folder(slow);
  const url = await prepare(server);
  const events: FleetEvent[] = [];
  const restarts: Promise<unknown>[] = [];
  const fleet = await fleetOf(url, files.path, events, (done) => {
    if (done >= 10 && restarts.length === 0) restarts.push(server.stop('immediate').then(() => server.start()));
  });
  const report = await fleet.up({ concurrency: 4 });
  await Promise.all(restarts);
  expect(report.failures).toEqual([]);
  expect(report.stopped).toBeNull();
  expect(report.counts.applied + report.counts.upToDate).toBe(COUNT);
  expect(events.some((event) => event.type === 'connectionLost')).toBe(true);
}, 120_000);

test('while the server has no connection to give, those that are there are shared for as long as it takes, and nobody failed', async () => {
  await using server = await startServer({ settings: { max_connections: '5', superuser_reserved_connections: '0' } });
  // Longer than a server is waited for that gives none at all.
  await using files = await folder({ '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\nSELECT pg_sleep(0.9);\n' });
  const url = await prepare(server);
  const others = await Promise.all(Array.from({ length: 2 }, () => connectTo(url)));
  const events: FleetEvent[] = [];
  const fleet = await fleetOf(url, files.path, events);
  const report = await fleet.up({ concurrency: 6 });
  expect(report).toMatchObject({ stopped: null, failures: [], counts: { applied: COUNT } });
  expect(report.durationMs).toBeGreaterThan(15_500);
  expect(events.filter((event) => event.type === 'fewConnections')).toHaveLength(1);
  expect(events.filter((event) => event.type === 'connectionLost')).toEqual([]);
  // Their histories are read by two statements at once, for which one connection will do.
  while (others.length < 4)
    await connectTo(url).then(
      (client) => others.push(client),
      () => sleep(50),
    );
  expect(await fleet.up({ concurrency: 6 })).toMatchObject({ counts: { upToDate: COUNT } });
  await Promise.all(others.map((client) => client.end()));
}, 120_000);

test('the limit of one tenant’s own database is that tenant’s failure, and nobody waits for it', async () => {
  await using server = await startServer();
  await using files = await folder({ '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\n' });
  const client = await connectTo(server.url('postgres'));
  const names = ['clinic_a', 'clinic_b', 'clinic_c', 'clinic_d'];
  await client.query(`CREATE ROLE deployer LOGIN PASSWORD 'deployer'`);
  for (const name of names) await client.query(`CREATE DATABASE ${name} OWNER deployer`);
  await client.query('ALTER DATABASE clinic_b CONNECTION LIMIT 0');
  const events: FleetEvent[] = [];
  const fleet = createFleet({
    service: 'test',
    source: directorySource(files.path),
    targets: () => names.map((name) => ({ tenant: name, database: name })),
    connect: (database) => connectTo(Object.assign(new URL(server.url(database ?? 'postgres')), { username: 'deployer', password: 'deployer' }).href),
    onEvent: (event) => events.push(event),
  });
  const report = await fleet.up({ concurrency: 1 });
  expect(report).toMatchObject({ stopped: null, counts: { applied: 3, failed: 1 }, failures: [{ tenant: 'clinic_b', failed: { sqlState: '53300' } }] });
  expect(events.filter((event) => event.type === 'connectionLost')).toEqual([]);
  await client.end();
}, 120_000);

test('a look at tenants makes do with the connections that the server gives', async () => {
  await using server = await startServer({ settings: { max_connections: '5', superuser_reserved_connections: '0' } });
  await using files = await folder(slow);
  const url = server.url('postgres');
  const others = await Promise.all(Array.from({ length: 3 }, () => connectTo(url)));
  const fleet = createFleet({
    service: 'test',
    source: directorySource(files.path),
    targets: () => Array.from({ length: 20 }, (_, index) => ({ tenant: `clinic_${index}`, database: `clinic_${index}` })),
    connect: () => connectTo(url),
  });
  const { total, failures } = await fleet.status({ concurrency: 6 });
  expect([total, failures]).toEqual([20, []]);
  await Promise.all(others.map((client) => client.end()));
}, 120_000);

test('a connection that is still used when the work ends with an error is closed as well', async () => {
  await using server = await startServer();
  await using files = await folder({ '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\n' });
  const url = server.url('postgres');
  const client = await connectTo(url);
  const names = Array.from({ length: 201 }, (_, index) => `clinic_${index}`);
  for (const name of names) await client.query(`CREATE SCHEMA ${name}`);
  await client.end();
  const targets = (): { tenant: string; schema: string }[] => names.map((name) => ({ tenant: name, schema: name }));
  const options = { service: 'test', source: directorySource(files.path), targets };
  await createFleet({ ...options, connect: () => connectTo(url) }).up();

  let opened = 0;
  let ended = 0;
  const connect = async (): Promise<Awaited<ReturnType<typeof connectTo>>> => {
    if (++opened === 2) throw new Error('no way in');
    const one = await connectTo(url);
    one.once('end', () => ended++);
    return one;
  };
  await expect(createFleet({ ...options, connect }).status()).rejects.toThrow('no way in');
  expect(opened).toBeGreaterThan(2);
  await expect.poll(() => ended).toBe(opened - 1);
}, 60_000);
