/** PgBouncer in transaction mode, Debian's program, in front of a test server. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, give, host, serverAccount } from '@org/local-postgres';
import { testServer, type TestServer } from './server.ts';

export interface PgBouncer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** The URL of a database through the pool; for the server's superuser unless another is given. */
  url(database: string, as?: { readonly name: string; readonly password: string }): string;
}

export interface PgBouncerOptions {
  /** Default: the test run's server. */
  readonly server?: TestServer;
  /** Server connections per database and user. Default 20. */
  readonly poolSize?: number;
  /** Default `transaction`. */
  readonly poolMode?: 'transaction' | 'session' | 'statement';
  /** Who may log in besides the superuser. */
  readonly users?: readonly { readonly name: string; readonly password: string }[];
  /** More lines of pgbouncer.ini's `[pgbouncer]` section. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** Why PgBouncer cannot be used here; null when it can. */
export function whyNoPgBouncer(): string | null {
  // Debian puts it where an ordinary user's PATH does not look.
  const found = spawnSync('pgbouncer', ['--version'], { env: searchPath() });
  return found.error ? 'PgBouncer is not installed (apt-get install pgbouncer)' : null;
}

/** Skips the running test, with the reason shown, where there is no PgBouncer: `test('…', async (context) => { requirePgBouncer(context); … })`. */
export function requirePgBouncer(context: { skip(note?: string): unknown }): void {
  const reason = whyNoPgBouncer();
  if (reason !== null) context.skip(reason);
}

export async function startPgBouncer(options: PgBouncerOptions = {}): Promise<PgBouncer> {
  const server = options.server ?? (await testServer());
  // It refuses to run as root, as PostgreSQL does.
  const account = await serverAccount();
  const directory = await mkdtemp(join(tmpdir(), 'test-pgbouncer-'));
  await chmod(directory, 0o700);
  const port = await freePort();
  const log = join(directory, 'log');
  const settings = {
    listen_addr: host,
    listen_port: port,
    unix_socket_dir: '',
    pool_mode: options.poolMode ?? 'transaction',
    default_pool_size: options.poolSize ?? 20,
    max_client_conn: 1000,
    auth_type: 'scram-sha-256',
    auth_file: join(directory, 'users'),
    logfile: log,
    ...options.settings,
  };
  const users = [{ name: server.user, password: server.password }, ...(options.users ?? [])];
  const files = [
    [join(directory, 'users'), users.map((user) => `${quote(user.name)} ${quote(user.password)}\n`).join('')],
    [
      join(directory, 'pgbouncer.ini'),
      `[databases]\n* = host=${server.host} port=${server.port}\n[pgbouncer]\n${Object.entries(settings)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join('')}`,
    ],
  ] as const;
  for (const [path, text] of files) {
    await writeFile(path, text, { mode: 0o600 });
    give(account, path);
  }
  give(account, directory);
  const child = spawn('pgbouncer', ['-q', join(directory, 'pgbouncer.ini')], { ...account.ids, cwd: '/', env: searchPath(), stdio: 'ignore' });
  const stopWithUs = (): boolean => child.kill('SIGKILL');
  process.once('exit', stopWithUs);
  await untilListening(child, port, log);
  return {
    host,
    port,
    pid: child.pid ?? 0,
    url: (database, as) => {
      const url = new URL(server.url(database, as));
      url.hostname = host;
      url.port = String(port);
      return url.href;
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', stopWithUs);
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await ended;
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function untilListening(child: ChildProcess, port: number, log: string): Promise<void> {
  let failure: string | null = null;
  child.once('error', (error) => (failure = error.message));
  child.once('exit', (code) => (failure ??= `it ended with code ${code}`));
  for (let waited = 0; !(await accepts(port)); waited += 20) {
    if (failure !== null || waited > 10_000) {
      throw new Error(`PgBouncer did not start: ${failure ?? 'nothing listens after 10 s'}\n${await readFile(log, 'utf8').catch(() => '')}`);
    }
    await sleep(20);
  }
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = createConnection({ host, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function searchPath(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}

function quote(value: string): string {
  return `"${value.replaceAll('"', '""')}"`;
}
