/** Processes of their own that are killed. */

import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** SIGKILL, so many milliseconds after a program of this folder has said its first word. `done`: it had come to a good end before. */
export async function killAfter(name: string, ms: number, words: readonly string[]): Promise<'killed' | 'done'> {
  const program = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, ['--conditions=@org/source', program, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  await new Promise<void>((resolve) => {
    child.stdout.once('data', () => resolve());
    child.once('close', () => resolve());
  });
  await sleep(ms);
  const before = child.exitCode;
  child.kill('SIGKILL');
  await closed;
  return before === 0 ? 'done' : 'killed';
}
