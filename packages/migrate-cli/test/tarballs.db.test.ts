import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const packages = fileURLToPath(new URL('../..', import.meta.url));

/** Its lifecycle scripts run with the repository's Node, which compiles; the project outside has only what npm gives it. */
async function pack(name: string, destination: string): Promise<void> {
  const pnpm = process.env['npm_execpath'];
  const [program, ...words] =
    pnpm !== undefined && /pnpm/.test(pnpm) ? (/\.[cm]?js$/.test(pnpm) ? [process.execPath, pnpm] : [pnpm]) : ['npx', '-y', 'pnpm@12'];
  await run(program as string, [...words, 'pack', '--pack-destination', destination], { cwd: join(packages, name) });
}

const script = `import { createMigrator, directorySource } from '@org/migrate-core';
import pg from 'pg';
const connect = async () => {
  const client = new pg.Client({ connectionString: process.argv[2] });
  await client.connect();
  return client;
};
const migrator = createMigrator({ service: 'outside', source: directorySource('migrations'), connect, history: { table: 'schema_migrations' } });
const report = await migrator.up();
console.log(JSON.stringify({ outcome: report.outcome, current: (await migrator.status()).current?.version }));
`;

test('the packed tarballs install into an empty project outside the repository, and migrate', async () => {
  const outside = await mkdtemp(join(tmpdir(), 'outside-'));
  try {
    await pack('migrate-core', outside);
    await pack('migrate-cli', outside);
    const tarballs = (await readdir(outside)).filter((name) => name.endsWith('.tgz')).map((name) => `./${name}`);
    expect(tarballs).toHaveLength(2);
    await writeFile(join(outside, 'package.json'), '{ "name": "outside", "version": "1.0.0", "private": true, "type": "module" }\n');
    await run('npm', ['install', '--no-audit', '--no-fund', ...tarballs], { cwd: outside });

    await mkdir(join(outside, 'migrations', '0003_folder'), { recursive: true });
    await writeFile(join(outside, 'migrations', '0001_notes.sql'), 'CREATE TABLE notes (id int);\n-- Down Migration\nDROP TABLE notes;\n');
    await writeFile(
      join(outside, 'migrations', '0002_tags.ts'),
      `import { enableRowLevelSecurity } from '@org/migrate-core/pgm';
import type { MigrationBuilder } from 'node-pg-migrate';
export function up(pgm: MigrationBuilder): void {
  pgm.createTable('tags', { id: 'id', tenant: 'integer' });
  enableRowLevelSecurity(pgm, 'tags', { column: 'tenant', tenant: { setting: 'app.tenant', type: 'integer' } });
}
export function down(pgm: MigrationBuilder): void {
  pgm.dropTable('tags');
}
`,
    );
    await writeFile(join(outside, 'migrations', '0003_folder', 'migration.sql'), 'CREATE INDEX CONCURRENTLY notes_id ON notes (id);\n');
    await writeFile(join(outside, 'migrations', '0003_folder', 'rollback.sql'), 'DROP INDEX CONCURRENTLY notes_id;\n');
    await writeFile(join(outside, 'start.js'), script);

    await using db = await testDatabase();
    // The repository's conditions must not leak into it.
    const env = { ...process.env, NODE_OPTIONS: '', NODE_ENV: '' };
    const migrate = (...words: string[]): Promise<{ stdout: string; stderr: string }> =>
      run(process.execPath, ['node_modules/@org/migrate-cli/bin/migrate.js', ...words, '--dir', 'migrations', '--url', db.url], { cwd: outside, env });
    const up = await migrate('up');
    expect(up.stdout).toMatch(/3 migrations applied in .*; now at 0003/);
    expect(up.stderr).toBe('');
    expect(JSON.parse((await migrate('status', '--json')).stdout)).toMatchObject({ services: [{ targets: [{ current: '0003', pending: [], problems: [] }] }] });

    const started = await run(process.execPath, ['start.js', db.url], { cwd: outside, env });
    expect(JSON.parse(started.stdout)).toEqual({ outcome: 'upToDate', current: '0003' });
    expect((await migrate('down', '--steps', '1')).stdout).toContain('0003_folder');
  } catch (error) {
    throw Object.assign(error as Error, { message: `${(error as Error).message}\n${(error as { stderr?: string }).stderr ?? ''}` });
  } finally {
    await rm(outside, { recursive: true, force: true });
  }
}, 300_000);
