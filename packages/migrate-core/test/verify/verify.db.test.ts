import { testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';

import { directorySource, verify, type TargetVerification, type VerifyOptions } from '../../src/index.ts';
import { connectTo, folder, migratorOn, type Files } from '../support/target.ts';

const files: Files = {
  '0001_patients.sql': `-- Up Migration
CREATE TABLE patients (id int PRIMARY KEY, name text NOT NULL, phone varchar(20), clinic int);
CREATE INDEX patients_name ON patients (name);
COMMENT ON TABLE patients IS 'People';
-- Down Migration
DROP TABLE patients;
`,
  '0002_visits.sql': `CREATE TABLE visits (id int PRIMARY KEY, patient int CONSTRAINT visits_patient REFERENCES patients);
CREATE FUNCTION touch() RETURNS int LANGUAGE sql AS 'SELECT 1';`,
  '0003_index.sql': 'CREATE INDEX CONCURRENTLY visits_patient ON visits (patient);',
};

interface Subject extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly client: pg.Client;
  readonly path: string;
  write(more: Files): Promise<void>;
  remove(name: string): Promise<void>;
  verify(options?: Partial<VerifyOptions>): Promise<TargetVerification>;
}

async function subject(given: Files = files, schema?: string): Promise<Subject> {
  const db = await testDatabase();
  const place = await folder(given);
  const client = await db.connect();
  if (schema !== undefined) await client.query(`CREATE SCHEMA ${pg.escapeIdentifier(schema)}`);
  await migratorOn(db, place.path, { schema }).migrator.up();
  return {
    db,
    client,
    path: place.path,
    write: place.write,
    remove: place.remove,
    verify: (options = {}) =>
      verify({
        service: 'test',
        source: directorySource(place.path),
        connect: (name) => connectTo(name === null ? db.url : db.server.url(name)),
        schema,
        ...options,
      }),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

const codes = ({ findings }: TargetVerification): unknown => findings.map((one) => [one.code, one.object]);

test('what was migrated and not touched has no finding, and the scratch database is gone', async () => {
  await using on = await subject();
  // Other tests have theirs at the same time: a role of this test's own tells them apart.
  await using role = await testRole({ attributes: 'SUPERUSER' });
  const connect = (name: string | null): ReturnType<typeof connectTo> => connectTo(role.url(name ?? on.db.name));
  expect(await on.verify({ connect })).toEqual({ tenant: null, database: null, schema: 'public', findings: [], probe: null });
  expect((await on.client.query(`SELECT FROM pg_database WHERE datdba = '${role.name}'::regrole`)).rows).toEqual([]);
});

test('so in a schema of any name', async () => {
  await using on = await subject(files, 'Clinic "A"; --');
  expect((await on.verify()).findings).toEqual([]);
  await on.client.query(`DROP INDEX "Clinic ""A""; --".patients_name`);
  expect(codes(await on.verify())).toEqual([['drift', 'index patients_name of table patients']]);
});

const drifts: readonly (readonly [what: string, sql: string, code: string, object: string, severity: string])[] = [
  ['a table by hand', 'CREATE TABLE extra (id int, name text)', 'drift', 'table extra', 'error'],
  ['a table dropped', 'DROP TABLE visits', 'drift', 'table visits', 'error'],
  ['a column by hand', 'ALTER TABLE patients ADD nickname text', 'drift', 'column nickname of table patients', 'error'],
  ['another type', 'ALTER TABLE patients ALTER phone TYPE text', 'drift', 'column phone of table patients', 'error'],
  ['an index dropped', 'DROP INDEX patients_name', 'drift', 'index patients_name of table patients', 'error'],
  ['a constraint dropped', 'ALTER TABLE visits DROP CONSTRAINT visits_patient', 'drift', 'constraint visits_patient of table visits', 'error'],
  ['a function replaced', `CREATE OR REPLACE FUNCTION touch() RETURNS int LANGUAGE sql AS 'SELECT 2'`, 'drift', 'function touch()', 'error'],
  ['a grant by hand', 'GRANT SELECT ON patients TO PUBLIC', 'drift', 'grants to public of table patients', 'error'],
  ['another comment', `COMMENT ON TABLE patients IS 'x'`, 'drift', 'comment of table patients', 'warning'],
  [
    'a constraint that is half made',
    'ALTER TABLE visits DROP CONSTRAINT visits_patient; ALTER TABLE visits ADD CONSTRAINT visits_patient FOREIGN KEY (patient) REFERENCES patients NOT VALID',
    'constraintNotValidated',
    'constraint visits_patient of table visits',
    'error',
  ],
  [
    'an index that is half made',
    `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'patients_name'::regclass`,
    'invalidIndex',
    'index patients_name of table patients',
    'error',
  ],
  [
    'a history that others may write',
    'GRANT UPDATE ON schema_migrations_test_scripts TO PUBLIC',
    'historyWritable',
    'table schema_migrations_test_scripts',
    'error',
  ],
  ['one of its columns', 'GRANT UPDATE (state) ON schema_migrations_test TO PUBLIC', 'historyWritable', 'table schema_migrations_test', 'error'],
];

test.for(drifts)('%s is found by its name', async ([, sql, code, object, severity]) => {
  await using on = await subject();
  await on.client.query(sql);
  const { findings } = await on.verify();
  expect(findings.map((one) => [one.code, one.object, one.severity])).toEqual([[code, object, severity]]);
});

test('a constraint that the migrations leave NOT VALID is none', async () => {
  await using on = await subject({ ...files, '0004_check.sql': `ALTER TABLE patients ADD CONSTRAINT named CHECK (name <> '') NOT VALID;` });
  expect((await on.verify()).findings).toEqual([]);
});

test('only what is applied counts: pending migrations are no drift, and applied ones whose file is gone are replayed from the history', async () => {
  await using on = await subject();
  await on.write({ '0004_more.sql': 'CREATE TABLE more (id int);' });
  expect((await on.verify()).findings).toEqual([]);
  await on.remove('0002_visits.sql');
  expect(codes(await on.verify())).toEqual([['unknownApplied', 'migration 0002_visits']]);
  await on.client.query('ALTER TABLE visits ADD extra int');
  expect(codes(await on.verify())).toEqual([
    ['unknownApplied', 'migration 0002_visits'],
    ['drift', 'column extra of table visits'],
  ]);
});

test('an applied migration whose file cannot be read is that, and not one that is gone', async () => {
  await using on = await subject();
  await on.write({ '0002_visits.sql': '\0not text' });
  expect(codes(await on.verify())).toEqual([['invalidMigration', 'migration 0002_visits']]);
});

test('a stored script that others could have written is not run', async () => {
  await using on = await subject();
  await on.remove('0002_visits.sql');
  await on.client.query('GRANT UPDATE ON schema_migrations_test_scripts TO PUBLIC');
  const { findings } = await on.verify();
  expect(findings.map((one) => one.code)).toEqual(['unknownApplied', 'historyWritable', 'notChecked']);
  expect(findings.at(-1)?.message).toContain('its stored SQL could have been written by PUBLIC');
});

test('a changed file is found, and what was applied is what counts', async () => {
  await using on = await subject();
  await on.write({ '0002_visits.sql': 'CREATE TABLE visits (id int PRIMARY KEY);' });
  expect(codes(await on.verify())).toEqual([['changed', 'migration 0002_visits']]);
});

test('required tables that are not there are found once', async () => {
  await using on = await subject();
  await on.client.query('DROP TABLE visits');
  expect(codes(await on.verify({ requiredTables: ['patients', 'visits'] }))).toEqual([['requiredTableAbsent', 'table visits']]);
});

test('a target that was never migrated, and one half way', async () => {
  await using on = await subject();
  expect(codes(await on.verify({ history: { table: 'other' }, source: directorySource(on.path) }))).toEqual([['notMigrated', null]]);
  await on.client.query(`UPDATE schema_migrations_test SET state = 'started' WHERE name = '0003_index'`);
  const { findings } = await on.verify();
  expect(findings.map((one) => one.code)).toEqual(['interrupted', 'notChecked']);
});

test('a role that may not create databases is told what was not checked, and invalid indexes all the same', async () => {
  await using on = await subject();
  await using role = await testRole();
  await on.client.query(
    `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role.name}; UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'patients_name'::regclass`,
  );
  const { findings } = await on.verify({ connect: () => connectTo(role.url(on.db.name)) });
  expect(findings.map((one) => [one.code, one.severity])).toEqual([
    ['invalidIndex', 'error'],
    ['notChecked', 'warning'],
  ]);
  expect(findings[1]?.message).toContain('CREATEDB');
});

test('a migration that an empty database cannot take is told, and is no drift', async () => {
  await using on = await subject({ '0001_a.sql': 'CREATE TABLE a (id int);' });
  await on.client.query('INSERT INTO a VALUES (1)');
  await on.write({ '0002_b.sql': 'CREATE TABLE b AS SELECT 1 / count(*) AS x FROM a;' });
  await migratorOn(on.db, on.path).migrator.up();
  const { findings } = await on.verify();
  expect(findings.map((one) => [one.code, one.severity])).toEqual([['notChecked', 'warning']]);
  expect(findings[0]?.message).toContain('division by zero');
});

test('services that share a schema do not find each other’s tables', async () => {
  await using on = await subject();
  await using other = await folder({ '0001_bills.sql': 'CREATE TABLE bills (id int);' });
  await migratorOn(on.db, other.path, { service: 'bills' }).migrator.up();
  const { findings } = await on.verify();
  expect(findings.map((one) => [one.code, one.severity])).toEqual([['notChecked', 'warning']]);
  await on.client.query('DROP INDEX patients_name');
  expect((await on.verify()).findings.map((one) => one.code)).toEqual(['drift', 'notChecked']);
});

test('nor do they find fault with how the other keeps its tenants apart', async () => {
  await using on = await subject({ '0001_a.sql': 'CREATE TABLE "A b" (tenant int NOT NULL); CREATE INDEX ON "A b" (tenant);' });
  await using other = await folder({ '0001_bills.sql': 'CREATE TABLE bills (id int);' });
  await migratorOn(on.db, other.path, { service: 'bills' }).migrator.up();
  const { findings } = await on.verify({ rowLevelSecurity: { column: 'tenant', setting: 'app.t' } });
  expect(findings.filter((one) => one.severity === 'error').map((one) => [one.code, one.object])).toEqual([
    ['rowSecurityDisabled', 'table "A b"'],
    ['rowSecurityNotForced', 'table "A b"'],
    ['noPolicy', 'table "A b"'],
  ]);
});

test('what the migrations make in other schemas is compared as well', async () => {
  await using on = await subject({ '0001_a.sql': 'CREATE SCHEMA stats; CREATE TABLE stats.counts (n int);' });
  expect((await on.verify()).findings).toEqual([]);
  await on.client.query('ALTER TABLE stats.counts ALTER n TYPE bigint');
  expect(codes(await on.verify())).toEqual([['drift', 'column n of table counts in the schema stats']]);
});

test('a superuser verifies what another role owns', async () => {
  await using db = await testDatabase();
  await using owner = await testRole();
  await using place = await folder(files);
  const admin = await db.connect();
  await admin.query(`ALTER DATABASE ${db.name} OWNER TO ${owner.name}; GRANT CREATE ON SCHEMA public TO ${owner.name}`);
  await migratorOn(db, place.path, { connect: () => connectTo(owner.url(db.name)) }).migrator.up();
  const report = await verify({
    service: 'test',
    source: directorySource(place.path),
    connect: (name) => connectTo(name === null ? db.url : db.server.url(name)),
  });
  await admin.query(`ALTER DATABASE ${db.name} OWNER TO CURRENT_USER`);
  expect(report.findings).toEqual([]);
});

test('the table that a history was taken over from is nobody’s migration, and no drift', async () => {
  await using db = await testDatabase();
  await using place = await folder(files);
  const client = await db.connect();
  await migratorOn(db, place.path, { history: { table: 'first' } }).migrator.up();
  await client.query('DROP TABLE first, first_log, first_scripts');
  await client.query(`CREATE TABLE "pg migrations" (id serial PRIMARY KEY, name text, run_on timestamp DEFAULT now())`);
  const { migrator } = migratorOn(db, place.path);
  await migrator.repair({ markApplied: ['0001', '0002', '0003'], takenOverFrom: 'public.pg migrations' });
  await client.query('CREATE TABLE stray (id int)');
  const told = await verify({
    service: 'test',
    source: directorySource(place.path),
    connect: (name) => connectTo(name === null ? db.url : db.server.url(name)),
  });
  expect(codes(told)).toEqual([['drift', 'table stray']]);
});
