/** Real processes that migrate at the same time. */

import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  readonly outcome: string;
  readonly applied: readonly string[];
  readonly code?: string;
  readonly message?: string;
  readonly signal: NodeJS.Signals | null;
}

export interface Migrating {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
}

const program = fileURLToPath(new URL('./up.ts', import.meta.url));

export function startMigrating(path: string, url: string): Migrating {
  const child = spawn(process.execPath, ['--conditions=@org/source', program, path, url], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (_code, signal) => {
      const report = out === '' ? { outcome: signal === null ? 'crashed' : 'killed', applied: [], message: err } : (JSON.parse(out) as Omit<Ended, 'signal'>);
      resolve({ ...report, signal });
    });
  });
  return { process: child, ended };
}
