/** Migrating as a process of its own: `migrate up` for one database, the library for a fleet. */

import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = join(dirname(createRequire(import.meta.url).resolve('@org/migrate-cli/package.json')), 'bin/migrate.js');

const fleetProgram = fileURLToPath(new URL('fleet-up.ts', import.meta.url));

export interface Ended {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  /** Of both streams. */
  readonly output: string;
  /** Of standard output alone. */
  readonly document: string;
}

export interface Migrating {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Its first words on standard output; never, when it ends without any. */
  readonly spoke: Promise<void>;
}

/** @param more Further words of the command line. */
export function startMigrating(folder: string, url: string, more: readonly string[] = []): Migrating {
  return start([program, 'up', '--dir', folder, '--url', url, '--json', ...more], 'ignore');
}

/** Of the first `tenants` schemas that `tenantSchemas` names. */
export function startFleet(folder: string, url: string, tenants: number, concurrency: number, begin: 'at-once' | 'when-told' = 'at-once'): Migrating {
  return start(['--conditions=@org/source', fleetProgram, url, folder, String(tenants), String(concurrency), begin], 'pipe');
}

function start(words: readonly string[], input: 'pipe' | 'ignore'): Migrating {
  const child = spawn(process.execPath, words, { stdio: [input, 'pipe', 'pipe'] });
  let output = '';
  let document = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    document += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const spoke = new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()));
  return { process: child, spoke, ended: new Promise((resolve) => child.on('close', (code) => resolve({ code, output, document }))) };
}
