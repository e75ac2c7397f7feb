/** Where the repository's PostgreSQL keeps its things, and on which port it listens. */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Account, canReach } from './account.ts';
import { systemDirectory } from './binaries.ts';
import { give } from './cluster.ts';
import { explainFileError, LocalPostgresError, notWritable } from './failure.ts';

export const repositoryRoot: string = resolve(import.meta.dirname, '../../..');

export interface Place {
  /** The folder that the settings name. */
  readonly named: string;
  /** The folder in use: the named one, or the one it points to (see `settle`). */
  readonly base: string;
  readonly data: string;
  readonly log: string;
  /** Holds the superuser's password; readable by its owner alone. */
  readonly password: string;
  /** Exists while somebody starts the server. */
  readonly starting: string;
  readonly port: number;
  /** A port that somebody chose is insisted on; the default gives way to the port of a server that runs already. */
  readonly portIs: 'chosen' | 'default';
}

const defaultPort = 54_329;
const pointer = 'moved-to';

/** Reads LOCAL_POSTGRES_DIR and LOCAL_POSTGRES_PORT; neither makes anything nor looks further than one small file. */
export async function findPlace(env: NodeJS.ProcessEnv = process.env): Promise<Place> {
  const named = resolve(repositoryRoot, env['LOCAL_POSTGRES_DIR'] || '.local/postgres');
  const text = env['LOCAL_POSTGRES_PORT'] ?? '';
  const port = text === '' ? defaultPort : Number(text);
  if (!/^\d*$/.test(text) || port < 1 || port > 65_535) {
    throw new LocalPostgresError('badSetting', `LOCAL_POSTGRES_PORT is not a port: "${text}". It takes a number from 1 to 65535.`);
  }
  const moved = await readFile(join(named, pointer), 'utf8').catch(() => '');
  return placeAt(named, moved.trim() || named, port, text === '' ? 'default' : 'chosen');
}

function placeAt(named: string, base: string, port: number, portIs: Place['portIs']): Place {
  return {
    named,
    base,
    data: join(base, 'data'),
    log: join(base, 'log'),
    password: join(base, 'password'),
    starting: join(base, 'starting'),
    port,
    portIs,
  };
}

/**
 * Makes the folder, and moves it to one that the server's account can reach if it must: root's checkout is often below /root, which is closed to
 * the user that runs the server for root. A file in the named folder then says where it is, for people and for the next command.
 */
export async function settle(place: Place, account: Account): Promise<Place> {
  try {
    await mkdir(place.base, { recursive: true });
    give(account, place.base);
    if (existsSync(place.data) || (await canReach(account, place.base))) return place;
    const key = createHash('sha256').update(place.named).digest('hex').slice(0, 12);
    const base = join(systemDirectory, `data-${key}`);
    await mkdir(systemDirectory, { recursive: true, mode: 0o755 });
    await mkdir(base, { recursive: true, mode: 0o700 });
    give(account, base);
    await writeFile(join(place.named, pointer), `${base}\n`);
    return placeAt(place.named, base, place.port, place.portIs);
  } catch (error) {
    // Node says ENOENT where a read-only file system keeps it from making several folders.
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? notWritable(place.base) : explainFileError(error, place.base);
  }
}
