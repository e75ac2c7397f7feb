/** docs/guides/row-level-security.md, done as it is written: its commands in this service's folder, and its migration in TypeScript. */

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { createMigrator, directorySource } from '@org/migrate-core';
import { isolationFaults, serviceDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { service } from './support/service.ts';

const run = promisify(execFile);
const here = fileURLToPath(new URL('..', import.meta.url));
const guide = await readFile(new URL('../../../docs/guides/row-level-security.md', import.meta.url), 'utf8');

test('every command finds nothing in a service as it was migrated and used', async () => {
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  await on.fill();
  const commands = [...guide.matchAll(/^migrate (.*)$/gm)].map(([, words]) => words ?? '');
  expect(commands.length).toBeGreaterThan(2);
  const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', PATIENT_MIGRATION_DATABASE_URL: on.database.url };
  for (const words of commands) {
    // Rejects, with all that it printed, unless it exits 0.
    const { stdout, stderr } = await run(join(here, 'node_modules/.bin/migrate'), words.split(' '), { cwd: here, env });
    expect(`${stdout}${stderr}`).toContain('1 service verified: nothing found.');
  }
});

test('the configuration that it shows is this service’s', async () => {
  const shown = /rowLevelSecurity: \{[\s\S]*?\n\},/.exec(guide)?.[0] ?? '';
  const config = await readFile(join(here, 'migrate.config.ts'), 'utf8');
  for (const line of shown.split('\n').filter((one) => /^ {2}(?:column|setting|audit)/.test(one))) expect(config).toContain(line.trim());
  expect(shown).toContain('column');
});

test('the table of its migration in TypeScript is isolated and audited as the others are', async () => {
  const program = /```ts\n(import \{ auditTable[\s\S]*?)```/.exec(guide)?.[1] ?? '';
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  const folder = await mkdtemp(join(tmpdir(), 'guide-'));
  try {
    await mkdir(join(folder, 'node_modules/@org'), { recursive: true });
    await symlink(join(here, 'node_modules/@org/migrate-core'), join(folder, 'node_modules/@org/migrate-core'));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder, '0001_transfers.ts'), program);
    const source = directorySource(folder);
    const migrator = createMigrator({ service: 'guide', source, connect: () => on.database.connect() });
    await migrator.up();
    const exclude = [...on.exclude, 'schema_migrations_guide', 'schema_migrations_guide_log', 'schema_migrations_guide_scripts'];
    expect(await isolationFaults({ ...on, exclude })).toEqual([]);
    await migrator.down();
  } finally {
    await rm(folder, { recursive: true });
  }
});
