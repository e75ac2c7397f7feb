/** Runs the real program, as people do, and makes its output comparable. */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROGRAM = fileURLToPath(new URL('../../bin/migrate.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Place {
  readonly cwd: string;
  /** Beside PATH, HOME and the compile cache; nothing else of this process's variables is handed on. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Running {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
}

export function start(args: readonly string[], { cwd, env = {} }: Place): Running {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { process: child, finished };
}

export function migrate(args: readonly string[], place: Place): Promise<Finished> {
  return start(args, place).finished;
}

/** What a golden file holds: both streams and the exit code, with what differs from run to run replaced. */
export function golden(args: readonly string[], { code, stdout, stderr }: Finished, replace: Readonly<Record<string, string>> = {}): string {
  const text = [
    `$ migrate ${args.join(' ')}`,
    ...(stdout === '' ? [] : [stdout.trimEnd()]),
    ...(stderr === '' ? [] : ['--- standard error', stderr.trimEnd()]),
    `--- exit ${code}`,
    '',
  ].join('\n');
  return normalised(text, replace);
}

/** Columns become as wide as what stands in them, so runs of spaces inside a line say nothing; under a line of SQL they place the caret. */
export function normalised(text: string, replace: Readonly<Record<string, string>> = {}): string {
  let result = text;
  for (const [what, by] of Object.entries(replace)) result = result.replaceAll(what, by);
  return result
    .replaceAll(hostname(), 'HOST')
    .replaceAll(/HOST:\d+/g, 'HOST:PID')
    .replaceAll(/127\.0\.0\.1:\d+/g, 'SERVER')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'TIME')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\d+(?:\.\d+)? (?:ms|s)\b/g, 'DURATION')
    .replaceAll(/\d+(?:\.\d+)? tenants\/s/g, 'RATE')
    .replaceAll(/"durationMs":\d+/g, '"durationMs":0')
    .replaceAll(/"durationMs": \d+/g, '"durationMs": 0')
    .replaceAll(/"runId":( ?)"[0-9a-f]+"/g, '"runId":$1"RUN"')
    .replaceAll(/pid \d+/g, 'pid PID')
    .split('\n')
    .map((line) => (line.includes(' | ') ? line : line.replaceAll(/(?<=\S) {2,}/g, '  ')))
    .join('\n');
}

export interface Folder extends AsyncDisposable {
  readonly path: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
}

/** A folder outside the repository, removed afterwards. */
export async function folder(files: Readonly<Record<string, string>> = {}): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'migrate-cli-'));
  const write = async (more: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, text] of Object.entries(more)) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), text);
    }
  };
  await write(files);
  return { path, write, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
