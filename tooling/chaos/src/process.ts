/** `migrate up` as a process of its own. */

import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const program = join(dirname(createRequire(import.meta.url).resolve('@org/migrate-cli/package.json')), 'bin/migrate.js');

export interface Ended {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly output: string;
}

export interface Migrating {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
}

export function startMigrating(folder: string, url: string): Migrating {
  const child = spawn(process.execPath, [program, 'up', '--dir', folder, '--url', url, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  return { process: child, ended: new Promise((resolve) => child.on('close', (code) => resolve({ code, output }))) };
}
