import { requirePgBouncer, startPgBouncer, startServer, testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createFleet, directorySource, type DatabaseClient, type Fleet, type FleetEvent, type FleetOptions } from '../src/index.ts';
import { connectTo, folder, rows } from './support/target.ts';

/** Hears every message before it is sent. */
type Spy = (text: string, send: () => void) => void;

interface Subject {
  readonly fleet: Fleet;
  readonly events: FleetEvent[];
  /** Every message that was sent. */
  readonly sent: string[];
}

function fleetOn(url: string, path: string, names: readonly string[], options: Partial<FleetOptions> = {}, spy: Spy = (_text, send) => send()): Subject {
  const events: FleetEvent[] = [];
  const sent: string[] = [];
  const connect = async (): Promise<DatabaseClient> => {
    const client = await connectTo(url);
    const query = client.query.bind(client) as (message: { submit(wire: object): void }) => unknown;
    const listening = (message: { submit(wire: object): void }): unknown => {
      let text = '';
      message.submit({ query: (words: string) => (text = words) });
      sent.push(text);
      spy(text, () => query(message));
      return undefined;
    };
    return Object.assign(client, { query: listening }) as unknown as DatabaseClient;
  };
  const fleet = createFleet({
    service: 'test',
    source: directorySource(path),
    targets: () => names.map((name) => ({ tenant: name, schema: name })),
    connect,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { fleet, events, sent };
}

async function schemas(db: Pick<TestDatabase, 'connect'>, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `clinic_${String(index + 1).padStart(4, '0')}`);
  const client = await db.connect();
  for (const name of names) await client.query(`CREATE SCHEMA ${name}`);
  return names;
}

const team = { '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE team;\n' };
const second = { '0002_note.sql': 'ALTER TABLE team ADD note text;\n-- Down Migration\nALTER TABLE team DROP COLUMN note;\n' };

/** Messages about one tenant. */
function about(sent: readonly string[], name: string): string[] {
  return sent.filter((text) => text.includes(`"${name}".`) && !text.includes('AS digest'));
}

test('of tenants in one state only the first ones are read, each of the others gets one message', async () => {
  await using db = await testDatabase();
  await using files = await folder(team);
  const names = await schemas(db, 12);
  const first = fleetOn(db.url, files.path, names);
  expect((await first.fleet.up({ concurrency: 1 })).counts).toMatchObject({ applied: 12 });
  expect(about(first.sent, 'clinic_0012')).toHaveLength(1);
  await files.write(second);
  const next = fleetOn(db.url, files.path, names);
  expect((await next.fleet.up({ concurrency: 1 })).counts).toMatchObject({ applied: 12 });
  expect(about(next.sent, 'clinic_0012')).toHaveLength(1);
  expect(await rows(db, `SELECT seq::int, name, state FROM clinic_0012.schema_migrations_test ORDER BY seq`)).toEqual([
    { seq: 1, name: '0001_team', state: 'applied' },
    { seq: 2, name: '0002_note', state: 'applied' },
  ]);
});

test('a tenant whose log knows more than its history gets the next number', async () => {
  await using db = await testDatabase();
  await using files = await folder(team);
  const names = await schemas(db, 6);
  await fleetOn(db.url, files.path, names).fleet.up();
  const client = await db.connect();
  for (const name of names.slice(1))
    await client.query(`INSERT INTO ${name}.schema_migrations_test_log (seq, action, name, "from", run_id) VALUES (7, 'failed', '0002_note', 'x', 'x')`);
  await files.write(second);
  expect((await fleetOn(db.url, files.path, names).fleet.up({ concurrency: 1 })).counts).toMatchObject({ applied: 6 });
  expect(await rows(db, `SELECT seq::int FROM clinic_0006.schema_migrations_test WHERE name = '0002_note'`)).toEqual([{ seq: 8 }]);
});

test('what changed between the survey and the message is noticed inside the transaction', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...team, ...second });
  const names = await schemas(db, 4);
  const client = await db.connect();
  const other = fleetOn(db.url, files.path, ['clinic_0003']).fleet;
  let meddled = false;
  const { fleet } = fleetOn(db.url, files.path, names, {}, (text, send) => {
    if (meddled || !text.includes('"clinic_0003"')) return send();
    meddled = true;
    // Somebody else migrates it, and somebody puts a log of our name into another schema.
    void other
      .up({ to: '1' })
      .then(() => client.query('CREATE TABLE clinic_0004.schema_migrations_test_log (seq bigint PRIMARY KEY)'))
      .then(send);
  });
  const report = await fleet.up({ concurrency: 1 });
  expect(meddled).toBe(true);
  expect(report.counts).toMatchObject({ applied: 3, failed: 1 });
  expect(report.failures[0]).toMatchObject({ tenant: 'clinic_0004' });
  expect(await rows(db, `SELECT name, seq::int FROM clinic_0003.schema_migrations_test ORDER BY seq`)).toEqual([
    { name: '0001_team', seq: 1 },
    { name: '0002_note', seq: 2 },
  ]);
  expect(await rows(db, `SELECT name FROM clinic_0003.schema_migrations_test_log ORDER BY seq`)).toEqual([{ name: '0001_team' }, { name: '0002_note' }]);
});

test('a history that somebody has emptied is not filled again, whatever the others in its state need', async () => {
  await using db = await testDatabase();
  await using files = await folder(team);
  const names = await schemas(db, 6);
  const { fleet } = fleetOn(db.url, files.path, names);
  await fleet.up();
  await fleet.down({ steps: 1 });
  const client = await db.connect();
  // Each of them has a history without a row, and only of these two the log tells of something that is applied.
  await fleetOn(db.url, files.path, ['clinic_0002', 'clinic_0006']).fleet.up();
  await client.query('TRUNCATE clinic_0002.schema_migrations_test; TRUNCATE clinic_0006.schema_migrations_test');
  const report = await fleetOn(db.url, files.path, names).fleet.up({ concurrency: 1 });
  expect(report.counts).toMatchObject({ applied: 4, failed: 2 });
  expect(report.failures.map((one) => one.tenant).toSorted()).toEqual(['clinic_0002', 'clinic_0006']);
  expect(report.failures[0]?.failed).toMatchObject({ code: 'planRefused', message: expect.stringContaining('is empty, while its log tells') as string });
});

test('a history whose owner is not to be trusted is not written without a look', async () => {
  await using db = await testDatabase();
  await using files = await folder(team);
  const names = await schemas(db, 6);
  await fleetOn(db.url, files.path, names).fleet.up();
  const client = await db.connect();
  const role = `stranger_${db.name}`;
  await client.query(`CREATE ROLE ${role}; ALTER TABLE clinic_0005.schema_migrations_test_log OWNER TO ${role}`);
  try {
    await files.write(second);
    const report = await fleetOn(db.url, files.path, names).fleet.up({ concurrency: 1 });
    // A superuser trusts nobody but superusers and the database's owner.
    expect(report.failures.map((one) => [one.tenant, one.failed?.message])).toEqual([['clinic_0005', expect.stringContaining(`of ${role}`)]]);
  } finally {
    await client.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
});

test('what other services must have applied is asked once, and holds for every tenant', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...team, '0002_note.sql': '-- migrate: requires=user@0003\nALTER TABLE team ADD note text;\n' });
  const names = await schemas(db, 8);
  let asked = 0;
  const applied: string[] = ['0001_a', '0002_b'];
  const requirements = (): Promise<readonly string[]> => {
    asked++;
    return Promise.resolve([...applied]);
  };
  const refused = await fleetOn(db.url, files.path, names, { requirements }).fleet.up({ concurrency: 1 });
  expect(refused.counts).toMatchObject({ failed: 8, applied: 0 });
  expect(refused.failures[7]?.failed).toMatchObject({ code: 'unmetRequirement', message: expect.stringContaining('requires user@0003') as string });
  applied.push('0003_c');
  asked = 0;
  const { fleet, sent } = fleetOn(db.url, files.path, names, { requirements });
  expect((await fleet.up({ concurrency: 1 })).counts).toMatchObject({ applied: 8 });
  expect(asked).toBe(1);
  expect(about(sent, 'clinic_0008')).toHaveLength(1);
});

test('one of them that fails is told as if it had been alone, and tells nothing about the others', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...team, ...second, '0003_vendor.sql': 'CREATE TABLE vendor (id int);\n' });
  const names = await schemas(db, 8);
  const client = await db.connect();
  await client.query('CREATE TABLE clinic_0006.vendor (id int)');
  const { fleet, events } = fleetOn(db.url, files.path, names);
  const report = await fleet.up({ concurrency: 1 });
  expect(report.counts).toMatchObject({ applied: 7, failed: 1 });
  expect(report.failures[0]).toMatchObject({ tenant: 'clinic_0006', applied: ['0001', '0002'], failed: { name: '0003_vendor', sqlState: '42P07' } });
  for (const name of names) {
    const own = events.filter((event) => event.type === 'tenant' && event.tenant === name).map((event) => (event.type === 'tenant' ? event.event.type : ''));
    expect(own.filter((type) => type === 'applied')).toHaveLength(name === 'clinic_0006' ? 2 : 3);
  }
});

test('nothing is told before it is on disk, and what a crash of the server took back is done again', async () => {
  await using server = await startServer({ fsync: 'on', settings: { wal_writer_delay: '10s', wal_writer_flush_after: '1GB' } });
  await using files = await folder(team);
  const admin = { connect: () => connectTo(server.url('postgres')) };
  const client = await admin.connect();
  const names = Array.from({ length: 12 }, (_, index) => `clinic_${index}`);
  for (const name of names) await client.query(`CREATE SCHEMA ${name}`);
  client.on('error', () => undefined);
  const told: string[] = [];
  const onEvent = (event: FleetEvent): void => {
    if (event.type === 'tenant' && event.event.type === 'applied') told.push(event.tenant);
    if (event.type === 'result' && event.result.outcome === 'applied') told.push(event.result.tenant);
  };
  let crashed = false;
  let toldBefore: string[] = [];
  const { fleet } = fleetOn(server.url('postgres'), files.path, names, { onEvent }, (text, send) => {
    if (crashed || !text.includes('migrate flush')) return send();
    crashed = true;
    toldBefore = [...told];
    void server
      .stop('immediate')
      .then(() => server.start())
      .then(send);
  });
  const report = await fleet.up({ concurrency: 1 });
  expect(crashed).toBe(true);
  // The first one flushed by itself; the others waited for the flush that never came.
  expect(new Set(toldBefore).size).toBeLessThan(names.length);
  expect(report.failures).toEqual([]);
  expect(report.counts.applied + report.counts.upToDate).toBe(12);
  await server.stop('immediate');
  await server.start();
  const again = await fleetOn(server.url('postgres'), files.path, names).fleet.status();
  expect(again.groups.map((group) => [group.tenants.length, group.status.pending.length])).toEqual([[12, 0]]);
});

test('behind a pooler, which outlives a crash of the server, each tenant is flushed by itself', async (context) => {
  requirePgBouncer(context);
  await using db = await testDatabase();
  await using pooler = await startPgBouncer({ server: db.server, poolSize: 5 });
  await using files = await folder(team);
  const names = await schemas(db, 6);
  const { fleet, sent } = fleetOn(pooler.url(db.name), files.path, names);
  expect((await fleet.up({ concurrency: 2 })).counts).toMatchObject({ applied: 6 });
  expect(about(sent, 'clinic_0006')).not.toEqual([]);
  expect(sent.filter((text) => text.includes(`'synchronous_commit', 'off'`))).toEqual([]);
  const direct = fleetOn(db.url, files.path, names);
  expect((await direct.fleet.up()).counts).toMatchObject({ upToDate: 6 });
});
