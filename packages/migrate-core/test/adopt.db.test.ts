import { testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import { runner } from 'node-pg-migrate';
import { describe, expect, test } from 'vitest';

import { planAdoption, type Adoption, type MigrationError, type Migrator } from '../src/index.ts';
import { directorySource } from '../src/source/directory.ts';
import { connectTo, failureOf, folder, migratorOn, rows, type Files } from './support/target.ts';

const three: Files = {
  '0001_a.sql': 'CREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;\n',
  '0002_b.sql': 'CREATE TABLE b (id int);\n-- Down Migration\nDROP TABLE b;\n',
  '0003_c.sql': 'CREATE TABLE c (id int);\n-- Down Migration\nDROP TABLE c;\n',
};

/** The tables as the tools make them; `%` is the folder. */
const tools: readonly { readonly name: string; readonly sql: string; readonly tool: string; readonly files?: Files; readonly adopted: readonly string[] }[] = [
  {
    name: 'node-pg-migrate',
    tool: 'node-pg-migrate',
    sql: `CREATE TABLE pgmigrations (id SERIAL PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);
      INSERT INTO pgmigrations (name, run_on) VALUES ('0001_a', now()), ('0002_b', now())`,
    adopted: ['0001_a = 0001_a', '0002_b = 0002_b'],
  },
  {
    name: 'Prisma, whose rolled back rows do not count',
    tool: 'Prisma',
    sql: `CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY NOT NULL, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
        logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);
      INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at) VALUES
        ('1', '', '20240101000000_a', now(), NULL), ('2', '', '20240202000000_b', NULL, now()), ('3', '', '20240202000000_b', now(), NULL), ('4', '', '20240303000000_c', NULL, now())`,
    files: {
      '20240101000000_a/migration.sql': 'CREATE TABLE a (id int);',
      '20240202000000_b/migration.sql': 'CREATE TABLE b (id int);',
      '20240303000000_c/migration.sql': 'CREATE TABLE c (id int);',
      'migration_lock.toml': 'provider = "postgresql"',
    },
    adopted: ['20240101000000_a = 20240101000000_a', '20240202000000_b = 20240202000000_b'],
  },
  {
    name: 'golang-migrate: one row for everything up to it',
    tool: 'golang-migrate',
    sql: `CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (2, false)`,
    files: {
      '000001_a.up.sql': 'CREATE TABLE a (id int);',
      '000001_a.down.sql': 'DROP TABLE a;',
      '000002_b.up.sql': 'CREATE TABLE b (id int);',
      '000003_c.up.sql': 'CREATE TABLE c (id int);',
    },
    adopted: ['000001_a = 000001', '000002_b = 2'],
  },
  {
    name: 'Diesel, which keeps the digits of a date',
    tool: 'Diesel',
    sql: `CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
      INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000000'), ('20190226002946'), ('201902260030000000')`,
    files: {
      '00000000000000_diesel_initial_setup/up.sql': 'SELECT 1;',
      '2019-02-26-002946_a/up.sql': 'CREATE TABLE a (id int);',
      '2019-02-26-003000-0000_b/up.sql': 'CREATE TABLE b (id int);',
      '2019-02-27-000000_c/up.sql': 'CREATE TABLE c (id int);',
    },
    adopted: ['00000000000000_diesel_initial_setup = 00000000000000', '2019-02-26-002946_a = 20190226002946', '2019-02-26-003000-0000_b = 201902260030000000'],
  },
  {
    name: 'dbmate',
    tool: 'dbmate',
    sql: `CREATE TABLE schema_migrations (version varchar PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20240101000000'), ('20240202000000')`,
    files: { '20240101000000_a.sql': 'SELECT 1;', '20240202000000_b.sql': 'SELECT 2;', '20240303000000_c.sql': 'SELECT 3;' },
    adopted: ['20240101000000_a = 20240101000000', '20240202000000_b = 20240202000000'],
  },
  {
    name: 'TypeORM, whose names are those of classes',
    tool: 'TypeORM',
    sql: `CREATE TABLE migrations (id SERIAL PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL);
      INSERT INTO migrations ("timestamp", name) VALUES (1699123456789, 'CreateUsers1699123456789'), (1699123456999, 'AddPhone1699123456999')`,
    files: { '1699123456789-CreateUsers.sql': 'SELECT 1;', '1699123456999-AddPhone.sql': 'SELECT 2;', '1699123457999-Later.sql': 'SELECT 3;' },
    adopted: ['1699123456789-CreateUsers = CreateUsers1699123456789', '1699123456999-AddPhone = AddPhone1699123456999'],
  },
  {
    name: 'a runner that keeps the names of files',
    tool: 'a home-made runner',
    sql: `CREATE TABLE schema_migrations (name text PRIMARY KEY, executed_at timestamptz DEFAULT now()); INSERT INTO schema_migrations VALUES ('0002_b.sql'), ('0001_a.sql')`,
    adopted: ['0001_a = 0001_a.sql', '0002_b = 0002_b.sql'],
  },
  {
    name: 'a runner that keeps numbers with words, and what was rolled back',
    tool: 'a home-made runner',
    sql: `CREATE TABLE schema_migrations (version int PRIMARY KEY, name text, status text);
      INSERT INTO schema_migrations VALUES (1, 'create a', 'applied'), (2, 'create b', 'success'), (3, 'create c', 'rolled_back')`,
    adopted: ['0001_a = 1 create a', '0002_b = 2 create b'],
  },
];

function shown({ adopted }: Adoption): string[] {
  return adopted.map((one) => `${one.name} = ${one.as}`);
}

async function planned(db: TestDatabase, path: string, from?: string): Promise<Adoption> {
  return planAdoption({ connect: () => connectTo(db.url), source: directorySource(path), from });
}

async function refused(sql: string, files: Files = three, from?: string): Promise<string> {
  await using db = await testDatabase();
  await using place = await folder(files);
  await rows(db, sql);
  const error = await failureOf(planned(db, place.path, from));
  expect(await rows(db, `SELECT relname FROM pg_class WHERE relname LIKE 'schema_migrations_test%'`)).toEqual([]);
  return `${error.code}: ${error.message}`;
}

describe('a database that was migrated by', () => {
  test.each(tools)('$name', async ({ sql, tool, files = three, adopted }) => {
    await using db = await testDatabase();
    await using place = await folder(files);
    await rows(db, sql);
    const adoption = await planned(db, place.path);
    expect({ tool: adoption.tool, adopted: shown(adoption), pending: adoption.pending.length }).toEqual({ tool, adopted, pending: 1 });
    const { migrator } = migratorOn(db, place.path);
    const names = adoption.adopted.map((one) => one.name);
    await migrator.repair({ markApplied: names, takenOverFrom: adoption.table });
    const status = await migrator.status();
    expect(status.applied.map((row) => [row.name, row.state])).toEqual(names.map((name) => [name, 'applied']));
    expect(status.pending.map((one) => one.name)).toEqual(adoption.pending.map((one) => one.name));
    expect(status.problems).toEqual([]);
    expect(await migrator.log()).toHaveLength(names.length);
    for (const line of await migrator.log()) expect(line).toMatchObject({ action: 'baseline', detail: `taken over from ${adoption.table}` });
    expect((await migrator.up()).applied.map((step) => step.name)).toEqual(status.pending.map((one) => one.name));
  });
});

describe('before it is taken over, a first run', () => {
  /** What `up` does, and what `status` warns of. */
  async function firstRun(sql: string, files: Files): Promise<{ readonly up: string; readonly problems: readonly string[] }> {
    await using db = await testDatabase();
    await using place = await folder(files);
    await rows(db, sql);
    const { migrator } = migratorOn(db, place.path);
    const { problems } = await migrator.status();
    const up = await migrator.up().then(
      ({ applied }) => `${applied.length} applied`,
      (error: MigrationError) => error.message,
    );
    const history = await rows(db, `SELECT relname FROM pg_class WHERE relname = 'schema_migrations_test'`);
    expect(history).toHaveLength(up.endsWith(' applied') ? 1 : 0);
    return { up, problems: problems.map((one) => `${one.severity} ${one.code}: ${one.message}`) };
  }

  test.each(tools.filter(({ tool, name }) => tool !== 'golang-migrate' && !name.includes('with words')))(
    'is refused where it was $name',
    async ({ sql, tool, files = three, adopted }) => {
      const { up, problems } = await firstRun(sql, files);
      expect(problems).toEqual([`error foreignHistory: ${up}`]);
      expect(up).toContain(
        `is a history of ${tool}, which says that ${adopted.length} of these migrations are applied (the newest: ${adopted.at(-1)?.split(' ')[0]})`,
      );
      expect(up).toMatch(/Take it over with: migrate adopt --from \w+;/);
    },
  );

  test.each(tools.filter(({ tool, name }) => tool === 'golang-migrate' || name.includes('with words')))(
    'is warned where small numbers say that it may have been $name',
    async ({ sql, files = three }) => {
      const { up, problems } = await firstRun(sql, files);
      expect(up).toBe('3 applied');
      expect(problems).toEqual([expect.stringMatching(/^warning foreignHistory: .*if it is theirs and not another folder's.*migrate adopt --from/)]);
    },
  );

  test('goes on beside the history of another folder, and of none', async () => {
    const others = `CREATE TABLE pgmigrations (id int, name text, run_on timestamp); INSERT INTO pgmigrations VALUES (1, '0101_x', now()), (2, '0102_y', now())`;
    expect(await firstRun(others, three)).toEqual({ up: '3 applied', problems: [] });
    const shared = `CREATE TABLE pgmigrations (id int, name text, run_on timestamp); INSERT INTO pgmigrations VALUES (1, '0001_a', now()), (2, '0102_y', now())`;
    const beside = await firstRun(shared, three);
    expect(beside.up).toBe('3 applied');
    expect(beside.problems).toEqual([expect.stringMatching(/^warning/)]);
    expect(await firstRun('CREATE TABLE migrations (id int, title text)', three)).toEqual({ up: '3 applied', problems: [] });
  });

  test('goes on beside a table of that name that has more rows than any history, and does not read them all', async () => {
    const many = `CREATE TABLE migrations (name text); INSERT INTO migrations VALUES ('0001_a'); INSERT INTO migrations SELECT 'x' FROM generate_series(1, 100000)`;
    expect(await firstRun(many, three)).toEqual({ up: '3 applied', problems: [] });
  });

  test('is not refused for another service, some of whose names are the same', async () => {
    const npm = `CREATE TABLE pgmigrations (id int, name text, run_on timestamp);`;
    const service = `${npm} INSERT INTO pgmigrations VALUES (1, '0001_a', now()), (2, '0002_other', now())`;
    expect(await firstRun(service, three)).toEqual({ up: '3 applied', problems: [expect.stringMatching(/^warning .* 1 of these migrations is applied/)] });
    const runner = `CREATE TABLE migrations (name text); INSERT INTO migrations VALUES ('0001_a'), ('0002_other')`;
    expect(await firstRun(runner, three)).toMatchObject({ up: '3 applied', problems: [expect.stringMatching(/^warning/)] });
  });

  test('is refused where a few of the files that were applied are not at hand', async () => {
    const npm = `CREATE TABLE pgmigrations (id int, name text, run_on timestamp);`;
    const { up } = await firstRun(`${npm} INSERT INTO pgmigrations VALUES (1, '0001_a', now()), (2, '0002_b', now()), (3, '0003_later', now())`, three);
    expect(up).toContain('says that 2 of these migrations are applied (the newest: 0002_b)');
  });

  test('that is refused though the names are another service’s goes on behind a first one that was run by hand', async () => {
    await using db = await testDatabase();
    await using place = await folder(three);
    await rows(
      db,
      `CREATE TABLE pgmigrations (id int, name text, run_on timestamp); INSERT INTO pgmigrations VALUES (1, '0001_a', now()), (2, '0002_b', now())`,
    );
    const { migrator } = migratorOn(db, place.path);
    expect((await failureOf(migrator.up())).message).toMatch(/run the first of these with psql and mark it: migrate repair --mark-applied 0001$/);
    await rows(db, 'CREATE TABLE a (id int)');
    await migrator.repair({ markApplied: ['0001'] });
    expect((await migrator.up()).applied.map((one) => one.name)).toEqual(['0002_b', '0003_c']);
  });

  test('is warned again after one that failed, and where what was applied did not finish', async () => {
    await using db = await testDatabase();
    await using place = await folder(three);
    await rows(db, `CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO schema_migrations VALUES (2, true); CREATE TABLE a (id int)`);
    const { migrator } = migratorOn(db, place.path);
    const warned = [{ code: 'foreignHistory', severity: 'warning', name: '0002_b' }];
    expect((await migrator.status()).problems).toMatchObject(warned);
    expect((await failureOf(migrator.up())).message).toContain('already exists');
    expect((await migrator.status()).problems).toMatchObject(warned);
    await rows(db, 'DROP TABLE a');
    await migrator.up();
    await migrator.down({ steps: 3 });
    expect((await migrator.status()).problems).toEqual([]);
  });

  test('does not read what a stranger has put there, nor what it may not read', async () => {
    await using db = await testDatabase();
    await using place = await folder(three);
    await using stranger = await testRole();
    await using reader = await testRole();
    const table = `CREATE TABLE pgmigrations (id int, name text, run_on timestamp); INSERT INTO pgmigrations VALUES (1, '0001_a', now())`;
    await rows(db, `${table}; ALTER TABLE pgmigrations OWNER TO ${stranger.name}; GRANT CREATE ON SCHEMA public TO ${reader.name}`);
    const reading = migratorOn(db, place.path, { connect: () => connectTo(reader.url(db.name)) });
    expect((await reading.migrator.status()).problems).toEqual([]);
    await rows(db, `ALTER TABLE pgmigrations OWNER TO CURRENT_USER`);
    expect((await reading.migrator.status()).problems).toEqual([]);
    await rows(db, `GRANT SELECT ON pgmigrations TO ${reader.name}`);
    expect((await reading.migrator.status()).problems).toMatchObject([{ code: 'foreignHistory', severity: 'error' }]);
  });
});

test('what is taken over has its down stored, and can be undone without its file', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  await rows(db, 'CREATE TABLE a (id int); CREATE TABLE pgmigrations (id int, name text, run_on timestamp)');
  await rows(db, `INSERT INTO pgmigrations VALUES (1, '0001_a', now())`);
  const { adopted, table } = await planned(db, place.path);
  await migratorOn(db, place.path).migrator.repair({ markApplied: adopted.map((one) => one.name), takenOverFrom: table });
  for (const name of Object.keys(three)) await place.remove(name);
  expect((await migratorOn(db, place.path).migrator.down()).undone.map((step) => step.name)).toEqual(['0001_a']);
  expect(await rows(db, `SELECT to_regclass('a') AS a`)).toEqual([{ a: null }]);
  expect(await rows(db, 'SELECT name FROM pgmigrations')).toEqual([{ name: '0001_a' }]);
});

describe('nothing is taken over, and nothing written, when', () => {
  const npm = `CREATE TABLE pgmigrations (id serial, name text, run_on timestamp DEFAULT now());`;

  test('a row has no migration', async () => {
    expect(await refused(`${npm} INSERT INTO pgmigrations (name) VALUES ('0001_a'), ('0002_other')`)).toBe(
      'planRefused: 0002_other of public.pgmigrations is not among the migrations\nNothing was written',
    );
    expect(await refused(`${npm} INSERT INTO pgmigrations (name) VALUES ('0001_a'), ('0004_gone'), ('seed')`)).toBe(
      'planRefused: 0004_gone, seed of public.pgmigrations are not among the migrations\nNothing was written',
    );
  });

  test('two rows would be the same migration, or a row several', async () => {
    expect(await refused(`CREATE TABLE migrations (name text); INSERT INTO migrations VALUES ('0001_a'), ('1_other')`)).toContain(
      '0001_a and 1_other would both be 0001_a',
    );
    const files = { '20240101_a.sql': 'SELECT 1;', '20240101_b.sql': 'SELECT 1;' };
    expect(await refused(`CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations VALUES ('20240101')`, files)).toContain(
      '20240101 may be any of 20240101_a, 20240101_b',
    );
  });

  test.each([
    ['golang-migrate', `CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO schema_migrations VALUES (2, true)`],
    [
      'Prisma',
      `CREATE TABLE _prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz); INSERT INTO _prisma_migrations VALUES ('2', NULL, NULL)`,
    ],
    ['a runner', `CREATE TABLE migrations (version int, success boolean); INSERT INTO migrations VALUES (2, false)`],
    ['a runner whose words are not known', `CREATE TABLE migrations (version int, status text); INSERT INTO migrations VALUES (2, 'hm')`],
  ])('%s did not finish', async (_, sql) => {
    expect(await refused(sql)).toMatch(/^planRefused: public\.\w+ says that 2 did not finish; nothing was written$/);
  });

  test('the newest row of golang-migrate is no migration of the folder', async () => {
    expect(await refused(`CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO schema_migrations VALUES (9, false)`)).toContain(
      '9 of public.schema_migrations is not among the migrations',
    );
  });

  test('no table, several tables, an empty one, or one that is no history', async () => {
    expect(await refused('SELECT 1')).toContain("no other tool's history was found in the schema public");
    expect(await refused(`${npm} CREATE TABLE schema_migrations (version text)`)).toContain(
      'public.pgmigrations (node-pg-migrate), public.schema_migrations (dbmate)',
    );
    expect(await refused(npm)).toContain('public.pgmigrations says that nothing is applied');
    expect(await refused('CREATE TABLE odd (a int, b int)', three, 'odd')).toContain('it has the columns a, b');
    expect(await refused('SELECT 1', three, 'nowhere')).toBe('invalidOptions: there is no table nowhere in the schema public');
  });

  test('a file cannot be read', async () => {
    expect(await refused(`${npm} INSERT INTO pgmigrations (name) VALUES ('0001_a')`, { ...three, '0001_again.sql': 'SELECT 1;' })).toContain(
      'invalidMigration',
    );
  });
});

test('where our name is another tool’s and it was taken over before, that history is named: another one would begin behind what it knows', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  await rows(db, `CREATE TABLE schema_migrations (version text)`);
  const at = (table: string): Migrator => migratorOn(db, place.path, { history: { table } }).migrator;
  expect((await failureOf(at('schema_migrations').status())).hint).toMatch(/^take its history over with: migrate adopt --from schema_migrations /);
  await at('our history').repair({ markApplied: ['0001'], takenOverFrom: 'public.schema_migrations' });
  expect((await failureOf(at('schema_migrations').up())).hint).toMatch(
    /^ours is there already where it is one of these: --table "our history" \(.*; where it is none of them: take its history over/,
  );
});

test('what another history has taken over is not taken over once more, and nobody is told to', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  await rows(db, `CREATE TABLE pgmigrations (id int, name text, run_on timestamp); INSERT INTO pgmigrations VALUES (1, '0001_a', now())`);
  const first = migratorOn(db, place.path, { history: { table: 'first' } }).migrator;
  await first.repair({ markApplied: ['0001'], takenOverFrom: 'public.pgmigrations' });
  const refusal = await failureOf(planned(db, place.path));
  expect([refusal.code, refusal.message]).toEqual(['planRefused', 'public.pgmigrations was taken over before: by the history first. Nothing was written']);
  expect(refusal.hint).toContain('where that is the history of these migrations, name it: --table first (history.table in migrate.config.ts). ');
  const second = migratorOn(db, place.path, { history: { table: 'second' } }).migrator;
  const { message } = await failureOf(second.up());
  expect(message).toContain('It was taken over before, by the history first: where that is the history of these migrations, name it: --table first (');
  expect(message).toMatch(/migrate repair --mark-applied 0001$/);
  expect(message).not.toContain('adopt');
  await first.repair({ markUndone: ['0001'] });
  expect(shown(await planned(db, place.path))).toEqual(['0001_a = 0001_a']);
});

test('what stands below the newest and is not in the table is named', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  await rows(db, `CREATE TABLE schema_version (version int)`);
  await rows(db, `INSERT INTO schema_version VALUES (2)`);
  expect(await planned(db, place.path)).toMatchObject({ adopted: [{ name: '0002_b' }], pending: [{ name: '0001_a' }, { name: '0003_c' }], gaps: ['0001_a'] });
});

test('a table of another schema, or of an odd name, is found by what is typed', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  await rows(db, `CREATE SCHEMA other; CREATE TABLE other.done (name text); CREATE TABLE "a.b ""c" (name text)`);
  await rows(db, `INSERT INTO other.done VALUES ('0001_a'); INSERT INTO "a.b ""c" VALUES ('0002_b')`);
  expect(shown(await planned(db, place.path, 'other.done'))).toEqual(['0001_a = 0001_a']);
  expect(shown(await planned(db, place.path, 'a.b "c'))).toEqual(['0002_b = 0002_b']);
});

test('a history of ours is not taken for another tool’s', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  await migratorOn(db, place.path, { history: { table: 'schema_migrations' } }).migrator.up();
  expect((await failureOf(planned(db, place.path))).message).toContain("no other tool's history");
  expect((await failureOf(planned(db, place.path, 'schema_migrations'))).message).toContain('is not a history that can be read');
});

test('what node-pg-migrate itself has run is taken over, and undone with its own files', async () => {
  await using db = await testDatabase();
  // node-pg-migrate runs a file without the first mark as a whole, its down included.
  const marked = Object.fromEntries(Object.entries(three).map(([name, text]) => [name, `-- Up Migration\n${text}`]));
  await using place = await folder({ ...marked, '1700000000000_later.js': `exports.up = (pgm) => pgm.createTable('later', { id: 'int' });\n` });
  await runner({ databaseUrl: db.url, dir: place.path, direction: 'up', migrationsTable: 'pgmigrations', log: () => undefined });
  const { adopted, pending, table } = await planned(db, place.path);
  expect({ adopted: adopted.map((one) => one.name), pending, table }).toEqual({
    adopted: ['0001_a', '0002_b', '0003_c', '1700000000000_later'],
    pending: [],
    table: 'public.pgmigrations',
  });
  const { migrator } = migratorOn(db, place.path);
  await migrator.repair({ markApplied: adopted.map((one) => one.name), takenOverFrom: table });
  expect(await migrator.up()).toMatchObject({ outcome: 'upToDate' });
  expect((await migrator.down({ steps: 4 })).undone).toHaveLength(4);
  expect(await rows(db, `SELECT relname FROM pg_class WHERE relname IN ('a', 'b', 'c', 'later')`)).toEqual([]);
});
