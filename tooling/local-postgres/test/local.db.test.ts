import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { ensureLocalPostgres, freePort, host, stopLocalPostgres } from '../src/index.ts';

const cli = join(import.meta.dirname, '../src/cli.ts');
const starter = join(import.meta.dirname, 'starter.ts');

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder and port of this test's own, with the server that comes to be there stopped at the end. */
async function ownPlace(name = 'data'): Promise<{ folder: string; env: NodeJS.ProcessEnv } & AsyncDisposable> {
  // Not the system's temporary folder, which may lie where root's server cannot go.
  const parent = mkdtempSync('/tmp/local-postgres-');
  const folder = join(parent, name);
  const env = { ...process.env, LOCAL_POSTGRES_DIR: folder, LOCAL_POSTGRES_PORT: String(await freePort()), NODE_ENV: 'test' };
  await rm(parent, { recursive: true });
  mkdirSync(parent, { mode: 0o755 });
  return {
    folder,
    env,
    async [Symbol.asyncDispose]() {
      await stopLocalPostgres(env).catch(() => undefined);
      await rm(parent, { recursive: true, force: true });
    },
  };
}

function start(file: string, args: readonly string[], env: NodeJS.ProcessEnv): { child: ChildProcess; ended: Promise<Run> } {
  const child = spawn(process.execPath, [file, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (said.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (said.stderr += String(chunk)));
  return { child, ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, ...said }))) };
}

const run = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<Run> => await start(cli, args, env).ended;

describe('starting', () => {
  test('ten processes at once on an empty folder get one server, with each database and role once', async () => {
    await using place = await ownPlace();
    const runs = await Promise.all(Array.from({ length: 10 }, async () => await start(starter, ['clinic_a', 'clinic_b'], place.env).ended));
    expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, '']));
    expect(new Set(runs.map(({ stdout }) => stdout)).size).toBe(1);
    expect(readdirSync(place.folder).toSorted()).toEqual(['data', 'log', 'password']);
    const local = await ensureLocalPostgres({ env: place.env });
    const client = new pg.Client({ connectionString: local.url('clinic_a', 'clinic_a_app') });
    await client.connect();
    const { rows } = await client.query('SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user');
    await client.end();
    expect(rows).toEqual([{ rolname: 'clinic_a_app', rolsuper: false, rolbypassrls: false, rolcreatedb: false, rolcreaterole: false }]);
  });

  test('a starter that is killed at any moment leaves nothing that the next one trips over', async () => {
    await using place = await ownPlace();
    for (const delay of [40, 150, 260, 370, 480, 600, 720, 840]) {
      const { child, ended } = start(starter, ['clinic'], place.env);
      await sleep(delay);
      child.kill('SIGKILL');
      await ended;
    }
    const began = Date.now();
    const { code, stderr } = await start(starter, ['clinic'], place.env).ended;
    expect([code, stderr]).toEqual([0, '']);
    // Nobody waits for a killed starter's lock to grow old.
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(readdirSync(place.folder).filter((name) => name.startsWith('data.new-'))).toEqual([]);
  });

  test('the server outlives the command that started it, and a crash of the server is recovered from', async () => {
    await using place = await ownPlace();
    expect((await start(starter, ['clinic'], place.env).ended).code).toBe(0);
    const pid = Number(readFileSync(join(place.folder, 'data/postmaster.pid'), 'utf8').split('\n')[0]);
    process.kill(pid, 'SIGKILL');
    const local = await ensureLocalPostgres({ env: place.env });
    const client = new pg.Client({ connectionString: local.url('clinic') });
    await client.connect();
    expect((await client.query('SELECT current_database() AS name')).rows).toEqual([{ name: 'clinic' }]);
    await client.end();
  });

  test('a folder whose name has spaces and is longer than a socket’s path may be', async () => {
    await using place = await ownPlace(`a folder of "many" words ${'x'.repeat(100)}`);
    expect(await run(['start'], place.env)).toMatchObject({ code: 0, stderr: '' });
  });

  test('a lock file left by a crash is no obstacle, even when its process number belongs to another program by now', async () => {
    await using place = await ownPlace();
    await ensureLocalPostgres({ env: place.env });
    const file = join(place.folder, 'data/postmaster.pid');
    const lines = readFileSync(file, 'utf8').split('\n');
    await stopLocalPostgres(place.env);
    writeFileSync(file, [process.pid, ...lines.slice(1)].join('\n'));
    expect(await run(['start'], place.env)).toMatchObject({ code: 0, stderr: '' });
  });

  test('settings of PostgreSQL’s own in the environment lead it nowhere else', async () => {
    await using place = await ownPlace();
    const env = { ...place.env, PGDATA: '/nowhere', PGPORT: '1', PGHOST: '192.0.2.1', PGUSER: 'x', PGDATABASE: 'y', PGPASSWORD: 'z', PGSSLMODE: 'require' };
    expect(await start(starter, ['clinic'], env).ended).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('what a person reads when it cannot start: one paragraph', () => {
  const paragraph = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> => {
    const { code, stdout, stderr } = await run(args, env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trimEnd()).not.toContain('\n');
    return stderr;
  };

  test('the port is taken', async () => {
    await using place = await ownPlace();
    const port = Number(place.env['LOCAL_POSTGRES_PORT']);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    try {
      expect(await paragraph(['start'], place.env)).toMatch(new RegExp(`Port ${port} is in use .* LOCAL_POSTGRES_PORT=${port + 1}`));
    } finally {
      server.close();
    }
    expect(await run(['start'], place.env)).toMatchObject({ code: 0, stderr: '' });
  });

  test('the server runs on another port than the one now asked for', async () => {
    await using place = await ownPlace();
    await ensureLocalPostgres({ env: place.env });
    expect(await paragraph(['start'], { ...place.env, LOCAL_POSTGRES_PORT: '40000' })).toMatch(/runs already, on port \d+ and not on 40000/);
    expect(await run(['start'], { ...place.env, LOCAL_POSTGRES_PORT: '' })).toMatchObject({ code: 0, stderr: '' });
  });

  test('the data is of another version', async () => {
    await using place = await ownPlace();
    await ensureLocalPostgres({ env: place.env });
    await stopLocalPostgres(place.env);
    writeFileSync(join(place.folder, 'data/PG_VERSION'), '15\n');
    expect(await paragraph(['start'], place.env)).toMatch(/was written by PostgreSQL 15; the one installed here, 18/);
  });

  test('the folder is another server’s data', async () => {
    await using place = await ownPlace();
    mkdirSync(place.folder);
    writeFileSync(join(place.folder, 'PG_VERSION'), '15\n');
    expect(await paragraph(['start'], place.env)).toMatch(/is itself the data of a PostgreSQL 15/);
  });

  test('the folder holds something else', async () => {
    await using place = await ownPlace();
    mkdirSync(join(place.folder, 'data'), { recursive: true });
    writeFileSync(join(place.folder, 'data/letters.txt'), 'Dear');
    expect(await paragraph(['start'], place.env)).toMatch(/holds something that is not the data of a PostgreSQL/);
    expect(readdirSync(join(place.folder, 'data'))).toEqual(['letters.txt']);
  });

  test('a file is in the way', async () => {
    await using place = await ownPlace();
    writeFileSync(place.folder, '');
    expect(await paragraph(['start'], { ...place.env, LOCAL_POSTGRES_DIR: join(place.folder, 'below') })).toMatch(/a file is in the way/);
  });

  test.skipIf(process.getuid?.() === 0)('the folder is not ours to write to (root may write anywhere, so not tried as root)', async () => {
    await using place = await ownPlace();
    mkdirSync(place.folder, { mode: 0o555 });
    expect(await paragraph(['start'], place.env)).toMatch(/you may not write there/);
  });

  test('the password was changed by hand', async () => {
    await using place = await ownPlace();
    await ensureLocalPostgres({ env: place.env });
    writeFileSync(join(place.folder, 'password'), 'another\n');
    const said = await paragraph(['start'], place.env);
    expect(said).toMatch(/does not accept the password/);
    expect(said).not.toContain('another\n');
  });
});

describe('stopping and throwing away', () => {
  test('stop keeps the data, and stopping twice is no error', async () => {
    await using place = await ownPlace();
    await start(starter, ['clinic'], place.env).ended;
    expect(await run(['stop'], place.env)).toMatchObject({ code: 0, stdout: expect.stringMatching(/is stopped/) });
    expect(await run(['stop'], place.env)).toMatchObject({ code: 0, stdout: expect.stringMatching(/was not running/) });
    const local = await ensureLocalPostgres({ env: place.env });
    const client = new pg.Client({ connectionString: local.url('clinic') });
    await client.connect();
    await client.end();
  });

  test('reset is refused in production and without a terminal, and removes only what is its own', async () => {
    await using place = await ownPlace();
    await ensureLocalPostgres({ env: place.env });
    writeFileSync(join(place.folder, 'letters.txt'), 'Dear');
    expect(await run(['reset'], place.env)).toMatchObject({ code: 2, stderr: expect.stringMatching(/needs --yes/) });
    const production = { ...place.env, NODE_ENV: 'production' };
    expect(await run(['reset', '--yes'], production)).toMatchObject({ code: 2, stderr: expect.stringMatching(/refused with NODE_ENV=production/) });
    expect(readdirSync(place.folder)).toContain('data');
    expect(await run(['reset', '--yes', '--allow-production'], production)).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(place.folder)).toEqual(['letters.txt']);
  });

  test.each([[['url', 'nobody']], [['url', '--app']], [['frobnicate']], [['start', '--port', '1']], [['start', 'now']]])(
    '%j is bad usage: exit 2, and what would be right',
    async (args) => {
      await using place = await ownPlace();
      const { code, stderr } = await run(args, place.env);
      expect(code).toBe(2);
      expect(stderr).not.toMatch(/\n\s+at /);
    },
  );
});
