/** What `repair` and `adopt` print, and what they leave: test/golden. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { testDatabase } from '@org/test-postgres';
import { describe, expect, test } from 'vitest';

import { folder, golden, migrate } from './support/command.ts';
import { clinic, down, workspace } from './support/folders.ts';

const WIDER = down('', 'CREATE TABLE clinics (id bigint PRIMARY KEY, name text UNIQUE NOT NULL);', 'DROP TABLE clinics;');

test('repair accepts, marks as undone and marks as applied, and the log says so', async () => {
  await using db = await testDatabase();
  await using place = await folder(clinic);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const keep = async (name: string, ...args: readonly string[]): Promise<void> => {
    await expect(golden(args, await migrate(args, at), { [db.name]: 'DATABASE' })).toMatchFileSnapshot(`golden/repair/${name}.txt`);
  };
  await migrate(['up', '--dir', 'm'], at);
  await keep('nothing', 'repair', '--dir', 'm', '--yes');
  await keep('as-applied', 'repair', '2', '--dir', 'm', '--yes');
  await place.write({ 'm/0001_create_clinics.sql': WIDER });
  await keep('asks', 'repair', '0001', '--dir', 'm');
  await keep('accepted', 'repair', '0001', '--dir', 'm', '--yes');
  await keep('marked', 'repair', '--dir', 'm', '--yes', '--mark-undone', '2', '--mark-undone', '3');
  await keep('marked.json', 'repair', '--dir', 'm', '--yes', '--mark-applied', '0002,0003', '--json');
  await keep('log', 'log', '--dir', 'm', '--limit', '5');
  await keep('unknown', 'repair', '--dir', 'm', '--yes', '--mark-undone', '9');
  expect(JSON.parse((await migrate(['status', '--dir', 'm', '--json'], at)).stdout)).toMatchObject({
    services: [{ targets: [{ pending: [], problems: [] }] }],
  });
});

test('an applied migration saved as UTF-16 keeps its place, and nothing that is told or typed takes it back', async () => {
  await using db = await testDatabase();
  await using place = await folder({ ...clinic, 'm/0004_visits.sql': down('', 'CREATE TABLE visits (id bigint);', 'DROP TABLE visits;') });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  const name = '0004_visits';
  const path = join(place.path, 'm', `${name}.sql`);
  await writeFile(path, `\uFEFF${await readFile(path, 'utf8')}`, 'utf16le');
  const status = await migrate(['status', '--dir', 'm'], at);
  expect(status.stdout).toMatch(new RegExp(`${name} +applied, unreadable`));
  expect(status.stdout.match(/^✗ .*/gm)).toEqual([expect.stringContaining('UTF-16')]);
  expect(status.stdout).not.toContain('migrate down');
  for (const command of ['plan', 'up', 'check', 'verify', 'repair 4 --yes', 'redo --yes']) {
    const { code, stdout, stderr } = await migrate([...command.split(' '), '--dir', 'm'], at);
    expect({ command, failed: code !== 0, told: (stdout + stderr).includes('UTF-16') }).toEqual({ command, failed: true, told: true });
    expect(stdout + stderr).not.toMatch(/migrate down|mark-undone/);
  }
  expect(JSON.parse((await migrate(['status', '--dir', 'm', '--json'], at)).stdout).services[0].targets[0].applied.at(-1).name).toBe(name);
});

test('repair follows a renamed file with the line that status names', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_create_clinics.sql': WIDER });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  await using renamed = await folder({ 'm/0001_clinics.sql': WIDER });
  const there = { ...at, cwd: renamed.path };
  const told = /migrate (repair --dir m --mark-undone \S+ --mark-applied \S+)/.exec((await migrate(['status', '--dir', 'm'], there)).stdout)?.[1];
  expect(told).toBeDefined();
  expect(await migrate([...(told ?? '').split(' '), '--yes'], there)).toMatchObject({ code: 0 });
  expect(JSON.parse((await migrate(['status', '--dir', 'm', '--json'], there)).stdout)).toMatchObject({
    services: [{ targets: [{ current: '0001', pending: [], problems: [] }] }],
  });
});

test('repair is of one service, and not of production by accident', async () => {
  await using place = await folder(workspace);
  const several = await migrate(['repair', '1', '--yes', '--url', 'postgres://h/d'], { cwd: place.path });
  expect(several).toMatchObject({ code: 2 });
  expect(several.stderr).toContain('A repair is of one service: add --service');
  const production = await migrate(['repair', '1', '--yes', '--service', 'users', '--url', 'postgres://h/d'], {
    cwd: place.path,
    env: { NODE_ENV: 'production' },
  });
  expect(production).toMatchObject({ code: 2 });
  expect(production.stderr).toContain('--allow-production');
});

describe('adopt', () => {
  test('takes over a table of its own name, with the line that up names', async () => {
    await using db = await testDatabase();
    await using place = await folder(clinic);
    const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
    const keep = async (name: string, ...args: readonly string[]): Promise<void> => {
      await expect(golden(args, await migrate(args, at), { [db.name]: 'DATABASE' })).toMatchFileSnapshot(`golden/adopt/${name}.txt`);
    };
    const client = await db.connect();
    await client.query(`CREATE TABLE schema_migrations (version text PRIMARY KEY, description text, applied_at timestamptz DEFAULT now())`);
    await client.query(`INSERT INTO schema_migrations VALUES ('1', 'clinics'), ('2', 'country')`);
    const told = /migrate (adopt --dir m --from \S+ --table [^\s,]+)/.exec((await migrate(['up', '--dir', 'm'], at)).stderr)?.[1];
    expect(told).toBe('adopt --dir m --from schema_migrations --table schema_history');
    const line = (told ?? '').split(' ');
    await keep('dry-run', ...line, '--dry-run');
    await keep('dry-run.json', ...line, '--dry-run', '--json');
    expect((await client.query(`SELECT to_regclass('schema_history') AS ours`)).rows).toEqual([{ ours: null }]);
    await keep('adopted', ...line);
    await keep('again', ...line);
    await keep('status', 'status', '--dir', 'm', '--table', 'schema_history');
    await keep('log', 'log', '--dir', 'm', '--table', 'schema_history');
    expect((await client.query('SELECT version FROM schema_migrations ORDER BY 1')).rows).toEqual([{ version: '1' }, { version: '2' }]);
  });

  test('in a service the table is looked for, and a row without a migration stops everything', async () => {
    await using db = await testDatabase();
    await using place = await folder(workspace);
    const at = { cwd: `${place.path}/services/users`, env: { DATABASE_URL: db.url } };
    const client = await db.connect();
    await client.query(`CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL DEFAULT now())`);
    await client.query(`INSERT INTO pgmigrations (name) VALUES ('0001_create_users'), ('0009_gone')`);
    const keep = async (name: string, ...args: readonly string[]): Promise<void> => {
      await expect(golden(args, await migrate(args, at), { [db.name]: 'DATABASE' })).toMatchFileSnapshot(`golden/adopt/${name}.txt`);
    };
    await keep('no-migration', 'adopt');
    await client.query(`DELETE FROM pgmigrations WHERE name = '0009_gone'`);
    await keep('found.json', 'adopt', '--json');
    await client.query(`CREATE TABLE users (id int)`);
    expect(JSON.parse((await migrate(['up', '--json'], at)).stdout)).toMatchObject({ services: [{ targets: [{ outcome: 'applied', applied: ['0002'] }] }] });
  });
});
