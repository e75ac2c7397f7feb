/** Whether a process lives, and whether it is a server of a folder. */

import { execFile } from 'node:child_process';
import { readlink, realpath } from 'node:fs/promises';
import { platform } from 'node:os';
import { promisify } from 'node:util';

/** Also true for a process of somebody else, which we may not signal. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Whether this process is a PostgreSQL that runs on this data folder. A number alone does not tell: after a crash or a restart of the
 * machine the number in postmaster.pid may belong to any program.
 */
export async function isServerOf(pid: number, directory: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (platform() === 'win32') return true;
  try {
    // A server's working directory is its data folder.
    if (platform() === 'linux') return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(directory));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
  }
  try {
    return /postgres/.test((await promisify(execFile)('ps', ['-o', 'comm=', '-p', String(pid)])).stdout);
  } catch {
    // No ps here, or it is gone by now.
    return isAlive(pid);
  }
}
