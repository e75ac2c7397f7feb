import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createFleet, directorySource, readTargets, type Fleet, type FleetEvent, type FleetOptions } from '../src/index.ts';
import { Session } from '../src/session.ts';
import { connectTo, failureOf, folder, rows, type Files } from './support/target.ts';

const base: Files = {
  '0001_team.sql': 'CREATE TABLE team_member (id int PRIMARY KEY, name text);\n-- Down Migration\nDROP TABLE team_member;\n',
  '0002_vendor.sql': 'CREATE TABLE vendor (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE vendor;\n',
  '0003_index.sql':
    'CREATE INDEX ON team_member (name);\nCREATE TABLE reminder (id int);\n-- Down Migration\nDROP TABLE reminder;\nDROP INDEX team_member_name_idx;\n',
};

async function schemas(db: TestDatabase, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `clinic_${String(index + 1).padStart(4, '0')}`);
  const client = await db.connect();
  for (let from = 0; from < count; from += 100)
    await client.query(
      names
        .slice(from, from + 100)
        .map((name) => `CREATE SCHEMA "${name}"`)
        .join(';'),
    );
  return names;
}

function fleetOn(
  db: TestDatabase,
  path: string,
  names: readonly string[],
  options: Partial<FleetOptions> = {},
): { fleet: Fleet; events: FleetEvent[]; connections: () => number } {
  const events: FleetEvent[] = [];
  let connections = 0;
  const fleet = createFleet({
    service: 'test',
    source: directorySource(path),
    targets: () => names.map((name) => ({ tenant: name, schema: name })),
    connect: async (database) => {
      connections++;
      return connectTo(database === null ? db.url : db.server.url(database));
    },
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { fleet, events, connections: () => connections };
}

test('every schema is migrated, each with its own history; a second run visits none of them', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const names = await schemas(db, 40);
  const first = fleetOn(db, files.path, names);
  const report = await first.fleet.up();
  expect(report).toMatchObject({ total: 40, counts: { applied: 40, failed: 0 }, failures: [], stopped: null });
  expect(first.connections()).toBeLessThan(12);
  expect(
    await rows(
      db,
      `SELECT count(*)::int AS tables FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname LIKE 'clinic%' AND relname IN ('team_member', 'vendor', 'reminder')`,
    ),
  ).toEqual([{ tables: 120 }]);
  expect(await rows(db, `SELECT count(*)::int AS scripts FROM public.schema_migrations_test_scripts`)).toEqual([{ scripts: 3 }]);
  const second = fleetOn(db, files.path, names);
  expect((await second.fleet.up()).counts).toMatchObject({ upToDate: 40, applied: 0 });
  expect(second.connections()).toBe(1);
  const status = await second.fleet.status();
  expect(status.groups.map((group) => [group.tenants.length, group.status.current?.version, group.status.pending.length])).toEqual([[40, '0003', 0]]);
});

test('a tenant that fails is reported with its statement and SQLSTATE, the others are done, and only it is left for the next run', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const names = await schemas(db, 30);
  const client = await db.connect();
  await client.query(`CREATE TABLE clinic_0007.vendor (id int)`);
  const report = await fleetOn(db, files.path, [...names, 'gone']).fleet.up();
  expect(report.failures.map((one) => one.tenant).toSorted()).toEqual(['clinic_0007', 'gone']);
  expect(report.counts).toMatchObject({ applied: 29, failed: 2 });
  const [gone, sabotaged] = report.failures.toSorted((a, b) => b.tenant.localeCompare(a.tenant));
  expect(gone).toMatchObject({ tenant: 'gone', failed: { message: expect.stringContaining('the server has none of that name') as string } });
  // What it did before its own failure stands.
  expect(sabotaged).toMatchObject({
    tenant: 'clinic_0007',
    applied: ['0001'],
    failed: { name: '0002_vendor', sqlState: '42P07', statement: 'CREATE TABLE vendor (id int PRIMARY KEY)' },
  });

  await client.query(`DROP TABLE clinic_0007.vendor`);
  const again = fleetOn(db, files.path, names);
  expect((await again.fleet.up()).counts).toMatchObject({ applied: 1, upToDate: 29 });
  expect(again.events.filter((event) => event.type === 'result' && event.result.outcome === 'applied')).toHaveLength(1);
});

test('canaries go first, and their failure keeps the rest from beginning; so do too many failures', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const names = await schemas(db, 20);
  const client = await db.connect();
  await client.query(`CREATE TABLE clinic_0002.vendor (id int); CREATE TABLE clinic_0005.vendor (id int); CREATE TABLE clinic_0006.vendor (id int)`);
  const canary = await fleetOn(db, files.path, names).fleet.up({ canary: 3 });
  expect(canary).toMatchObject({ stopped: 'canary', counts: { applied: 2, failed: 1, notRun: 17 } });
  await client.query(`DROP TABLE clinic_0002.vendor`);
  const stopped = await fleetOn(db, files.path, names).fleet.up({ canary: 2, maxFailures: 1, concurrency: 1 });
  expect(stopped.stopped).toBe('maxFailures');
  expect(stopped.counts).toMatchObject({ failed: 1, upToDate: 2 });
  // The order is anybody's: behind the failure nothing was begun.
  expect(stopped.counts.applied + stopped.counts.notRun).toBe(17);
  expect((await failureOf(fleetOn(db, files.path, names).fleet.up({ concurrency: 0 }))).message).toContain('concurrency must be at least 1');
});

test('nobody waits for one tenant that takes long, nor for the look at the next ones, and no more connections are open than are asked for', async () => {
  await using db = await testDatabase();
  // One of them ends well once most of the others are done, and fails after ten seconds.
  const wait = `FOR i IN 1..200 LOOP IF (SELECT count(*) FROM pg_class WHERE relname = 'team_member') > 120 THEN RETURN; END IF; PERFORM pg_sleep(0.05); END LOOP; RAISE 'the others wait'`;
  await using files = await folder({
    '0001_team.sql': `CREATE TABLE team_member (id int);\nDO $$ BEGIN IF current_schema = 'clinic_0006' THEN ${wait}; END IF; END $$;\n`,
  });
  const names = await schemas(db, 150);
  const { fleet, connections } = fleetOn(db, files.path, names);
  expect((await fleet.up({ canary: 1, concurrency: 2 })).counts).toMatchObject({ applied: 150 });
  // A third one may look after the tenant that takes long.
  expect(connections()).toBeLessThanOrEqual(3);
});

test('what a listener throws ends the run: nobody begins any more, no tenant failed of it, and every connection is closed', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const names = await schemas(db, 60);
  for (const [type, last] of [
    ['tenant', 30],
    ['result', 2],
  ] as const) {
    let told = 0;
    const over = new Error('the listener is broken');
    const onEvent = (event: FleetEvent): void => {
      if (event.type === type && ++told === last) throw over;
    };
    await expect(fleetOn(db, files.path, names, { onEvent }).fleet.up({ concurrency: 3 })).rejects.toBe(over);
    expect(told).toBe(last);
    expect(
      await rows(db, `SELECT state FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'migrate test' AND pid <> pg_backend_pid()`),
    ).toEqual([]);
  }
  expect((await fleetOn(db, files.path, names).fleet.up()).counts.applied).toBeGreaterThan(0);
});

test('what another service has applied meanwhile is known to the next tenant that is migrated by itself, and to the next run', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_team.sql': '-- migrate: requires=user@0002\nCREATE TABLE team_member (id int);\n' });
  const names = await schemas(db, 3);
  let applied = ['0001_users'];
  const { fleet } = fleetOn(db, files.path, names, { requirements: () => Promise.resolve(applied) });
  const one = { tenant: names[0] as string, schema: names[0] };
  expect(await failureOf((await fleet.migrator(one)).up())).toMatchObject({ code: 'unmetRequirement' });
  expect((await fleet.up()).counts).toMatchObject({ failed: 3 });
  applied = ['0001_users', '0002_roles'];
  expect((await (await fleet.migrator(one)).up()).applied).toHaveLength(1);
  expect((await fleet.up()).counts).toMatchObject({ applied: 2, upToDate: 1 });
});

test('several processes share the tenants, and each migration is applied once', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const names = await schemas(db, 60);
  const reports = await Promise.all(Array.from({ length: 5 }, () => fleetOn(db, files.path, names).fleet.up({ concurrency: 2 })));
  for (const report of reports) expect(report.failures).toEqual([]);
  expect(reports.reduce((sum, report) => sum + report.counts.applied, 0)).toBeGreaterThanOrEqual(60);
  const logs = names
    .map((name) => `SELECT name, count(*)::int AS times FROM ${name}.schema_migrations_test_log WHERE action = 'up' GROUP BY name`)
    .join(' UNION ALL ');
  expect(await rows(db, `SELECT DISTINCT times FROM (${logs}) l`)).toEqual([{ times: 1 }]);
});

test('a fleet goes back together, from the stored downs too, and not by steps when its tenants differ', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const names = await schemas(db, 12);
  await fleetOn(db, files.path, names).fleet.up();
  await files.remove('0003_index.sql');
  const older = fleetOn(db, files.path, names).fleet;
  expect((await older.down()).counts).toMatchObject({ undone: 12 });
  expect(await rows(db, `SELECT 1 FROM pg_class WHERE relname = 'reminder'`)).toEqual([]);

  await fleetOn(db, files.path, names.slice(0, 3)).fleet.down({ to: '1' });
  const refused = await failureOf(older.down());
  expect(refused.message).toMatch(/9 at 0002, 3 at 0001/);
  expect(refused.hint).toContain('--to VERSION');
  expect((await older.down({ to: '1' })).counts).toMatchObject({ undone: 9, upToDate: 3 });
  expect((await older.status()).groups.map((group) => group.status.current?.version)).toEqual(['0001']);
});

test('tenants that do not have a version, or stand below it, have nothing to undo: no failure, and canaries go on', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const names = await schemas(db, 6);
  await fleetOn(db, files.path, names.slice(0, 2)).fleet.up({ to: '1' });
  await fleetOn(db, files.path, names.slice(2)).fleet.up();
  const { fleet } = fleetOn(db, files.path, names);
  expect(await fleet.down({ to: '2', canary: 2 })).toMatchObject({ stopped: null, counts: { undone: 4, upToDate: 2, failed: 0 } });
  expect(await fleet.down({ only: '2', canary: 2 })).toMatchObject({ stopped: null, counts: { undone: 4, upToDate: 2, failed: 0 } });
  await fleetOn(db, files.path, names.slice(2)).fleet.up();
  // Known to some tenants, and not to this build any more.
  await files.remove('0003_index.sql');
  expect(await fleet.down({ only: '3', canary: 2 })).toMatchObject({ stopped: null, counts: { undone: 4, upToDate: 2, failed: 0 } });
  expect(await fleet.down({ only: '9' })).toMatchObject({ counts: { failed: 6 } });
});

test('databases are targets too, and one that is missing is reported', async () => {
  await using db = await testDatabase();
  await using one = await testDatabase();
  await using two = await testDatabase();
  await using files = await folder(base);
  const targets = [one.name, two.name, 'no_such_database'].map((name) => ({ tenant: name, database: name }));
  const { fleet } = fleetOn(db, files.path, [], { targets: () => targets });
  const report = await fleet.up();
  expect(report.counts).toMatchObject({ applied: 2, failed: 1 });
  expect(report.failures[0]).toMatchObject({ tenant: 'no_such_database', failed: { sqlState: '3D000' } });
  expect(await rows(two, `SELECT count(*)::int AS scripts FROM schema_migrations_test_scripts`)).toEqual([{ scripts: 3 }]);
  expect((await fleet.status()).groups.map((group) => group.tenants.length)).toEqual([2]);
});

test('an abort leaves what is done done, and the rest for the next run', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0004_slow.sql': 'SELECT pg_sleep(0.3);\n' });
  const names = await schemas(db, 20);
  const stop = new AbortController();
  const { fleet } = fleetOn(db, files.path, names, { signal: stop.signal });
  setTimeout(() => stop.abort(), 1_200);
  const report = await fleet.up({ concurrency: 2 });
  expect(report.stopped).toBe('signal');
  expect(report.counts.notRun).toBeGreaterThan(0);
  expect((await fleetOn(db, files.path, names).fleet.up({ concurrency: 4 })).failures).toEqual([]);
});

test('hostile names are quoted or refused', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const client = await db.connect();
  const hostile = ['a"; drop schema public cascade; --', "o'clinic", 'select', 'ünïcode 😀', 'back\\slash', 'x'.repeat(63)];
  for (const name of hostile) await client.query(`CREATE SCHEMA ${client.escapeIdentifier(name)}`);
  const report = await fleetOn(db, files.path, hostile).fleet.up();
  expect(report.failures).toEqual([]);
  expect(report.counts.applied).toBe(hostile.length);
  for (const name of ['', 'x'.repeat(64), 'pg_temp', 'public', '$user', 'information_schema', 'a\0b']) {
    expect((await failureOf(fleetOn(db, files.path, [name]).fleet.up())).code).toBe('invalidOptions');
  }
});

test('a query names the targets, and can write nothing', async () => {
  await using db = await testDatabase();
  await schemas(db, 2);
  const session = new Session(await connectTo(db.url));
  expect(await readTargets(session, `SELECT nspname, 1 FROM pg_namespace WHERE nspname LIKE 'clinic%' ORDER BY 1`, 'schema')).toEqual([
    { tenant: 'clinic_0001', schema: 'clinic_0001' },
    { tenant: 'clinic_0002', schema: 'clinic_0002' },
  ]);
  await expect(readTargets(session, `CREATE TABLE oops (id int)`, 'schema')).rejects.toThrow('read-only');
  await session.close();
});
