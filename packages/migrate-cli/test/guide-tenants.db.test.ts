/** docs/guides/tenants.md, done as it is written: its commands by a shell, in order, and its program. */

import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, type Folder } from './support/command.ts';
import { createTenants, perTenant } from './support/tenants.ts';

const run = promisify(execFile);
const packages = fileURLToPath(new URL('../..', import.meta.url));
const guide = await readFile(new URL('../../../docs/guides/tenants.md', import.meta.url), 'utf8');
const commands = [...guide.matchAll(/^migrate .*$/gm)].map(([line]) => line);
const program = /```ts\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';
const migrations = Object.fromEntries(Object.entries(perTenant).map(([path, text]) => [path.replace(/^m\//, 'migrations/'), text]));

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
  await using own = await testDatabase();
  await using place = await folder(migrations);
  const client = await createTenants(db, ['clinic_a', 'clinic_b', 'clinic_c']);
  await client.query('CREATE TABLE clinics (database_name text)');
  await client.query('INSERT INTO clinics VALUES ($1)', [own.name]);
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
  expect(outputs.at(-3)).toContain('1 tenant: 1 undone');
  expect(outputs.at(-1)).toContain('3 tenants: 3 undone');
});

test('the program is right by its types, and migrates what the command line then finds current', async () => {
  await using db = await testDatabase();
  await using place = await folder({ ...migrations, 'tenants.ts': program, 'package.json': '{ "type": "module" }' });
  await createTenants(db, ['clinic_a', 'clinic_b', 'clinic_c']);
  const modules = join(place.path, 'node_modules');
  await mkdir(join(modules, '@org'), { recursive: true });
  await mkdir(join(modules, '@types'));
  await symlink(join(packages, 'migrate-core'), join(modules, '@org/migrate-core'));
  await symlink(join(packages, 'migrate-cli/node_modules/pg'), join(modules, 'pg'));
  await symlink(join(packages, 'migrate-cli/node_modules/@types/pg'), join(modules, '@types/pg'));
  await symlink(join(packages, '../node_modules/@types/node'), join(modules, '@types/node'));
  const options = { extends: join(packages, '../tsconfig.base.json'), compilerOptions: { noEmit: true, isolatedDeclarations: false, types: ['node'] } };
  await writeFile(join(place.path, 'tsconfig.json'), JSON.stringify({ ...options, files: ['tenants.ts'] }));
  const tsc = join(packages, '../node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', '.'], { cwd: place.path });
  const env = { DATABASE_URL: db.url };
  const { stdout } = await run(process.execPath, ['--conditions=@org/source', 'tenants.ts'], { cwd: place.path, env });
  expect(stdout).toContain('applied: 3');
  const bin = await install(place);
  const status = ['-c', `${bin}/migrate status --dir ./migrations --exit-code --tenant-schemas "SELECT schema_name FROM tenants"`];
  expect((await run('sh', status, { cwd: place.path, env })).stdout).toContain('3 tenants, all current');
});
