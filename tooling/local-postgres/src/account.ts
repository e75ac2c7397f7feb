/** The operating system's account that runs a server: PostgreSQL refuses to run as root. */

import { execFile } from 'node:child_process';
import { userInfo } from 'node:os';
import { promisify } from 'node:util';
import { LocalPostgresError } from './failure.ts';

const run = promisify(execFile);

export interface Account {
  readonly name: string;
  /** Numeric ids to switch to; null when the server runs as whoever we are. */
  readonly ids: { readonly uid: number; readonly gid: number } | null;
}

/**
 * Ourselves, unless we are root: then the user `postgres`, made when there is none.
 * Where no user can be made (a minimal image), `nobody` does.
 */
export async function serverAccount(): Promise<Account> {
  if (process.getuid?.() !== 0) return { name: ownName(), ids: null };
  const existing = await find('postgres');
  if (existing) return existing;
  // Two processes may come here at once; the second one's failure is harmless, since the user is then there.
  await run('useradd', ['--system', '--user-group', '--no-create-home', 'postgres'])
    .catch(() => run('adduser', ['-S', '-H', '-D', 'postgres']))
    .catch(() => undefined);
  const account = (await find('postgres')) ?? (await find('nobody'));
  if (!account) {
    throw new LocalPostgresError(
      'noAccount',
      'PostgreSQL does not run as root, and this system has no user "postgres" and none could be made. Make one: useradd --system postgres.',
    );
  }
  return account;
}

function ownName(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw new LocalPostgresError(
      'noAccount',
      `PostgreSQL runs only for a user that the system has a name for, and user ${process.getuid?.() ?? ''} has none here. ` +
        'Run as another user, or use a server of your own: DATABASE_URL=postgres://….',
      { cause },
    );
  }
}

async function find(name: string): Promise<Account | null> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { name, ids: { uid: Number(uid.stdout), gid: Number(gid.stdout) } };
  } catch {
    return null;
  }
}

/**
 * Whether the account can get at a file or folder through every folder above it. Asked of the system, in a process of that account, because modes
 * alone leave out access lists and mount options: a checkout under /root (mode 700) is the usual case.
 */
export async function canReach(account: Account, path: string): Promise<boolean> {
  if (!account.ids) return true;
  try {
    await run('/bin/sh', ['-c', 'test -r "$1" && test -x "$1"', 'sh', path], { ...account.ids, cwd: '/' });
    return true;
  } catch {
    return false;
  }
}
