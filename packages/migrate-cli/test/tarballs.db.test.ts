import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { pack } from '@org/packing/pack';
import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let outside: string;
let db: TestDatabase;

/** What is in a project that has nothing of this repository but the tarballs. */
const project: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "outside", "version": "1.0.0", "private": true, "type": "module" }\n',
  'migrations/0001_notes.sql': 'CREATE TABLE notes (id int);\n-- Down Migration\nDROP TABLE notes;\n',
  'migrations/0002_tags.ts': `import { enableRowLevelSecurity } from '@org/migrate-core/pgm';
import type { MigrationBuilder } from 'node-pg-migrate';
export function up(pgm: MigrationBuilder): void {
  pgm.createTable('tags', { id: 'id', tenant: 'integer' });
  enableRowLevelSecurity(pgm, 'tags', { column: 'tenant', tenant: { setting: 'app.tenant', type: 'integer' } });
}
export function down(pgm: MigrationBuilder): void {
  pgm.dropTable('tags');
}
`,
  'migrations/0003_folder/migration.sql': 'CREATE INDEX CONCURRENTLY notes_id ON notes (id);\n',
  'migrations/0003_folder/rollback.sql': 'DROP INDEX CONCURRENTLY notes_id;\n',
  'start.js': `import { createMigrator, directorySource } from '@org/migrate-core';
import pg from 'pg';
const connect = async () => {
  const client = new pg.Client({ connectionString: process.argv[2] });
  await client.connect();
  return client;
};
const migrator = createMigrator({ service: 'outside', source: directorySource('migrations'), connect, history: { table: 'schema_migrations' } });
const report = await migrator.up();
console.log(JSON.stringify({ outcome: report.outcome, current: (await migrator.status()).current?.version }));
`,
  'clinics/migrate.config.ts': `import { defineService } from '@org/migrate-core';
export default defineService({
  name: 'clinics', migrations: './migrations', database: 'clinics', tenancy: { mode: 'schema', migrations: './tenant-migrations' },
});
`,
  'clinics/migrations/0001_directory.sql': 'CREATE TABLE directory (id int);\n',
  'clinics/tenant-migrations/0001_rooms.sql': 'CREATE TABLE rooms (id int);\n',
  // What a configuration throws is the library's error only where the command line has the same copy of the library.
  'refusing/migrate.config.ts': `import { defineService, MigrationError } from '@org/migrate-core';
const refuse = () => Promise.reject(new MigrationError({ code: 'invalidOptions', message: 'These migrations are not for today.', hint: 'wait' }));
export default defineService({ name: 'refusing', migrations: { label: 'here', list: refuse, compile: refuse }, database: 'refusing' });
`,
  'typed.ts': `import { createMigrator, defineService, directorySource, MigrationError, type Report } from '@org/migrate-core';
import { auditTable, enableRowLevelSecurity } from '@org/migrate-core/pgm';
export const service = defineService({ name: 'typed', migrations: './migrations', database: 'typed' });
export const codeOf = (error: MigrationError): 'aborted' | null => (error.code === 'aborted' ? error.code : null);
export const applied = (report: Report): number => report.applied.length;
export const helpers: readonly unknown[] = [auditTable, enableRowLevelSecurity, createMigrator];
// @ts-expect-error A folder is a path.
directorySource(1);
`,
  'loaded.js': `import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({ load(url, context, next) {
  if (/\\/(@org|pg)\\//.test(url) && url.endsWith('.js')) appendFileSync('loaded.txt', url + '\\n');
  return next(url, context);
} });
`,
};

/** The repository's conditions must not leak into it. */
const env = { ...process.env, NODE_OPTIONS: '', NODE_ENV: '', NO_COLOR: '1', CI: '1' };

async function node(folder: string, ...words: readonly string[]): Promise<Said> {
  const told = await run(process.execPath, [...words], { cwd: join(outside, folder), env }).catch((error: unknown) => error as Said);
  return { code: (told as Partial<Said>).code ?? 0, stdout: told.stdout, stderr: told.stderr };
}

function migrate(folder: string, ...words: readonly string[]): Promise<Said> {
  return node(folder, join(outside, 'node_modules/@org/migrate-cli/bin/migrate.js'), ...words);
}

const here = (...words: readonly string[]): Promise<Said> => migrate('.', ...words, '--dir', 'migrations', '--url', db.url);

beforeAll(async () => {
  db = await testDatabase();
  outside = await mkdtemp(join(tmpdir(), 'outside-'));
  for (const [path, text] of Object.entries(project)) {
    await mkdir(dirname(join(outside, path)), { recursive: true });
    await writeFile(join(outside, path), text);
  }
  const tarballs = [await pack('migrate-core', outside), await pack('migrate-cli', outside)];
  await run('npm', ['install', '--no-audit', '--no-fund', ...tarballs], { cwd: outside });
}, 300_000);

afterAll(async () => {
  await rm(outside, { recursive: true, force: true });
  await db[Symbol.asyncDispose]();
});

test('the packed command line migrates a project outside the repository, in SQL and TypeScript, and undoes it', async () => {
  const up = await here('up');
  expect(up).toMatchObject({ code: 0, stderr: '' });
  expect(up.stdout).toMatch(/3 migrations applied in .*; now at 0003/);
  expect(JSON.parse((await here('status', '--json')).stdout)).toMatchObject({ services: [{ targets: [{ current: '0003', pending: [], problems: [] }] }] });

  const started = await node('.', 'start.js', db.url);
  expect(started).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(started.stdout)).toEqual({ outcome: 'upToDate', current: '0003' });

  expect((await here('down', '--steps', '1')).stdout).toContain('0003_folder');
  expect((await here('plan')).stdout).toMatch(/1 migration to apply[^]*0003_folder/);
  expect((await here('up')).stdout).toContain('0003_folder');
});

test('each command finds the files that only it loads', async () => {
  const helped = await migrate('.', '--help');
  expect(helped).toMatchObject({ code: 0, stderr: '' });
  for (const name of ['up', 'down', 'redo', 'status', 'plan', 'log', 'create', 'check', 'verify', 'repair', 'adopt']) {
    expect(await migrate('.', name, '--help')).toMatchObject({ code: 0, stderr: '' });
  }
  for (const name of ['list', 'create', 'drop', 'restore', 'status', 'verify', 'backfill']) {
    expect(await migrate('.', 'tenants', name, '--help')).toMatchObject({ code: 0, stderr: '' });
  }
  const { version } = JSON.parse(await readFile(join(outside, 'node_modules/@org/migrate-cli/package.json'), 'utf8')) as { version: string };
  expect((await migrate('.', '--version')).stdout).toBe(`${version}\n`);
  expect((await migrate('.', 'create', 'add phone', '--dir', 'migrations')).stdout).toContain('0004_add_phone');
  await rm(join(outside, 'migrations', '0004_add_phone'), { recursive: true });
  for (const words of [['check'], ['status'], ['log'], ['verify']]) expect(await here(...words)).toMatchObject({ code: 0, stderr: '' });
});

test('a configuration with tenants is loaded, and its tenants are made, migrated and listed', async () => {
  await using clinics = await testDatabase();
  const at = ['--url', clinics.url];
  expect(await migrate('clinics', 'up', ...at)).toMatchObject({ code: 0 });
  expect(await migrate('clinics', 'tenants', 'create', 'north', ...at)).toMatchObject({ code: 0 });
  expect((await migrate('clinics', 'tenants', 'list', ...at)).stdout).toContain('north');
  expect((await migrate('clinics', 'verify', ...at)).code).toBe(0);
});

test('an error that a configuration throws is the one that the command line knows', async () => {
  const told = await migrate('refusing', 'status', '--url', db.url);
  expect(told.code).toBe(2);
  expect(told.stderr).toContain('These migrations are not for today.');
  expect(told.stderr).not.toContain('should not happen');
});

test('with --verbose the places in a stack are those of the sources', async () => {
  const stack = (await migrate('refusing', 'status', '--url', db.url, '--verbose')).stderr.split('\n').filter((line) => line.includes('/@org/'));
  expect(stack[0]).toMatch(/ at .*@org\/migrate-(?:core|cli)\/src\/[\w/-]+\.ts:\d+:\d+/);
});

test('`up` with nothing to do loads few files, the driver among them: what its modules import statically is together', async () => {
  await here('up');
  await rm(join(outside, 'loaded.txt'), { force: true });
  const program = join(outside, 'node_modules/@org/migrate-cli/bin/migrate.js');
  const told = await node('.', '--import', './loaded.js', program, 'up', '--dir', 'migrations', '--url', db.url);
  expect(told.code).toBe(0);
  const loaded = (await readFile(join(outside, 'loaded.txt'), 'utf8')).trim().split('\n');
  expect(loaded.map((url) => basename(url).replace(/-[\w-]{8}\.js$/, '.js')).toSorted()).toEqual([
    'common.js',
    'common.js',
    'driver.packed.js',
    'index.js',
    'main.js',
    'migrate.js',
    'rolldown-runtime.js',
    'rolldown-runtime.js',
  ]);
});

test('the licences of what is copied into the command line are installed with it', async () => {
  const text = await readFile(join(outside, 'node_modules/@org/migrate-cli/dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
  expect(text).toMatch(/^pg 8\.\d+\.\d+ \(MIT\)\n\nMIT License\n\nCopyright/m);
});

test('the packed library has its types', async () => {
  const options = ['--module', 'nodenext', '--target', 'es2024', '--strict', '--noEmit', '--skipLibCheck', '--types', ''];
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  expect(await node('.', tsc, ...options, 'typed.ts')).toMatchObject({ code: 0, stdout: '' });
});
