/** Each kind of error: one paragraph, the right exit code, no stack trace, no password, no data. Kept in test/golden. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

import { testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { folder, golden, migrate, PROGRAM, type Finished, type Folder } from './support/command.ts';
import { clinic } from './support/folders.ts';

let db: TestDatabase;
let place: Folder;
let password: string;

beforeAll(async () => {
  db = await testDatabase();
  place = await folder({ ...clinic, 'empty/.gitkeep': '', 'odd/0001_a.sql': 'SELECT 1;', 'odd/diagram.drawio': '', 'odd/0002_nothing/readme.md': '' });
  password = new URL(db.url).password;
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
  await db[Symbol.asyncDispose]();
});

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return migrate(args, { cwd: place.path, env });
}

function inShell(line: string): Promise<{ readonly code: number; readonly stderr: string }> {
  const { PATH = '', HOME = '' } = process.env;
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', line], { cwd: place.path, env: { PATH, HOME } }, (error, _, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stderr });
    });
  });
}

async function keep(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  const result = await run(args, env);
  const text = golden(args, result, { [db.url]: 'URL', [db.name]: 'DATABASE', [place.path]: 'HERE' });
  await expect(text).toMatchFileSnapshot(`golden/errors/${name}.txt`);
  expect(text).not.toMatch(/\n\s+at /);
  if (password !== '') expect(result.stdout + result.stderr).not.toContain(password);
  return result;
}

/** Without a server: what was typed, and what is configured. */
describe('what is typed wrongly', () => {
  test.each<[name: string, args: readonly string[]]>([
    ['unknown-command', ['upp']],
    ['unknown-flag', ['up', '--stepz', '3']],
    ['flag-of-another-command', ['up', '--limit', '3']],
    ['flag-without-value', ['up', '--to']],
    ['not-a-number', ['up', '--steps', 'many']],
    ['not-a-duration', ['up', '--wait', 'long']],
    ['two-ways-down', ['down', '--to', '1', '--only', '2']],
    ['excess-word', ['up', 'everything']],
    ['create-without-name', ['create']],
    ['create-hostile-name', ['create', '../../etc/passwd', '--dir', 'm']],
    ['url-and-parts', ['up', '--dir', 'm', '--url', 'postgres://h/d', '--host', 'h']],
    ['url-that-is-none', ['up', '--dir', 'm', '--url', 'mysql://root:hunter2@h/d']],
    ['no-configuration', ['up']],
    ['no-connection', ['up', '--dir', 'm']],
    ['production-down', ['down', '--dir', 'm', '--url', 'postgres://h/d']],
    ['redo-without-terminal', ['redo', '--dir', 'm', '--url', 'postgres://h/d']],
  ])('%s', async (name, args) => {
    const { code, stdout } = await keep(name, args, name.startsWith('production') ? { NODE_ENV: 'production' } : {});
    expect(code).toBe(2);
    expect(stdout).toBe('');
  });

  test('a file of variables that is not there is named', async () => {
    const { code, stderr } = await run(['up', '--dir', 'm', '--env-file', 'nowhere.env']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('nowhere.env');
  });

  test('an error with --json is a document as well', async () => {
    const { code, stdout } = await run(['up', '--json', '--dir', 'm', '--order', 'sideways']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'invalidOptions', message: '--order takes one of: strict, allow, not "sideways".' } });
  });

  const url = 'postgres://me:SECRET@h:1/d';
  test.each<readonly string[]>([
    [url],
    ['tenants', url],
    ['help', url],
    ['up', `--urls=${url}`],
    ['up', '--pasword=SECRET', '--dir', 'm'],
    ['up', url],
    ['create', url, '--dir', 'm'],
    ['up', '--dir', url],
    ['up', '--dir', 'm', '--host', url],
    ['up', '--dir', 'm', '--database', url],
    ['up', '--dir', 'm', '--url', 'postgres://me:p@ss/SECRET@h:1/d'],
    ['up', '--dir', 'm', '--url', 'postgres://h/d', '--to', url],
    ['up', '--service', url],
    ['up', '--steps', 'host=h password=SECRET'],
    ['status', '--dir', 'm', '--url', 'postgres://me:1/SECRET@h:1/d'],
  ])('a password that was typed in the wrong place is not shown: %s %s %s %s %s', async (...args) => {
    for (const end of [[], ['--json'], ['--verbose']]) {
      const { code, stdout, stderr } = await run([...args, ...end]);
      expect(code).not.toBe(0);
      expect(stderr).not.toBe('');
      expect(stdout + stderr).not.toContain('SECRET');
    }
  });

  test('in production nothing falls back to a local server', async () => {
    await using other = await folder({
      'migrate.workspace.mjs': `export default { services: ['s'], localDatabase: () => { throw new Error('was asked'); } };`,
      's/migrate.config.mjs': `export default { name: 's', migrations: 'm', database: 's' };`,
      's/m/0001_a.sql': 'SELECT 1;',
    });
    const production = await migrate(['up'], { cwd: other.path, env: { NODE_ENV: 'production' } });
    expect(production).toMatchObject({ code: 2 });
    expect(production.stderr).toContain('S_MIGRATION_DATABASE_URL');
    expect((await migrate(['up'], { cwd: other.path })).stderr).toContain('was asked');
  });
});

describe('what is wrong with the server', () => {
  test('nothing listens', async () => {
    expect(await keep('unreachable', ['up', '--dir', 'm', '--url', 'postgres://someone:hunter2@127.0.0.1:1/d'])).toMatchObject({ code: 1 });
    const json = await run(['up', '--dir', 'm', '--url', 'postgres://127.0.0.1:1/d', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ services: [{ targets: [{ target: 'd', outcome: 'failed', failed: { code: 'connection' } }] }] });
    const status = await run(['status', '--dir', 'm', '--url', 'postgres://127.0.0.1:1/d', '--json']);
    expect(status.code).toBe(1);
    expect(JSON.parse(status.stdout)).toMatchObject({ services: [{ targets: [{ current: null, problems: [{ code: 'connection' }] }] }] });
  });

  test('the password is wrong', async () => {
    await using role = await testRole();
    const url = new URL(db.url);
    url.username = role.name;
    url.password = 'hunter2';
    const result = await run(['up', '--dir', 'm', '--url', url.href]);
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toContain(`the password of ${role.name} is wrong, or there is no such role`);
    expect(result.stdout + result.stderr).not.toContain('hunter2');
  });

  test('the database is not there', async () => {
    const url = new URL(db.url);
    url.pathname = '/no_such_database';
    const text = await run(['up', '--dir', 'm', '--url', url.href]);
    expect(text).toMatchObject({ code: 1 });
    expect(text.stderr).toContain('there is no database "no_such_database" on this server');
    expect(text.stderr).toContain('CREATE DATABASE "no_such_database"');
  });

  test('a history table is another tool’s, and is not touched', async () => {
    const client = await db.connect();
    await client.query('CREATE TABLE theirs (id serial PRIMARY KEY, name text, run_on timestamp)');
    expect(await keep('foreign-history', ['up', '--dir', 'm', '--url', db.url, '--table', 'theirs'])).toMatchObject({ code: 1 });
    expect((await client.query('SELECT * FROM theirs')).rows).toEqual([]);
  });

  test('--wait tries again until the server is up, or the time is over', async () => {
    const began = performance.now();
    const result = await run(['up', '--dir', 'm', '--url', 'postgres://127.0.0.1:1/d', '--wait', '1s']);
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toContain('Waiting for it');
    expect(performance.now() - began).toBeGreaterThan(1_000);
  });
});

describe.runIf(existsSync('/dev/full'))('what is wrong with the place where output goes', () => {
  test.each<readonly string[]>([
    ['--help'],
    ['--version'],
    ['help', 'up'],
    ['status'],
    ['status', '--json'],
    ['up', '--table', 'full'],
    ['up', '--json', '--table', 'full2'],
  ])('a full disk is told in one line, and ends nothing half way: %s %s', async (...args) => {
    const at = args.some((word) => /^(?:up|status)$/.test(word)) && args[0] !== 'help' ? ['--dir', 'm', '--url', db.url] : [];
    const line = [process.execPath, PROGRAM, ...args, ...at].map((word) => `'${word}'`).join(' ');
    const { code, stderr } = await inShell(`${line} > /dev/full`);
    expect(code).toBe(1);
    expect(
      stderr
        .trimEnd()
        .split('\n')
        .filter((text) => text.includes('Standard output cannot be written')),
    ).toHaveLength(1);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  test('the run itself is done', async () => {
    const log = await run(['log', '--dir', 'm', '--url', db.url, '--table', 'full', '--json']);
    expect(log.stdout).toContain('"action": "up"');
    expect((await inShell(`'${process.execPath}' '${PROGRAM}' upp 2> /dev/full`)).code).toBe(2);
  });
});

describe('what is wrong with the migrations', () => {
  test('the folder is empty, is not there, or holds something else', async () => {
    expect(await keep('empty-folder', ['up', '--dir', 'empty', '--url', db.url, '--table', 'h0'])).toMatchObject({ code: 0 });
    expect(await keep('no-folder', ['up', '--dir', 'nowhere', '--url', db.url])).toMatchObject({ code: 2 });
    expect(await keep('unrecognised-file', ['up', '--dir', 'odd', '--url', db.url, '--table', 'h1'])).toMatchObject({ code: 0 });
  });

  test('a file cannot be parsed: nothing runs, and the place is shown', async () => {
    await place.write({ 'broken/0001_a.sql': 'CREATE TABLE fine (id int);\n', 'broken/0002_b.sql': '-- 😀\nCREATE TABLE broken (\n\tid int,,\n);\n' });
    expect(await keep('broken-file', ['up', '--dir', 'broken', '--url', db.url, '--table', 'h2'])).toMatchObject({ code: 1 });
    const json = await run(['up', '--dir', 'broken', '--url', db.url, '--table', 'h2', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      services: [
        { targets: [{ outcome: 'failed', applied: [], failed: { version: '0002', code: 'invalidMigration', file: 'broken/0002_b.sql', line: 3, column: 9 } }] },
      ],
    });
  });

  test('a statement fails: what was done before stands, and no row is shown', async () => {
    await place.write({
      'failing/0001_a.sql': `CREATE TABLE people (name text UNIQUE);\nINSERT INTO people SELECT 'Am' || 'al';\n`,
      'failing/0002_b.sql': `SELECT 1;\n\n  INSERT INTO people SELECT name FROM people;\n`,
      'failing/0003_c.sql': 'SELECT 1;\n',
    });
    const args = ['up', '--dir', 'failing', '--url', db.url, '--table', 'h3'];
    const result = await keep('failing-statement', args);
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).not.toContain('Amal');
    expect((await run([...args, '--show-data'])).stderr).toContain('Amal');
    const verbose = await run([...args, '--verbose']);
    expect(verbose.stderr).toMatch(/\n\s+at /);
    expect(verbose.stderr).not.toContain('Amal');
  });

  test('an exception of PL/pgSQL is told in its author’s words, without what is put into them', async () => {
    await place.write({
      'raising/0001_a.sql': `CREATE TABLE cared (name text);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'not %', NEW.name USING ERRCODE = 'unique_violation', HINT = 'ask ' || NEW.name;
END $$;
INSERT INTO cared SELECT 'Am' || 'al';
`,
      'raising/0002_b.sql': `DO $$ BEGIN RAISE EXCEPTION 'duplicate patient: %', (SELECT name FROM cared); END $$;\n`,
    });
    const args = ['up', '--dir', 'raising', '--url', db.url, '--table', 'h6'];
    const result = await keep('raised-exception', args);
    expect(result.stderr).toContain('duplicate patient: …');
    expect((await run([...args, '--show-data'])).stderr).toContain('duplicate patient: Amal');
    await place.write({
      'raising/0002_b.sql': 'CREATE TRIGGER refuse BEFORE INSERT ON cared FOR EACH ROW EXECUTE FUNCTION refuse();\nINSERT INTO cared SELECT name FROM cared;\n',
    });
    const elsewhere = await run(args);
    expect(elsewhere).toMatchObject({ code: 1 });
    expect(elsewhere.stderr).toContain('an exception that a function or trigger raises; its words are withheld, since they may hold data (SQLSTATE 23505)');
    const json = await run([...args, '--json', '--verbose']);
    const log = await run(['log', ...args.slice(1), '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ services: [{ targets: [{ failed: { sqlState: '23505' } }] }] });
    expect(log.stdout).toContain('duplicate patient: …');
    for (const { stdout, stderr } of [result, elsewhere, json, log]) expect(stdout + stderr).not.toContain('Amal');
    expect((await run([...args, '--show-data'])).stderr).toMatch(/not Amal\n[^]*HINT: ask Amal/);
  });

  test('a version is nobody’s, or the beginning of several', async () => {
    expect(await keep('unknown-version', ['up', '--dir', 'm', '--url', db.url, '--table', 'h4', '--to', '12'])).toMatchObject({ code: 2 });
    expect(await keep('ambiguous-version', ['up', '--dir', 'm', '--url', db.url, '--table', 'h4', '--to', '000'])).toMatchObject({ code: 2 });
  });

  test('a migration has no down', async () => {
    await place.write({ 'oneway/0001_a.sql': 'CREATE TABLE oneway (id int);\n' });
    const at = ['--dir', 'oneway', '--url', db.url, '--table', 'h5'];
    await run(['up', ...at]);
    expect(await keep('irreversible', ['down', ...at])).toMatchObject({ code: 1 });
  });
});
