/** The guides of docs/guides about services and tenants, done as they are written, at the root of the repository. */

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { runOn, testDatabase, testServer } from '@org/test-postgres';
import { expect, onTestFinished, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Runs the commands of a guide, one after the other, with ids that no other run has. Rejects unless each exits with 0. */
async function follow(guide: string, env: Readonly<Record<string, string>>): Promise<{ outputs: ReadonlyMap<string, string>; ids: readonly string[] }> {
  const text = await readFile(join(root, 'docs/guides', guide), 'utf8');
  const written = [...new Set(text.match(/[\da-f]{8}-[\da-f-]{27}/g))];
  const ids = written.map(() => randomUUID());
  const outputs = new Map<string, string>();
  for (const [command, words = ''] of text.matchAll(/^migrate (.*)$/gm)) {
    const own = written.reduce((line, id, index) => line.replaceAll(id, ids[index] ?? ''), words);
    const surroundings = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env };
    const { stdout } = await run(join(root, 'node_modules/.bin/migrate'), own.split(' '), { cwd: root, env: surroundings });
    outputs.set(command, stdout);
  }
  expect(outputs.size).toBeGreaterThan(5);
  return { outputs, ids };
}

async function databases(): Promise<Record<'USER' | 'PATIENT' | 'APPOINTMENT', string>> {
  const [USER, PATIENT, APPOINTMENT] = await Promise.all([testDatabase(), testDatabase(), testDatabase()]);
  return { USER: USER.url, PATIENT: PATIENT.url, APPOINTMENT: APPOINTMENT.url };
}

/** As the guides' own variables name them. */
function variables(urls: Awaited<ReturnType<typeof databases>>): Record<string, string> {
  return Object.fromEntries(Object.entries(urls).map(([service, url]) => [`${service}_MIGRATION_DATABASE_URL`, url]));
}

test('a database for each service', async () => {
  const { outputs } = await follow('database-per-service.md', variables(await databases()));
  expect(outputs.get('migrate status')).toMatch(/patient +test_\w+ +0010 +10 +0 +current/);
  expect(outputs.get('migrate down --service patient')).toContain('1 migration undone');
  expect(outputs.get('migrate up --service patient')).toContain('1 migration applied');
  expect(outputs.get('migrate verify --service user,patient')).toContain('nothing found');
}, 120_000);

test('several services in one database', async () => {
  const database = await testDatabase();
  const { outputs } = await follow('services-in-one-database.md', { DATABASE_URL: database.url });
  for (const service of ['user', 'patient', 'appointment']) expect(outputs.get('migrate status')).toMatch(new RegExp(`${service} +${database.name} `));
  expect(outputs.get('migrate down --service patient')).toContain('1 migration undone');
  expect(outputs.get('migrate verify --service user,patient')).toMatch(/2 services verified: \d+ warnings/);
}, 120_000);

test('a schema for each tenant', async () => {
  const { outputs } = await follow('schema-per-tenant.md', variables(await databases()));
  expect(outputs.get('migrate status')).toMatch(/appointment tenants +2 tenants +0007 +7 +0 +current/);
  expect(outputs.get('migrate up --service appointment --source tenant --canary 1 --max-failures 5')).toContain('2 tenants: 2 applied');
  expect(outputs.get('migrate tenants verify --service appointment')).toContain('nothing found');
}, 120_000);

test('a database for each tenant', async () => {
  const server = await testServer();
  const all = async (): Promise<readonly string[]> => (await runOn(server, 'SELECT datname FROM pg_database')).rows.map((row) => String(row['datname']));
  const { APPOINTMENT, ...others } = await databases();
  const name = new URL(APPOINTMENT).pathname.slice(1);
  // Where the whole name would be too long, its end makes room for what is put behind it.
  const begins = (): readonly string[] => ids.map((id) => `clinic_${id.replaceAll('-', '').slice(0, 20)}`);
  let ids: readonly string[] = [];
  onTestFinished(async () => {
    // Databases belong to the server: what the guide leaves behind goes with the service's own.
    for (const left of (await all()).filter((one) => one.startsWith(`${name}_tpl_`) || begins().some((begin) => one.startsWith(begin)))) {
      await runOn(server, `ALTER DATABASE "${left}" IS_TEMPLATE false`);
      await runOn(server, `DROP DATABASE "${left}" WITH (FORCE)`);
    }
  });
  const followed = await follow('database-per-tenant.md', { ...variables({ APPOINTMENT, ...others }), APPOINTMENT_TENANCY: 'database' });
  ({ ids } = followed);
  const left = (await all()).filter((one) => begins().some((begin) => one.startsWith(begin)));
  expect(left).toEqual([expect.stringContaining('_archived_')]);
  expect(followed.outputs.get('migrate tenants verify --service appointment')).toContain('nothing found');
}, 120_000);
