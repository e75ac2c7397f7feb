import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createFleet, directorySource, type Fleet, type FleetOptions } from '../src/index.ts';
import { connectTo, folder, rows } from './support/target.ts';

function fleetOn(db: TestDatabase, path: string, names: readonly string[], options: Partial<FleetOptions> = {}): Fleet {
  return createFleet({
    service: 'test',
    source: directorySource(path),
    targets: () => names.map((name) => ({ tenant: name, schema: name })),
    connect: () => connectTo(db.url),
    ...options,
  });
}

async function schemas(db: TestDatabase, ...names: string[]): Promise<string[]> {
  const client = await db.connect();
  for (const name of names) await client.query(`CREATE SCHEMA ${name}`);
  return names;
}

test('the migrations of a new tenant are recorded in one transaction, each with its row and its line', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE team;\n',
    '0002_rows.sql': 'INSERT INTO team VALUES (1);\n',
    '0003_more.sql': '-- migrate: description="It\'s \\"more\\""\nALTER TABLE team ADD note text;\nCREATE INDEX ON team (note);\n',
  });
  const names = await schemas(db, 'a', 'b', 'c');
  expect((await fleetOn(db, files.path, names).up({ concurrency: 1 })).counts).toMatchObject({ applied: 3 });
  for (const name of names) {
    expect(
      await rows(
        db,
        `SELECT h.name, h.seq::int, h.version, h.description, h.state, h.applied_by, h.reversible, h.script IS NOT NULL AS script, l.action, l.name AS logged, h.duration_ms = l.duration_ms AS same
 FROM ${name}.schema_migrations_test h JOIN ${name}.schema_migrations_test_log l USING (seq) ORDER BY seq`,
      ),
    ).toMatchObject([
      { name: '0001_team', seq: 1, version: '0001', description: 'team', state: 'applied', reversible: true, script: true, action: 'up', logged: '0001_team' },
      { name: '0002_rows', seq: 2, reversible: false, script: true, action: 'up', logged: '0002_rows' },
      { name: '0003_more', seq: 3, description: `It's "more"`, action: 'up', logged: '0003_more' },
    ]);
    expect(await rows(db, `SELECT count(DISTINCT xmin::text)::int AS transactions FROM ${name}.schema_migrations_test`)).toEqual([{ transactions: 1 }]);
  }
});

test('a tenant’s history takes values that do not fit into a page', async () => {
  await using db = await testDatabase();
  const long = 'Why this is needed. '.repeat(1_000).trim();
  const services = Array.from({ length: 300 }, (_, index) => `service_with_a_long_name_${index}@0001`);
  await using files = await folder({
    '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\n',
    '0002_long.sql': `-- migrate: requires=${services.join(',')}\n-- migrate: description=${long}\nALTER TABLE team ADD note text;\n`,
  });
  const names = await schemas(db, 'a', 'b');
  const requirements = (): Promise<string[]> => Promise.resolve(['0001_first']);
  const fleet = fleetOn(db, files.path, names, { requirements });
  expect((await fleet.up({ to: '1' })).counts).toMatchObject({ applied: 2 });
  expect((await fleet.up()).failures).toEqual([]);
  expect(
    await rows(db, `SELECT length(description) AS description, cardinality(requires) AS requires FROM b.schema_migrations_test WHERE name = '0002_long'`),
  ).toEqual([{ description: long.length, requires: 300 }]);
  expect((await fleet.status()).groups.map((group) => group.tenants.length)).toEqual([2]);
});

test('what default privileges give on the tables of a tenant’s history is taken back', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\n' });
  const names = await schemas(db, 'a', 'b', 'c', 'd');
  const client = await db.connect();
  await client.query('ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC');
  expect((await fleetOn(db, files.path, names).up({ concurrency: 1 })).counts).toMatchObject({ applied: 4 });
  const granted = `SELECT c.oid::regclass::text AS name FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = 0 AND c.relkind = 'r'
 AND c.relnamespace::regnamespace::text IN ('a', 'b', 'c', 'd', 'public') ORDER BY 1`;
  expect(await rows(db, `SELECT DISTINCT name FROM (${granted}) g`)).toEqual([{ name: 'a.team' }, { name: 'b.team' }, { name: 'c.team' }, { name: 'd.team' }]);
});
