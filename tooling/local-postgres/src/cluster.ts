/** A data folder and the server that runs on it: make one, start it, wait until it is ready. Knows nothing of which folder or port. */

import { spawn } from 'node:child_process';
import { chownSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { explainFailedStart } from './failure.ts';

/** Every server is for this machine alone. */
export const host = '127.0.0.1';
/** The superuser of every server started here. */
export const superuser = 'postgres';

export interface InitialiseOptions {
  readonly binaries: Binaries;
  readonly account: Account;
  /** Must not exist, or be empty; the account must be able to enter the folder above it. */
  readonly directory: string;
  /** The superuser's. */
  readonly password: string;
  /** `flushed`: on disk when this returns. `lazy` for data nobody will miss. */
  readonly durability: 'flushed' | 'lazy';
}

/** Runs initdb: UTF-8, and a locale that is the same on every machine. Throws a LocalPostgresError. */
export async function initialiseCluster(options: InitialiseOptions): Promise<void> {
  const { binaries, account, directory } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  give(account, directory);
  const secret = await mkdtemp(`${directory}.secret-`);
  try {
    const file = join(secret, 'password');
    await writeFile(file, `${options.password}\n`, { mode: 0o600 });
    give(account, secret, file);
    const { code, output } = await runToEnd(binaries.initdb, account, [
      `--pgdata=${directory}`,
      `--username=${superuser}`,
      `--pwfile=${file}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // Built in since 17: knows upper and lower case beyond ASCII, sorts by code point, and does not depend on the system's locales.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
      ...(options.durability === 'lazy' ? ['--no-sync'] : []),
    ]);
    if (code !== 0) throw explainFailedStart({ output, directory: dirname(directory), port: 0, logFile: null });
  } finally {
    await rm(secret, { recursive: true, force: true });
  }
}

export interface StartOptions {
  readonly binaries: Binaries;
  readonly account: Account;
  readonly directory: string;
  readonly port: number;
  /** Of postgresql.conf; these win over the file. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Appended to; belongs to the account afterwards. */
  readonly logFile: string;
  /** `detached`: lives on after us. `leashed`: stopped at once, and its folder removed, when this process ends in whatever way. */
  readonly life: 'detached' | 'leashed';
  /** What goes when a leashed server is released. Default: its data folder. */
  readonly removeOnRelease?: string;
}

export interface StartedCluster {
  /** Of the postmaster. */
  readonly pid: number;
  readonly port: number;
  /** Lets go of a leashed server: it is stopped and its folder removed. Does nothing to a detached one. */
  release(): void;
}

/** How long a server may take to be ready, in milliseconds: after a crash it first replays its log. */
const readyTimeout = 60_000;

/** Starts a server and returns when it accepts connections. Throws a LocalPostgresError saying why it did not. */
export async function startCluster(options: StartOptions): Promise<StartedCluster> {
  const { account, directory, port } = options;
  const log = await open(options.logFile, 'a', 0o600);
  give(account, options.logFile);
  const before = (await log.stat()).size;
  const settings = { listen_addresses: host, port, unix_socket_directories: '', ...options.settings };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const command = [options.binaries.postgres, '-D', directory, ...flags];
  const [program, ...args] = options.life === 'leashed' ? ['/bin/sh', '-c', leash, 'sh', options.removeOnRelease ?? directory, ...command] : command;
  const child = spawn(program ?? '', args, {
    ...account.ids,
    // Not ours: a folder that is later removed, or that the account cannot enter, must not be the server's.
    cwd: directory,
    // A group of its own, so that Ctrl-C at the terminal does not stop it.
    detached: true,
    env: serverEnvironment(),
    stdio: [options.life === 'leashed' ? 'pipe' : 'ignore', log.fd, log.fd],
  });
  let ended = false;
  child.once('exit', () => (ended = true));
  child.once('error', () => (ended = true));
  child.stdin?.on('error', () => undefined);
  try {
    const deadline = Date.now() + readyTimeout;
    for (;;) {
      const running = await readPostmaster(directory);
      // Ours only: another process may have won the race for this folder.
      if (running?.ready && running.port === port && !ended && (options.life === 'leashed' || running.pid === child.pid)) {
        child.unref();
        (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
        return { pid: running.pid, port, release: () => child.stdin?.destroy() };
      }
      if (ended || Date.now() > deadline) {
        child.stdin?.destroy();
        const output = (await readFile(options.logFile, 'utf8').catch(() => '')).slice(before);
        throw explainFailedStart({ output, directory, port, logFile: options.logFile });
      }
      await sleep(15);
    }
  } finally {
    await log.close();
  }
}

/**
 * Holds a server that must not outlive its starter, not even one that was killed: a second process waits for the pipe from the starter to
 * close. The data is nobody's then, so the quickest stop will do.
 */
const leash = `
directory=$1; shift
exec 3<&0
"$@" 3<&- </dev/null & server=$!
(
  read -r _ <&3
  kill -QUIT "$server" 2>/dev/null
  while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
  rm -rf "$directory"
) >/dev/null 2>&1 & watcher=$!
exec 3<&-
wait "$server"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"
`;

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

/** What the folder's postmaster.pid says; null when there is none. The process it names may be long gone. */
export async function readPostmaster(directory: string): Promise<Postmaster | null> {
  const text = await readFile(join(directory, 'postmaster.pid'), 'utf8').catch(() => null);
  if (text === null) return null;
  const lines = text.split('\n');
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  return Number.isInteger(pid) && pid > 0 ? { pid, port: port || 0, ready: lines[7]?.trim() === 'ready' } : null;
}

/** A port of the loopback that nobody listens on just now. Somebody else may take it before it is used. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.');
  return address.port;
}

/** Makes the account the owner of these paths; nothing to do when the server runs as ourselves. */
export function give(account: Account, ...paths: readonly string[]): void {
  if (account.ids) for (const path of paths) chownSync(path, account.ids.uid, account.ids.gid);
}

/** Ours without what would lead a server astray: PGDATA and its kin, and a language in which its messages are not understood. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG|NODE_|npm_|TZ$)/i.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' };
}

async function runToEnd(program: string, account: Account, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, args, { ...account.ids, cwd: '/', env: serverEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  return await new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, output }));
  });
}
