import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { runOn, testDatabase, testRole, type TestRole, type TestServer } from '@org/test-postgres';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('../bin/migrate.js', import.meta.url));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function folder(files: Readonly<Record<string, string>>): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'check-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Without what the surroundings would name: variables of a connection. */
function migrate(cwd: string, words: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1', ...variables };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...words], { cwd, env }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }));
  });
}

/** Other tests have theirs at the same time: a role of this test's own tells them apart. */
function mayCreate(): Promise<TestRole> {
  return testRole({ attributes: 'CREATEDB NOSUPERUSER' });
}

async function databasesOf(role: TestRole, server: TestServer): Promise<number> {
  return (await runOn(server, `SELECT FROM pg_database WHERE datdba = '${role.name}'::regrole`)).rows.length;
}

const sound = { '0001_a.sql': '-- Up Migration\nCREATE TABLE a (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE a;\n' };
const leaves = { '0002_b.sql': '-- Up Migration\nCREATE TYPE mood AS ENUM ();\nCREATE TABLE b (id int);\n\n-- Down Migration\nDROP TABLE b;\n' };

test('a folder whose downs undo their ups passes, and leaves nothing on the server or in the database', async () => {
  await using db = await testDatabase();
  await using role = await mayCreate();
  await using files = await folder(sound);
  const { code, out } = await migrate(files.path, ['check', '--dir', '.', '--url', role.url(db.name)]);
  expect(code).toBe(0);
  expect(out).toContain('✓ files, names, order and directives\n  ✓ up, down and up again: 1 of 1 left everything as it was\n');
  expect(out).toContain('1 service checked: nothing found.');
  expect((await runOn(db.server, 'SELECT relname FROM pg_class WHERE relnamespace = 2200', db.name)).rows).toEqual([]);
  expect(await databasesOf(role, db.server)).toBe(0);
});

test('a down that leaves something is named with the object, the file and the line, and exits 1', async () => {
  await using db = await testDatabase();
  await using role = await mayCreate();
  await using files = await folder({ ...sound, ...leaves });
  const { code, out } = await migrate(files.path, ['check', '--dir', '.', '--url', db.url]);
  expect(code).toBe(1);
  expect(out).toContain('✗ the down of 0002_b does not bring back what was there before');
  expect(out).toContain('+ type mood: enum ()\n    0002_b.sql:6:1\n');
  expect(await databasesOf(role, db.server)).toBe(0);
});

test('with --json the document is alone on standard output', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...sound, ...leaves, '0003_c.sql': 'CREATE TABLE c (id int);' });
  const { code, out } = await migrate(files.path, ['check', '--dir', '.', '--url', db.url, '--json']);
  expect(code).toBe(1);
  const document = JSON.parse(out) as { services: { findings: Record<string, unknown>[] }[] };
  expect(document).toMatchObject({ errors: 2, warnings: 1, requirements: [] });
  expect(document.services[0]).toMatchObject({ migrations: 3, roundTrip: { clean: ['0001_a'], notTried: [] }, withoutRoundTrip: null, error: null });
  expect(document.services[0]?.findings.map(({ code: found, severity, migration, line }) => [found, severity, migration, line])).toEqual([
    ['notUndone', 'error', '0002_b', 6],
    ['upAgainFailed', 'error', '0002_b', 2],
    ['irreversible', 'warning', '0003_c', null],
  ]);
});

test('of migrations that are for tenants with a schema each, what they say of public is tried and told', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_a.sql': 'CREATE TABLE "public"."a" (id int);\n-- Down Migration\nDROP TABLE public.a;\n',
    '0002_b.sql': `SELECT 1 FROM information_schema.tables WHERE table_schema = 'public';\n-- Down Migration\nSELECT 1;\n`,
  });
  const words = ['check', '--dir', '.', '--url', db.url, '--tenant-schemas', 'SELECT 1'];
  const { code, out } = await migrate(files.path, words);
  expect(out).toContain('! 0002_b: left as it is for tenants: public in a string');
  expect(out).toContain('0002_b.sql:1:63\n');
  expect(out).toContain('up, down and up again: 2 of 2 left everything as it was');
  expect(code).toBe(0);
  expect((await migrate(files.path, [...words, '--schema', 'x'])).code).toBe(2);
});

test('without a server the files are checked all the same', async () => {
  await using files = await folder({ ...sound, '0002_b.sql': '-- Up Migration\nSELECT 1;\nSELEC 2;\n' });
  const broken = await migrate(files.path, ['check', '--dir', '.']);
  expect(broken.code).toBe(1);
  expect(broken.out).toContain('✗ 0002_b: syntax error at or near "SELEC"\n    0002_b.sql:3:1\n');
  await rm(join(files.path, '0002_b.sql'));
  const fine = await migrate(files.path, ['check', '--dir', '.']);
  expect(fine.code).toBe(0);
  expect(fine.out).toContain('! no round trip: nothing names a server');
});

test('in production there is no round trip', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...sound, ...leaves });
  const { code, out } = await migrate(files.path, ['check', '--dir', '.', '--url', db.url], { NODE_ENV: 'production' });
  expect(out).toContain('no round trip: not with NODE_ENV=production');
  expect(code).toBe(0);
});

test('a server that cannot be reached, or a role that may not create databases, is a failure and not a pass', async () => {
  await using db = await testDatabase();
  await using role = await testRole();
  await using files = await folder(sound);
  const unreachable = await migrate(files.path, ['check', '--dir', '.', '--url', 'postgres://u:secret@127.0.0.1:1/x']);
  expect(unreachable.code).toBe(1);
  expect(unreachable.err).toContain('nothing listens on 127.0.0.1:1');
  expect(unreachable.err + unreachable.out).not.toContain('secret');
  const powerless = await migrate(files.path, ['check', '--dir', '.', '--url', role.url(db.name)]);
  expect(powerless.code).toBe(2);
  expect(powerless.err).toContain(`the role ${role.name} may not create one`);
});

test('a database that was never made is no obstacle', async () => {
  await using db = await testDatabase();
  await using files = await folder(sound);
  const { code } = await migrate(files.path, ['check', '--dir', '.', '--url', db.server.url('never_made')]);
  expect(code).toBe(0);
});

function service(name: string, dependencies: readonly string[], migration: string): Record<string, string> {
  return {
    [`services/${name}/migrate.config.mjs`]: `export default { name: '${name}', migrations: './migrations', database: '${name}_db' };\n`,
    [`services/${name}/package.json`]: JSON.stringify({
      name,
      type: 'module',
      dependencies: Object.fromEntries(dependencies.map((one) => [one, 'workspace:*'])),
    }),
    [`services/${name}/migrations/0001_first.sql`]: migration,
  };
}

const workspace = { 'migrate.workspace.mjs': `export default { services: ['services/*'] };\n` };
const requiring = (what: string): string => `-- migrate: requires=${what}\n${sound['0001_a.sql']}`;

test('a requirement that no manifest covers is an error that names both', async () => {
  await using files = await folder({ ...workspace, ...service('user', [], sound['0001_a.sql']), ...service('patient', [], requiring('user@1')) });
  const { code, out } = await migrate(files.path, ['check']);
  expect(code).toBe(1);
  expect(out).toContain('✗ patient 0001_first requires user@1, but the package manifest of patient does not depend on user');
});

test('services that need each other in a circle are an error that names them', async () => {
  await using files = await folder({
    ...workspace,
    ...service('user', ['patient'], requiring('patient@1')),
    ...service('patient', ['user'], requiring('user@1')),
  });
  const { code, out } = await migrate(files.path, ['check']);
  expect(code).toBe(1);
  expect(out).toContain('in a circle: patient → user → patient');
  expect(out).toContain('none can come first: ');
});

test('a version that the required service does not have is found, and sound services pass together', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...workspace, ...service('user', [], sound['0001_a.sql']), ...service('patient', ['user'], requiring('user@7')) });
  const missing = await migrate(files.path, ['check', '--service', 'patient', '--json', '--url', db.url]);
  expect(missing.code).toBe(1);
  expect(JSON.parse(missing.out)).toMatchObject({ requirements: [{ code: 'unknownVersion', service: 'patient', migration: '0001_first' }] });
  await writeFile(join(files.path, 'services/patient/migrations/0001_first.sql'), requiring('user@1'));
  const sounds = await migrate(files.path, ['check', '--url', db.url]);
  expect(sounds.code).toBe(0);
  expect(sounds.out).toContain('2 services checked: nothing found.');
});
