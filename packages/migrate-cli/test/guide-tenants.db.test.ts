/** docs/guides/tenants.md, done as it is written: its commands by a shell, in order, and its program. */

import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, type Folder } from './support/command.ts';
import { down } from './support/folders.ts';
import { createTenants, perTenant } from './support/tenants.ts';

const run = promisify(execFile);
const packages = fileURLToPath(new URL('../..', import.meta.url));
const guide = await readFile(new URL('../../../docs/guides/tenants.md', import.meta.url), 'utf8');
const all = [...guide.matchAll(/^migrate .*$/gm)].map(([line]) => line);
/** With a query that names the tenants, and of a service that keeps them. */
const commands = all.filter((line) => line.includes('--dir'));
const kept = all.filter((line) => !line.includes('--dir'));
const programs = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, text = '']) => text);
const program = programs.find((text) => text.includes('createFleet')) ?? '';
const configuration = programs.find((text) => text.includes('defineService')) ?? '';
const migrations = Object.fromEntries(Object.entries(perTenant).map(([path, text]) => [path.replace(/^m\//, 'migrations/'), text]));

const own = Object.fromEntries(Object.entries(perTenant).map(([path, text]) => [path.replace(/^m\//, 'tenant-migrations/'), text]));

/** A `migrate` as an installed one would be. */
async function install(place: Folder): Promise<string> {
  const bin = join(place.path, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'migrate'), `#!/bin/sh\nexec '${process.execPath}' '${join(packages, 'migrate-cli/bin/migrate.js')}' "$@"\n`);
  await chmod(join(bin, 'migrate'), 0o755);
  return bin;
}

test('every command does what it says, one after the other', async () => {
  await using db = await testDatabase();
  await using apart = await testDatabase();
  await using place = await folder(migrations);
  const client = await createTenants(db, ['clinic_a', 'clinic_b', 'clinic_c']);
  await client.query('CREATE TABLE clinics (database_name text)');
  await client.query('INSERT INTO clinics VALUES ($1)', [apart.name]);
  const env = { PATH: `${await install(place)}:${process.env['PATH'] ?? ''}`, HOME: process.env['HOME'] ?? '' };
  expect(commands.length).toBeGreaterThan(10);
  const outputs: string[] = [];
  for (const command of commands) {
    // Rejects, with the command and all that it printed, unless it exits 0.
    const { stdout } = await run('sh', ['-c', command.replace('postgres://…/app', db.url)], { cwd: place.path, env });
    outputs.push(stdout);
  }
  expect(outputs[0]).toContain('3 tenants: 3 migrations to apply (clinic_a, clinic_b, clinic_c)');
  expect(outputs[1]).toContain('3 tenants: 3 applied');
  expect(outputs[2]).toContain('3 tenants, all current');
  expect(outputs[3]).toContain('1 tenant: 1 applied');
  expect(outputs.at(-7)).toContain('1 tenant: 1 undone');
  expect(outputs.at(-5)).toContain('3 tenants: 3 undone');
  expect(outputs.at(-2)).toContain('1 tenant: 1 repaired');
  expect(outputs.at(-1)).toContain('3 tenants: 1 repaired');
});

test('every command about tenants that a service keeps does what it says, with the configuration as it is written', async () => {
  await using db = await testDatabase();
  await using place = await folder({
    ...own,
    'migrations/0001_create_clinics.sql': down('', 'CREATE TABLE clinics (id int);', 'DROP TABLE clinics;'),
    'migrate.config.ts': configuration,
    'package.json': '{ "type": "module" }',
  });
  await mkdir(join(place.path, 'node_modules/@org'), { recursive: true });
  await symlink(join(packages, 'migrate-core'), join(place.path, 'node_modules/@org/migrate-core'));
  const env = { PATH: `${await install(place)}:${process.env['PATH'] ?? ''}`, HOME: process.env['HOME'] ?? '', DATABASE_URL: db.url };
  expect(kept.length).toBeGreaterThan(15);
  const outputs = new Map<string, string>();
  for (const command of kept) outputs.set(command, (await run('sh', ['-c', command], { cwd: place.path, env })).stdout);
  expect(outputs.get('migrate status')).toContain('appointment: 3 tenants, all current');
  expect(outputs.get('migrate redo --source tenant --yes')).toContain('3 tenants: 3 applied');
  expect(outputs.get('migrate down --source tenant --to 0001 --yes')).toContain('3 tenants: 3 undone');
  expect(outputs.get('migrate tenants drop west --delete --yes')).toContain('west  deleted');
  expect(outputs.get('migrate check')).toMatch(/appointment tenants {2}4 migrations/);
});

/** A project with one program, which is right by its types. */
async function project(place: Folder): Promise<void> {
  const modules = join(place.path, 'node_modules');
  await mkdir(join(modules, '@org'), { recursive: true });
  await mkdir(join(modules, '@types'));
  await symlink(join(packages, 'migrate-core'), join(modules, '@org/migrate-core'));
  await symlink(join(packages, 'migrate-cli/node_modules/pg'), join(modules, 'pg'));
  await symlink(join(packages, 'migrate-cli/node_modules/@types/pg'), join(modules, '@types/pg'));
  await symlink(join(packages, '../node_modules/@types/node'), join(modules, '@types/node'));
  const options = { extends: join(packages, '../tsconfig.base.json'), compilerOptions: { noEmit: true, isolatedDeclarations: false, types: ['node'] } };
  await writeFile(join(place.path, 'tsconfig.json'), JSON.stringify({ ...options, files: ['tenants.ts'] }));
  await run(process.execPath, [join(packages, '../node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: place.path });
}

test('the program is right by its types, and migrates what the command line then finds current', async () => {
  await using db = await testDatabase();
  await using place = await folder({ ...migrations, 'tenants.ts': program, 'package.json': '{ "type": "module" }' });
  await createTenants(db, ['clinic_a', 'clinic_b', 'clinic_c']);
  await project(place);
  const env = { DATABASE_URL: db.url };
  const { stdout } = await run(process.execPath, ['--conditions=@org/source', 'tenants.ts'], { cwd: place.path, env });
  expect(stdout).toContain('applied: 3');
  const bin = await install(place);
  const status = ['-c', `${bin}/migrate status --dir ./migrations --exit-code --tenant-schemas "SELECT schema_name FROM tenants"`];
  expect((await run('sh', status, { cwd: place.path, env })).stdout).toContain('3 tenants, all current');
});

test('the program that makes a tenant is right by its types, and makes it once', async () => {
  await using db = await testDatabase();
  const creation = programs.find((text) => text.includes('createTenancy')) ?? '';
  await using place = await folder({ ...own, 'tenants.ts': creation, 'package.json': '{ "type": "module" }' });
  await project(place);
  const make = (): Promise<{ stdout: string }> =>
    run(process.execPath, ['--conditions=@org/source', 'tenants.ts'], { cwd: place.path, env: { DATABASE_URL: db.url } });
  expect((await make()).stdout).toBe('clinic_north created template\n');
  expect((await make()).stdout).toBe('clinic_north present null\n');
  const client = await db.connect();
  expect((await client.query('SELECT * FROM clinic_north.team_member')).rows).toEqual([{ id: 1, name: 'Ada' }]);
});
