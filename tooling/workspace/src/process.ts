/** Programs of this repository, run as its scripts run them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

export const repositoryRoot: string = resolve(import.meta.dirname, '../../..');

/** The environment with the repository's own programs first, so that `node` is the pinned one also where pnpm did not set it so. */
export function programEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return {
    ...env,
    PATH: `${join(repositoryRoot, 'node_modules/.bin')}${delimiter}${env['PATH'] ?? ''}`,
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
    // Tasks are run by a pnpm each: without its own lines about what it runs, and without each checking anew what is installed.
    npm_config_loglevel: 'silent',
    pnpm_config_loglevel: 'silent',
    pnpm_config_verify_deps_before_run: 'false',
    // Tasks write to a pipe; whether their reader sees colours is known here only.
    ...(process.stdout.isTTY && !env['NO_COLOR'] && !env['CI'] ? { FORCE_COLOR: env['FORCE_COLOR'] ?? '1' } : {}),
  };
}

export interface Ended {
  /** As a shell gives it: 128 + the signal's number for a program that a signal ended, also where the program itself then says 0. */
  readonly code: number;
}

export interface RunOptions {
  readonly stdio: 'pipe' | 'inherit';
  /** What is sent when we are told to stop, by whatever signal. Default: the same signal. */
  readonly stopWith?: NodeJS.Signals;
  /** For reading what it prints. */
  readonly onChild?: (child: ChildProcess) => void;
}

/**
 * Runs a program in a process group of its own and hands each signal on once. In ours, Ctrl-C at a terminal would reach it twice, from the terminal
 * and from us, and a second one means "at once" to most programs: a migration would be killed where it could have been cancelled cleanly.
 */
export async function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<Ended> {
  const child = spawn(program, args, {
    cwd: repositoryRoot,
    env: programEnvironment(),
    // Reading the terminal from another group than the terminal's would stop the program; none of ours asks anything.
    stdio: ['ignore', options.stdio, options.stdio],
    detached: true,
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let stoppedBy: NodeJS.Signals | null = null;
  const forward = (signal: NodeJS.Signals): void => {
    stoppedBy = signal;
    child.kill(options.stopWith ?? signal);
  };
  for (const signal of signals) process.on(signal, forward);
  try {
    options.onChild?.(child);
    return await new Promise<Ended>((settle, fail) => {
      child.once('error', fail);
      child.once('close', (code, signal) => {
        const by = stoppedBy ?? signal;
        const ownCode = code !== null && code > 0 && code < 128 ? code : null;
        settle({ code: ownCode ?? (by === null ? (code ?? 0) : 128 + constants.signals[by]) });
      });
    });
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}
