/** `migrate verify`, as people run it. */

import { testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, golden, migrate, type Finished, type Place } from './support/command.ts';
import { down } from './support/folders.ts';
import { createTenants, perTenant, schemasQuery } from './support/tenants.ts';

const file = (name: string): string => `golden/verify/${name}.txt`;

const notes = (role: string): Readonly<Record<string, string>> => ({
  'migrate.config.ts': `export default { name: 'notes', migrations: './migrations', database: 'notes_db', applicationRole: '${role}',
  rowLevelSecurity: { column: 'tenant_id', setting: 'app.tenant' } };\n`,
  'package.json': '{ "type": "module" }',
  'migrations/0001_notes.sql': down(
    '',
    `CREATE TABLE notes (id int PRIMARY KEY, tenant_id int NOT NULL, text text);
CREATE INDEX notes_tenant ON notes (tenant_id);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (tenant_id = nullif(current_setting('app.tenant', true), '')::int) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::int);
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO ${role};`,
    'DROP TABLE notes;',
  ),
});

async function verify(
  db: TestDatabase,
  place: Place,
  args: readonly string[],
  replace: Readonly<Record<string, string>> = {},
): Promise<{ run: Finished; text: string }> {
  const words = ['verify', ...args, '--url', db.url];
  const run = await migrate(words, place);
  return { run, text: golden(words, run, { [db.url]: 'URL', [db.name]: 'DB', ...replace }) };
}

test('a service that is as it was migrated, and one that somebody worked on', async () => {
  await using db = await testDatabase();
  await using role = await testRole();
  await using place = await folder(notes(role.name));
  const at = { cwd: place.path };
  expect((await migrate(['up', '--url', db.url], at)).code).toBe(0);
  const clean = await verify(db, at, [], { [role.name]: 'ROLE' });
  await expect(clean.text).toMatchFileSnapshot(file('clean'));
  const client = await db.connect();
  await client.query(`ALTER TABLE notes ADD author text; DROP INDEX notes_tenant; GRANT TRUNCATE ON notes TO ${role.name}; CREATE TABLE plain (id int);
    ALTER POLICY own ON notes USING (tenant_id = nullif(current_setting('app.tenant', true), '')::int OR true); COMMENT ON TABLE notes IS 'x'`);
  const wrong = await verify(db, at, [], { [role.name]: 'ROLE' });
  await expect(wrong.text).toMatchFileSnapshot(file('findings'));
  expect(wrong.run.code).toBe(1);
  await expect((await verify(db, at, ['--json'], { [role.name]: 'ROLE' })).text).toMatchFileSnapshot(file('findings.json'));
});

test('a hole that only trying finds', async () => {
  await using db = await testDatabase();
  await using role = await testRole();
  const files = notes(role.name);
  await using place = await folder({
    ...files,
    'migrations/0001_notes.sql': (files['migrations/0001_notes.sql'] ?? '')
      .replace("''')::int) WITH", "''')::int OR true) WITH")
      .replace("'')::int) WITH", "'')::int OR true) WITH"),
  });
  const at = { cwd: place.path };
  await migrate(['up', '--url', db.url], at);
  const client = await db.connect();
  await client.query('INSERT INTO notes VALUES (1, 101, $1), (2, 102, $1)', ['a patient’s secret']);
  const { run, text } = await verify(db, at, [], { [role.name]: 'ROLE' });
  await expect(text).toMatchFileSnapshot(file('leak'));
  expect(run.stdout + run.stderr).not.toMatch(/secret|101|102/);
});

test('of tenants only those that differ have errors, told together', async () => {
  await using db = await testDatabase();
  await using place = await folder(perTenant);
  const at = { cwd: place.path };
  const names = ['clinic_a', 'clinic_b', 'clinic_c', 'clinic_d'];
  const client = await createTenants(db, names);
  const tenants = ['--dir', 'm', '--tenant-schemas', schemasQuery];
  await migrate(['up', ...tenants, '--url', db.url], at);
  const clean = await verify(db, at, tenants);
  await expect(clean.text).toMatchFileSnapshot(file('tenants-clean'));
  await client.query('ALTER TABLE clinic_b.vendor ADD name text; ALTER TABLE clinic_d.vendor ADD name text; DROP SCHEMA clinic_c CASCADE');
  const some = await verify(db, at, tenants);
  await expect(some.text).toMatchFileSnapshot(file('tenants-some'));
  expect(some.run.code).toBe(4);
  const document = JSON.parse((await verify(db, at, [...tenants, '--json'])).run.stdout) as {
    services: { targets: { tenant: string; findings: unknown[] }[] }[];
  };
  expect(document.services[0]?.targets.map((one) => [one.tenant, one.findings.length]).toSorted()).toEqual([
    ['clinic_a', 0],
    ['clinic_b', 1],
    ['clinic_c', 1],
    ['clinic_d', 1],
  ]);
  const one = await verify(db, at, [...tenants, '--tenant', 'clinic_b']);
  expect(one.run.code).toBe(1);
});

test('the tenants of a service are verified with what they share, and those that the registry does not know are told', async () => {
  await using db = await testDatabase();
  await using place = await folder({
    'package.json': '{ "type": "module" }',
    'migrate.config.ts': `export default { name: 'visits', migrations: './migrations', database: 'visits_db', tenancy: { mode: 'schema', migrations: './tenant-migrations', requiredTables: ['visits'] } };\n`,
    'migrations/0001_countries.sql': down('', 'CREATE TABLE countries (code text PRIMARY KEY);', 'DROP TABLE countries;'),
    'tenant-migrations/0001_visits.sql': down('', 'CREATE TABLE visits (id int PRIMARY KEY, country text REFERENCES countries);', 'DROP TABLE visits;'),
  });
  const at = { cwd: place.path };
  await migrate(['up', '--url', db.url], at);
  await migrate(['tenants', 'create', 'one', 'two', '--url', db.url], at);
  const client = await db.connect();
  await client.query('CREATE SCHEMA copy; CREATE TABLE copy.schema_migrations_visits ()');
  const clean = await verify(db, at, []);
  await expect(clean.text).toMatchFileSnapshot(file('registry'));
  await client.query('DROP TABLE two.visits; DROP TABLE countries CASCADE');
  await expect((await verify(db, at, ['--source', 'tenant'])).text).toMatchFileSnapshot(file('registry-damaged'));
  const group = await migrate(['tenants', 'verify', '--tenant', 'two', '--url', db.url], at);
  expect(group.stdout).toContain('the required table visits is not there');
  expect(group.code).toBe(1);
  // Each of several is named, and whose finding it is that is told of all.
  await client.query('CREATE SCHEMA other; CREATE TABLE other.schema_migrations_visits ()');
  expect((await verify(db, at, ['--source', 'tenant'])).run.stdout).toContain('copy, other (told of copy): copy has a history of visits');
});

test('in production no scratch database is made unasked', async () => {
  await using db = await testDatabase();
  await using role = await testRole();
  await using place = await folder(notes(role.name));
  const at = { cwd: place.path, env: { NODE_ENV: 'production' } };
  await migrate(['up', '--url', db.url], at);
  const { run, text } = await verify(db, at, [], { [role.name]: 'ROLE' });
  expect(run.code).toBe(0);
  await expect(text).toMatchFileSnapshot(file('production'));
  expect((await verify(db, at, ['--allow-production'])).run.stdout).toContain('nothing found');
});

test('a database that is not there, or a wrong flag, is no pass', async () => {
  await using db = await testDatabase();
  await using place = await folder(perTenant);
  const at = { cwd: place.path };
  const absent = await migrate(['verify', '--dir', 'm', '--url', db.server.url('never_made')], at);
  expect(absent.code).toBe(1);
  expect(absent.stderr).toContain('never_made');
  const flag = await migrate(['verify', '--dir', 'm', '--url', db.url, '--tenant', 'x'], at);
  expect(flag.code).toBe(2);
  const never = await verify(db, at, ['--dir', 'm']);
  expect(never.run.code).toBe(1);
  expect(never.text).toContain('was never migrated here');
});
