/** PostgreSQL servers for tests: the one of the test run, and those that a test has for itself, to kill and freeze. */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  canReach,
  freePort,
  give,
  host,
  initialiseCluster,
  LocalPostgresError,
  serverAccount,
  serverBinaries,
  startCluster,
  superuser,
} from '@org/local-postgres';
import pg from 'pg';

/** How to reach a server as its superuser. */
export interface TestServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** A URL of one of its databases, `postgres` unless named, for the superuser unless another is given. */
  url(database?: string, as?: { readonly name: string; readonly password: string }): string;
}

/** A server of one test's own. */
export interface OwnServer extends TestServer, AsyncDisposable {
  /** Of the postmaster: for SIGSTOP, SIGKILL and the like. */
  readonly pid: number;
  readonly directory: string;
  /** Stops it: `fast` ends sessions cleanly, `immediate` is a crash. It can be started again. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** Starts it again, on the same port, after `stop` or a kill. */
  start(): Promise<void>;
}

export interface ServerOptions {
  /** Of postgresql.conf, over those below. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** `off` (default): no fsync, fast. `on`: as in production, for tests of what survives a crash of the machine. */
  readonly fsync?: 'on' | 'off';
}

const variable = 'TEST_DATABASE_URL';
let ours: Promise<OwnServer> | undefined;

/**
 * The server of this test run: that of TEST_DATABASE_URL (a superuser's URL; vitest's global set-up puts one there), else one that this process
 * starts on first use and that ends with it.
 */
export async function testServer(): Promise<TestServer> {
  const url = process.env[variable];
  if (url) return serverOf(url);
  ours ??= startServer();
  return await ours;
}

/** Reads a superuser's URL. */
export function serverOf(url: string): TestServer {
  const parsed = new URL(url);
  return describeServer({
    host: decodeURIComponent(parsed.hostname),
    port: Number(parsed.port || 5432),
    user: decodeURIComponent(parsed.username || 'postgres'),
    password: decodeURIComponent(parsed.password),
  });
}

function describeServer(server: Omit<TestServer, 'url'>): TestServer {
  return {
    ...server,
    url(database = 'postgres', as = { name: server.user, password: server.password }) {
      const login = `${encodeURIComponent(as.name)}:${encodeURIComponent(as.password)}`;
      return `postgres://${login}@${server.host}:${server.port}/${encodeURIComponent(database)}`;
    },
  };
}

const fastSettings = {
  max_connections: 200,
  shared_buffers: '64MB',
  fsync: 'off',
  full_page_writes: 'off',
  autovacuum_naptime: '60s',
  // Log-in is a large part of a small test, and these passwords are nobody's.
  scram_iterations: 1,
  log_line_prefix: '%m [%p] %d %a ',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/** Starts a server in a temporary folder on a free port. It ends, and its folder goes, with the disposal or with this process, even a killed one. */
export async function startServer(options: ServerOptions = {}): Promise<OwnServer> {
  const account = await serverAccount();
  const binaries = await serverBinaries(account);
  const base = await temporaryFolder(account);
  const directory = join(base, 'data');
  const password = randomBytes(9).toString('base64url');
  const fsync = options.fsync ?? 'off';
  const settings = { ...fastSettings, fsync, full_page_writes: fsync, ...options.settings };
  await initialiseCluster({ binaries, account, directory, password, durability: 'lazy' });
  const launch = (port: number): ReturnType<typeof startCluster> =>
    startCluster({ binaries, account, directory, removeOnRelease: base, port, settings, logFile: join(base, 'log'), life: 'leashed' });
  let cluster = await onFreePort(launch);
  const { port } = cluster;

  const stop = async (mode: 'fast' | 'immediate' = 'fast'): Promise<void> => {
    if (!isAlive(cluster.pid)) return;
    process.kill(cluster.pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    // A server that a test froze hears nothing until it is woken.
    process.kill(cluster.pid, 'SIGCONT');
    while (isAlive(cluster.pid)) await sleep(10);
  };
  return {
    ...describeServer({ host, port, user: superuser, password }),
    get pid() {
      return cluster.pid;
    },
    directory,
    stop,
    async start() {
      cluster = await launch(port);
    },
    async [Symbol.asyncDispose]() {
      await stop('immediate');
      cluster.release();
      await rm(base, { recursive: true, force: true });
    },
  };
}

/** Runs one statement on a server as its superuser. */
export async function runOn(server: TestServer, sql: string, database = 'postgres'): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: server.url(database), application_name: 'test' });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

async function onFreePort<T extends { port: number }>(launch: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(await freePort());
    } catch (error) {
      // Somebody took the port between our look and the server's start.
      if (attempt === 5 || !(error instanceof LocalPostgresError && error.code === 'portInUse')) throw error;
    }
  }
}

async function temporaryFolder(account: Awaited<ReturnType<typeof serverAccount>>): Promise<string> {
  for (const parent of [tmpdir(), '/tmp', '/var/tmp']) {
    if (!existsSync(parent) || !(await canReach(account, parent))) continue;
    await mkdir(parent, { recursive: true });
    const base = await mkdtemp(join(parent, 'test-postgres-'));
    await chmod(base, 0o700);
    give(account, base);
    return base;
  }
  throw new Error(`No temporary folder that the user ${account.name} can reach.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
