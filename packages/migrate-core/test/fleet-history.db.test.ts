import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createFleet, directorySource, type Fleet, type FleetOptions } from '../src/index.ts';
import { readCatalog } from '../src/catalog.ts';
import { connectTo, folder, migratorOn, rows, type Files } from './support/target.ts';

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

test('so does the only history of a database', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\n',
    '0002_long.sql': `-- migrate: description=${'Why this is needed. '.repeat(1_000).trim()}\nALTER TABLE team ADD note text;\n`,
  });
  expect((await migratorOn(db, files.path).migrator.up()).applied).toHaveLength(2);
  expect(await rows(db, 'SELECT length(description) AS length FROM schema_migrations_test ORDER BY seq')).toEqual([{ length: 4 }, { length: 19_999 }]);
});

test('a long value beside a statement that cannot be in a transaction waits for nobody, least of all for its own run', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\n',
    '0002_index.sql': `-- migrate: description=${'Why this is needed. '.repeat(400).trim()}\nCREATE INDEX CONCURRENTLY team_id ON team (id);\n-- Down Migration\nDROP INDEX CONCURRENTLY team_id;\n`,
  });
  const fleet = fleetOn(db, files.path, await schemas(db, 'a', 'b'));
  expect((await fleet.up()).counts).toMatchObject({ applied: 2 });
  expect((await fleet.down({ steps: 1 })).counts).toMatchObject({ undone: 2 });
  expect((await migratorOn(db, files.path).migrator.up()).applied).toHaveLength(2);
}, 20_000);

test('progress that does not fit into a page is recorded: of a table with many indexes', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_team.sql': `CREATE TABLE team (id int);\n${Array.from({ length: 260 }, (_, index) => `CREATE INDEX team_${index} ON team (id);`).join('\n')}\n`,
    '0002_index.sql': 'CREATE INDEX CONCURRENTLY team_id ON team (id);\n',
  });
  expect((await fleetOn(db, files.path, await schemas(db, 'a')).up()).counts).toMatchObject({ applied: 1 });
  expect((await migratorOn(db, files.path).migrator.up()).applied).toHaveLength(2);
}, 60_000);

test('whoever may only write rows migrates a tenant whose log is gone, and the history stays as it was made', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY);\n' });
  const [a] = await schemas(db, 'a');
  const role = `${db.name}_writer`;
  await rows(db, `CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
  try {
    await rows(
      db,
      `CREATE TABLE a.schema_migrations_test (name text PRIMARY KEY, version text NOT NULL, description text NOT NULL, checksum text NOT NULL, seq bigint NOT NULL, state text NOT NULL,
 applied_at timestamptz NOT NULL DEFAULT now(), applied_by text NOT NULL DEFAULT SESSION_USER, duration_ms bigint NOT NULL DEFAULT 0, run_id text NOT NULL, tool text NOT NULL, requires text[] NOT NULL DEFAULT '{}',
 progress json, script text, reversible boolean NOT NULL);
 GRANT ALL ON SCHEMA a, public TO ${role}; GRANT ALL ON ALL TABLES IN SCHEMA a TO ${role}`,
    );
    const url = new URL(db.url);
    url.username = role;
    url.password = 'x';
    const fleet = fleetOn(db, files.path, [a as string], { connect: () => connectTo(url.href) });
    const report = await fleet.up();
    expect(report.failures).toEqual([]);
    expect(report.counts).toMatchObject({ applied: 1 });
    expect(await rows(db, `SELECT relreplident AS identity FROM pg_class WHERE oid = 'a.schema_migrations_test'::regclass`)).toEqual([{ identity: 'd' }]);
  } finally {
    await rows(db, `DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
});

test('a publication of all tables keeps nobody from changing a tenant’s history', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_team.sql': 'CREATE TABLE team (id int PRIMARY KEY, name text);\n-- Down Migration\nDROP TABLE team;\n',
    '0002_index.sql': 'CREATE INDEX CONCURRENTLY team_name ON team (name);\n-- Down Migration\nDROP INDEX CONCURRENTLY team_name;\n',
  });
  await rows(db, 'CREATE PUBLICATION everything FOR ALL TABLES');
  const fleet = fleetOn(db, files.path, await schemas(db, 'a', 'b', 'c'));
  expect((await fleet.up({ concurrency: 1 })).counts).toMatchObject({ applied: 3 });
  expect((await fleet.down({ steps: 2 })).counts).toMatchObject({ undone: 3 });
  expect(await rows(db, 'SELECT FROM c.schema_migrations_test')).toEqual([]);
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

/** What a shared transaction must not change: settings, blocks, deferred checks, new values of an enum, rows, a lock on what others use. */
const everything: Files = {
  '0001_team.sql': "CREATE TYPE mood AS ENUM ('fine');\nCREATE TABLE team (id int PRIMARY KEY, mood mood DEFAULT 'fine');\n",
  '0002_rows.sql': 'INSERT INTO team SELECT n FROM generate_series(1, 5) n;\nCREATE INDEX team_mood ON team (mood);\n',
  '0003_set.sql': "SET lock_timeout = '1s';\nSET work_mem = '5MB';\nCREATE VIEW members AS SELECT id FROM team;\n",
  '0004_block.sql':
    "DO $$ BEGIN PERFORM set_config('work_mem', '6MB', false); CREATE TABLE made (setting text DEFAULT current_setting('work_mem')); INSERT INTO made DEFAULT VALUES; END $$;\n",
  '0005_setting.sql': "CREATE TABLE after_block AS SELECT current_setting('work_mem') = '6MB' AS leaked;\n",
  '0006_value.sql': "ALTER TYPE mood ADD VALUE 'tired';\n",
  '0007_value.sql': "UPDATE team SET mood = 'tired' WHERE id = 1;\nALTER TABLE team ALTER mood SET DEFAULT 'tired';\n",
  '0008_deferred.sql':
    'CREATE TABLE part (id int PRIMARY KEY, whole int REFERENCES part DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO part VALUES (2, 1);\nINSERT INTO part VALUES (1, 1);\n',
  '0009_shared.sql': 'ALTER TABLE public.shared ADD COLUMN IF NOT EXISTS note text;\n',
  '0010_trigger.sql':
    'CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;\nCREATE TRIGGER touch BEFORE UPDATE ON team FOR EACH ROW EXECUTE FUNCTION touch();\n',
};

const { '0008_deferred.sql': deferred, ...undeferred } = everything;

test.each([
  ['transactions of their own', { ...undeferred, '0008_deferred.sql': deferred as string }],
  ['one transaction', undeferred],
])('a tenant whose migrations get %s is as one that is migrated by itself', async (_how, source) => {
  await using db = await testDatabase();
  await using files = await folder(source);
  const names = await schemas(db, 'a', 'b', 'c', 'alone');
  const client = await db.connect();
  await client.query('CREATE TABLE public.shared (id int)');
  await migratorOn(db, files.path, { schema: 'alone' }).migrator.up();
  const report = await fleetOn(db, files.path, names.slice(0, 3)).up({ concurrency: 1 });
  expect(report.failures).toEqual([]);
  const exclude = ['schema_migrations_test', 'schema_migrations_test_log', 'schema_migrations_test_scripts'];
  const catalogOf = async (schema: string): Promise<string> => (await readCatalog(client, { schema, exclude })).text;
  const recorded = (schema: string): Promise<unknown[]> =>
    rows(
      db,
      `SELECT h.name, h.version, h.description, h.checksum, h.seq::int, h.state, h.applied_by, h.tool, h.requires, h.reversible, h.script, l.action, l.name AS logged
 FROM ${schema}.schema_migrations_test h JOIN ${schema}.schema_migrations_test_log l USING (seq) ORDER BY seq`,
    );
  const data = (schema: string): Promise<unknown[]> =>
    rows(
      db,
      `SELECT (SELECT json_agg(t ORDER BY id) FROM ${schema}.team t) AS team, (SELECT json_agg(m) FROM ${schema}.made m) AS made, (SELECT json_agg(x) FROM ${schema}.after_block x) AS leaked`,
    );
  for (const name of ['b', 'c']) {
    expect(await catalogOf(name)).toEqual(await catalogOf('alone'));
    expect(await recorded(name)).toEqual(await recorded('alone'));
    expect(await data(name)).toEqual(await data('alone'));
  }
});
