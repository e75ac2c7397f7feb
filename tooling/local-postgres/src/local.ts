/** The repository's own PostgreSQL: there when it is needed, started by whoever needs it first, kept until it is stopped. */

import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Account, serverAccount } from './account.ts';
import { type Binaries, serverBinaries } from './binaries.ts';
import { host, initialiseCluster, readPostmaster, startCluster, superuser } from './cluster.ts';
import { type DatabaseRequest, ensureDatabases, rolePassword } from './databases.ts';
import { explainFileError, LocalPostgresError, otherVersion } from './failure.ts';
import { findPlace, type Place, settle } from './place.ts';
import { isAlive, isServerOf } from './process.ts';
import { oneStarterAtATime } from './starter.ts';

export interface LocalPostgresOptions {
  /** Databases and roles to create where missing. Default: none. */
  readonly services?: readonly DatabaseRequest[];
  /** Default: the process's. Read: LOCAL_POSTGRES_DIR, LOCAL_POSTGRES_PORT. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface LocalPostgres {
  readonly host: string;
  readonly port: number;
  /** The superuser, who owns what the migrations make. */
  readonly user: string;
  readonly password: string;
  /** The URL of a database: for the superuser, or for a role made by `services`. */
  url(database: string, applicationRole?: string): string;
}

/**
 * Gives a running server, starting it, and making its data folder, where needed. It listens on the loopback only and outlives this process. Safe in any
 * number of processes at once, and after any of them was killed. When it runs already: a connection and one query, some milliseconds.
 *
 * Throws a LocalPostgresError whose message is one paragraph for a person.
 */
export async function ensureLocalPostgres(options: LocalPostgresOptions = {}): Promise<LocalPostgres> {
  let place = await findPlace(options.env);
  for (let attempt = 1; ; attempt++) {
    const found = await connectTo(place);
    if (found) {
      const { client, port, password } = found;
      try {
        await ensureDatabases(client, password, options.services ?? []);
      } finally {
        await client.end();
      }
      return describe(port, password);
    }
    try {
      place = await start(place);
    } catch (error) {
      // Somebody else's start was quicker: theirs is as good as ours.
      const theirs = error instanceof LocalPostgresError && error.code === 'folderInUse' && (await livingServer(place.data));
      if (!theirs || attempt === 5) throw error;
    }
  }
}

/** What runs now, without starting anything; null when nothing does. */
export async function livingServer(data: string): Promise<{ pid: number; port: number } | null> {
  const postmaster = await readPostmaster(data);
  return postmaster && (await isServerOf(postmaster.pid, data)) ? postmaster : null;
}

function describe(port: number, password: string): LocalPostgres {
  return {
    host,
    port,
    user: superuser,
    password,
    url(database, applicationRole) {
      const [name, secret] = applicationRole === undefined ? [superuser, password] : [applicationRole, rolePassword(password, applicationRole)];
      return `postgres://${encodeURIComponent(name)}:${secret}@${host}:${port}/${encodeURIComponent(database)}`;
    },
  };
}

/** Milliseconds that a living server may take to answer: it may be replaying its log after a crash, or be shutting down. */
const patience = 60_000;
/** What a server says, or the system says of it, while it starts, stops or is full. */
const passing = new Set(['57P03', '53300', 'ECONNREFUSED', 'ECONNRESET']);

async function connectTo(place: Place): Promise<{ client: pg.Client; port: number; password: string } | null> {
  const deadline = Date.now() + patience;
  for (;;) {
    const running = await livingServer(place.data);
    if (!running) return null;
    if (place.portIs === 'chosen' && running.port !== place.port && running.port !== 0) {
      throw new LocalPostgresError(
        'otherPort',
        `The local PostgreSQL in ${place.base} runs already, on port ${running.port} and not on ${place.port}. Stop it first (pnpm db:stop), or leave LOCAL_POSTGRES_PORT out.`,
      );
    }
    const password = await readPassword(place);
    const client = new pg.Client({
      host,
      port: running.port,
      user: superuser,
      password,
      database: 'postgres',
      // Or PGSSLMODE would have a say.
      ssl: false,
      application_name: 'local-postgres',
      connectionTimeoutMillis: 10_000,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return { client, port: running.port, password };
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code === '28P01' || code === '28000') {
        throw new LocalPostgresError(
          'folderInUse',
          `The PostgreSQL on ${place.data} (process ${running.pid}, port ${running.port}) does not accept the password in ${place.password}: it was changed by hand. ` +
            'Correct that file, or start afresh and lose what is in the databases: pnpm db:reset.',
          { cause: error },
        );
      }
      if (!passing.has(code ?? '') || Date.now() > deadline) {
        throw new LocalPostgresError(
          'didNotStart',
          `The local PostgreSQL (process ${running.pid}, port ${running.port}) does not answer: ${message}. Its log is ${place.log}; pnpm db:stop ends it.`,
          { cause: error },
        );
      }
      await sleep(50);
    }
  }
}

async function start(place: Place): Promise<Place> {
  const account = await serverAccount();
  const binaries = await serverBinaries(account);
  const settled = await settle(place, account);
  try {
    await oneStarterAtATime(settled.starting, async () => {
      // Whoever was before us may have done it all.
      if (await livingServer(settled.data)) return;
      await refuseForeignFolder(settled, binaries);
      await ensureData(settled, account, binaries);
      await clearStaleLock(settled);
      await trimLog(settled.log);
      await startCluster({
        binaries,
        account,
        directory: settled.data,
        port: settled.port,
        logFile: settled.log,
        life: 'detached',
        settings: { max_connections: 200, max_prepared_transactions: 0, timezone: 'UTC', log_timezone: 'UTC', log_line_prefix: '%m [%p] %q%u@%d %a ' },
      });
    });
    return settled;
  } catch (error) {
    throw explainFileError(error, settled.base);
  }
}

/** A folder that somebody else's server wrote is neither used nor overwritten. */
async function refuseForeignFolder(place: Place, binaries: Binaries): Promise<void> {
  const ours = binaries.version.split('.')[0] ?? '';
  const beside = await readFile(join(place.base, 'PG_VERSION'), 'utf8').catch(() => null);
  if (beside !== null) {
    throw new LocalPostgresError(
      'foreignFolder',
      `The folder ${place.base} is itself the data of a PostgreSQL ${beside.trim()} that was not made by this repository. Name a folder of the local PostgreSQL’s own: LOCAL_POSTGRES_DIR=….`,
    );
  }
  const written = await readFile(join(place.data, 'PG_VERSION'), 'utf8').catch(() => null);
  if (written !== null && written.trim() !== ours) throw otherVersion(place.data, written.trim(), ours);
  if (written === null && (await readdir(place.data).catch(() => [])).length > 0) {
    throw new LocalPostgresError(
      'foreignFolder',
      `The folder ${place.data} holds something that is not the data of a PostgreSQL. Move it away, or name another folder: LOCAL_POSTGRES_DIR=….`,
    );
  }
}

/** Makes the data folder where there is none. It appears by one rename, whole, so that being killed here leaves nothing half made. */
async function ensureData(place: Place, account: Account, binaries: Binaries): Promise<void> {
  const draftName = 'data.new-';
  for (const name of await readdir(place.base)) {
    if (name.startsWith(draftName) && !isAlive(Number.parseInt(name.slice(draftName.length), 10))) {
      // A killed starter may have left a program of its own that still writes there for a moment.
      await rm(join(place.base, name), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
  }
  if (await stat(join(place.data, 'PG_VERSION')).catch(() => null)) {
    // Before a server is started that nobody could log in to.
    await readPassword(place);
    return;
  }
  const draft = join(place.base, `${draftName}${process.pid}`);
  try {
    await initialiseCluster({ binaries, account, directory: draft, password: await ensurePassword(place), durability: 'flushed' });
    await rename(draft, place.data);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Another process's folder is there by now, made with the same password.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

async function ensurePassword(place: Place): Promise<string> {
  const draft = `${place.password}.${process.pid}`;
  await writeFile(draft, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 });
  try {
    // Unlike a rename, a link leaves the one that is there.
    await link(draft, place.password);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return await readPassword(place);
}

async function readPassword(place: Place): Promise<string> {
  try {
    return (await readFile(place.password, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new LocalPostgresError(
        'folderInUse',
        `There is data of a PostgreSQL in ${place.data} and no password for it in ${place.password}: it was not made by this repository, or that file was removed. ` +
          'Name another folder (LOCAL_POSTGRES_DIR=…), or start afresh and lose what is in the databases: pnpm db:reset.',
      );
    }
    throw explainFileError(error, place.password);
  }
}

/**
 * PostgreSQL itself copes with a lock file whose process is gone, but not with one whose number now belongs to another program of the same user.
 * Called by the one starter, after it saw that no server runs on this folder.
 */
async function clearStaleLock(place: Place): Promise<void> {
  const stale = await readPostmaster(place.data);
  if (stale && isAlive(stale.pid) && !(await isServerOf(stale.pid, place.data))) await rm(join(place.data, 'postmaster.pid'), { force: true });
}

/** The log of a server that runs for months is of no use beyond its last part. */
async function trimLog(log: string): Promise<void> {
  const size = (await stat(log).catch(() => null))?.size ?? 0;
  if (size > 10_000_000) await truncate(log, 0);
}
