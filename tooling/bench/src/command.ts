/** Running one command to its end. */

import { spawn } from 'node:child_process';

/** What people are told of rows that measure our command line. */
export const PACKED = 'ours: the packed command line, as it is installed from a registry';

/** Rejects with what it wrote on standard error when it does not exit with 0. Nothing of the surroundings but PATH and HOME reaches it. */
export async function runCommand(file: string, words: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<void> {
  await run(file, words, variables, 'ignore');
}

/** The same; answers what it wrote on standard output. */
export function runForOutput(file: string, words: readonly string[]): Promise<string> {
  return run(file, words, {}, 'pipe');
}

function run(file: string, words: readonly string[], variables: Readonly<Record<string, string>>, output: 'pipe' | 'ignore'): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1', CI: '1', ...variables };
    const child = spawn(file, words, { env, stdio: ['ignore', output, 'pipe'] });
    let complaint = '';
    let answer = '';
    child.stdout?.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(answer);
      else reject(new Error(`${file} ${words.slice(0, 2).join(' ')} ended with ${signal ?? code}: ${complaint.trim().slice(0, 2_000)}`));
    });
  });
}

/** Whether a command is there at all. */
export async function isInstalled(file: string): Promise<boolean> {
  return runCommand(file, ['--version']).then(
    () => true,
    () => false,
  );
}
