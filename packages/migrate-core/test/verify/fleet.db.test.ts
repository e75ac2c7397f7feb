import { testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import {
  createFleet,
  createTenancy,
  directorySource,
  verifyFleet,
  type FleetTarget,
  type FleetVerifyOptions,
  type TargetVerification,
} from '../../src/index.ts';
import { connectTo, folder, type Files } from '../support/target.ts';

const files: Files = {
  '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY, name text);',
  '0002_vendor.sql': 'CREATE TABLE vendor (id int PRIMARY KEY, team int REFERENCES team);',
};

const names = ['a', 'b', 'c', 'd', 'e'].map((letter) => `clinic_${letter}`);
const targets = names.map((name): FleetTarget => ({ tenant: name, schema: name }));

async function collect(options: FleetVerifyOptions): Promise<Record<string, unknown[]>> {
  const found: [string, TargetVerification][] = [];
  for await (const one of verifyFleet(options)) found.push([one.tenant ?? `(${one.schema})`, one]);
  return Object.fromEntries(
    found.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, { findings }]) => [name, findings.map((one) => [one.code, one.object])]),
  );
}

function on(db: TestDatabase, path: string, more: Partial<FleetVerifyOptions> = {}): FleetVerifyOptions {
  const connect = (name: string | null): ReturnType<typeof connectTo> => connectTo(name === null ? db.url : db.server.url(name));
  return { service: 'test', source: directorySource(path), targets: () => targets, connect, ...more };
}

test('tenants that differ are told by their objects, and the others have no finding', async () => {
  await using db = await testDatabase();
  await using place = await folder(files);
  const client = await db.connect();
  for (const name of names.slice(0, 4)) await client.query(`CREATE SCHEMA ${name}`);
  const options = on(db, place.path);
  await createFleet({ ...options, targets: () => targets.slice(0, 4) }).up();
  await client.query(`ALTER TABLE clinic_c.team ADD extra int; DROP TABLE clinic_d.vendor; CREATE SCHEMA stray; CREATE TABLE stray.schema_migrations_test ()`);
  const found = await collect({ ...options, requiredTables: ['vendor'], strays: async () => ({ unknown: ['stray'] }) });
  expect(found).toEqual({
    '(stray)': [['stray', 'stray']],
    clinic_a: [],
    clinic_b: [],
    clinic_c: [['drift', 'column extra of table team']],
    clinic_d: [['requiredTableAbsent', 'table vendor']],
    clinic_e: [['unreadable', 'schema clinic_e']],
  });
});

test('tenants at different versions are each compared with their own history, made once for each', async () => {
  await using db = await testDatabase();
  await using role = await testRole({ attributes: 'SUPERUSER' });
  await using place = await folder(files);
  const client = await db.connect();
  for (const name of names) await client.query(`CREATE SCHEMA ${name}`);
  let scratch = 0;
  const connect = async (name: string | null): ReturnType<typeof connectTo> => {
    if (name?.startsWith('migrate_check_') === true) scratch++;
    return connectTo(role.url(name ?? db.name));
  };
  const options = on(db, place.path, { connect });
  await createFleet({ ...options, targets: () => targets.slice(0, 2) }).up({ to: '0001' });
  await createFleet({ ...options, targets: () => targets.slice(2) }).up();
  expect(await collect(options)).toEqual(Object.fromEntries(names.map((name) => [name, []])));
  // One connection for each of the two.
  expect(scratch).toBe(2);
});

test('tenants with a database each, found by the registry, with what they share', async () => {
  await using db = await testDatabase();
  await using place = await folder(files);
  const source = directorySource(place.path);
  const options = on(db, place.path);
  const tenancy = createTenancy({ ...options, tenancy: { mode: 'database', source, place: (id) => `${db.name}_${id}`, extensions: ['citext'] } });
  for (const id of ['one', 'two']) await tenancy.create(id);
  try {
    const all = async function* (): AsyncGenerator<FleetTarget> {
      for (const tenant of await tenancy.list()) yield tenancy.target(tenant);
    };
    const more = { ...options, targets: all, strays: () => tenancy.strays(), shared: { extensions: ['citext'] } };
    expect(await collect(more)).toEqual({ one: [], two: [] });
    const two = await connectTo(db.server.url(`${db.name}_two`));
    await two.query('DROP TABLE vendor');
    await two.end();
    expect(await collect(more)).toEqual({ one: [], two: [['drift', 'table vendor']] });
  } finally {
    for (const id of ['one', 'two']) await tenancy.drop(id, { mode: 'delete' });
  }
});

test('what tenants use of the schema that they share is there for the replay', async () => {
  await using db = await testDatabase();
  await using shared = await folder({ '0001_countries.sql': 'CREATE TABLE countries (code text PRIMARY KEY);' });
  await using place = await folder({ '0001_team.sql': 'CREATE TABLE team (id int, mail citext, country text REFERENCES countries);' });
  const options = on(db, place.path);
  const client = await db.connect();
  const tenancy = createTenancy({ ...options, tenancy: { mode: 'schema', source: directorySource(place.path), extensions: ['citext'] } });
  await client.query('CREATE TABLE countries (code text PRIMARY KEY)');
  await tenancy.create('clinic');
  const targetsOf = [tenancy.target((await tenancy.list())[0] as never)];
  const part = { source: directorySource(shared.path), extensions: ['citext'] };
  expect(await collect({ ...options, targets: () => targetsOf, shared: part })).toEqual({ clinic: [] });
});

test('row-level security is verified once for each catalogue, and for each that differs', async () => {
  await using db = await testDatabase();
  await using role = await testRole();
  await using place = await folder({
    '0001_team.sql': `CREATE TABLE team (tenant int NOT NULL); CREATE INDEX ON team (tenant); ALTER TABLE team ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
      CREATE POLICY own ON team USING (tenant = nullif(current_setting('app.t', true), '')::int) WITH CHECK (tenant = nullif(current_setting('app.t', true), '')::int);
      GRANT SELECT ON team TO ${role.name};`,
  });
  const client = await db.connect();
  for (const name of names) await client.query(`CREATE SCHEMA ${name}; GRANT USAGE ON SCHEMA ${name} TO ${role.name}`);
  const options = on(db, place.path, { rowLevelSecurity: { column: 'tenant', setting: 'app.t' }, applicationRole: role.name, concurrency: 1 });
  await createFleet(options).up();
  await client.query('ALTER POLICY own ON clinic_c.team USING (true)');
  expect(await collect(options)).toEqual({
    clinic_a: [],
    clinic_b: [],
    clinic_c: [
      ['drift', 'policy own of table team'],
      ['policyOpen', 'policy own of table clinic_c.team'],
    ],
    clinic_d: [],
    clinic_e: [],
  });
});

test('what is wrong with all of them is told of each, by its own name', async () => {
  await using db = await testDatabase();
  await using place = await folder({
    '0001_team.sql': 'CREATE TABLE team (tenant int NOT NULL); CREATE INDEX ON team (tenant); CREATE VIEW everyone AS SELECT * FROM team;',
  });
  const client = await db.connect();
  for (const name of names) await client.query(`CREATE SCHEMA ${name}`);
  const options = on(db, place.path, { rowLevelSecurity: { column: 'tenant', setting: 'app.t', allow: ['everyone'] } });
  await createFleet(options).up();
  for (const [name, findings] of Object.entries(await collect(options))) {
    expect(findings).toEqual([
      ['rowSecurityDisabled', `table ${name}.team`],
      ['rowSecurityNotForced', `table ${name}.team`],
      ['noPolicy', `table ${name}.team`],
      ['notChecked', null],
    ]);
  }
});

test('whoever stops listening leaves no scratch database', async () => {
  await using db = await testDatabase();
  await using role = await testRole({ attributes: 'SUPERUSER' });
  await using place = await folder(files);
  const client = await db.connect();
  for (const name of names) await client.query(`CREATE SCHEMA ${name}`);
  const options = on(db, place.path, { connect: (name) => connectTo(role.url(name ?? db.name)) });
  await createFleet(options).up();
  for await (const one of verifyFleet(options)) {
    expect(one.findings).toEqual([]);
    break;
  }
  expect((await client.query(`SELECT FROM pg_database WHERE datdba = '${role.name}'::regrole`)).rows).toEqual([]);
});

test('public in a tenant’s migrations is the tenant’s schema in the replay as well, also by what was stored', async () => {
  await using db = await testDatabase();
  await using place = await folder({
    '0001_team.sql': 'CREATE TABLE public.team (id serial PRIMARY KEY); CREATE INDEX CONCURRENTLY team_id ON public.team (id);',
    '0002_count.sql': `CREATE FUNCTION public.members() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.team'; CREATE VIEW public.everyone AS SELECT id FROM public.team;`,
  });
  const client = await db.connect();
  for (const name of names) await client.query(`CREATE SCHEMA ${name}`);
  const options = on(db, place.path);
  await createFleet(options).up();
  expect(await collect(options)).toEqual(Object.fromEntries(names.map((name) => [name, []])));
  await place.remove('0002_count.sql');
  await client.query('DROP VIEW clinic_b.everyone');
  const found = await collect(on(db, place.path));
  expect(found['clinic_a']).toEqual([['unknownApplied', 'migration 0002_count']]);
  expect(found['clinic_b']).toEqual([
    ['drift', 'view everyone'],
    ['unknownApplied', 'migration 0002_count'],
  ]);
});

test('a signal ends it', async () => {
  await using db = await testDatabase();
  await using place = await folder(files);
  await expect(collect(on(db, place.path, { signal: AbortSignal.abort(new Error('enough')) }))).rejects.toThrow('enough');
});
