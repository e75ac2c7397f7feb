/** What the process's exit code says, and which error has which. Pure. */

import type { MigrationError } from '@org/migrate-core';

export const exit = {
  done: 0,
  /** A migration, a check, the connection, all tenants. */
  failed: 1,
  /** Bad usage or configuration: nothing was touched. */
  usage: 2,
  /** Asked by `--exit-code`: something is pending. */
  pending: 3,
  someTenantsFailed: 4,
  /** Gave up waiting for the lock, or for another service. */
  gaveUpWaiting: 5,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exit)[keyof typeof exit];

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** @param stoppedBy The signal that this process was sent; `null` when none was. */
export function exitCodeOf(error: MigrationError, direction: 'up' | 'down', stoppedBy: StopSignal | null): ExitCode {
  switch (error.code) {
    case 'invalidOptions':
      return exit.usage;
    case 'lockTimeout':
      return exit.gaveUpWaiting;
    case 'unmetRequirement':
      // A down waits for nobody: it was refused.
      return direction === 'up' ? exit.gaveUpWaiting : exit.failed;
    case 'planRefused':
      // A version that nobody has was a slip of the hand, not a failure.
      return error.problems.length > 0 && error.problems.every((one) => one.code === 'unknownVersion') ? exit.usage : exit.failed;
    case 'aborted':
      // Without a signal it was a person at the terminal who said no.
      return stoppedBy === null ? exit.failed : stoppedBy === 'SIGTERM' ? exit.terminated : exit.interrupted;
    default:
      return exit.failed;
  }
}

/** Of one command that was given several tenants: what became of each that was begun, `null` where it went well. */
export function exitCodeOfSeveral(errors: readonly (MigrationError | null)[], stoppedBy: StopSignal | null): ExitCode {
  if (stoppedBy !== null) return stoppedBy === 'SIGTERM' ? exit.terminated : exit.interrupted;
  const failed = errors.flatMap((error) => error ?? []);
  const [first] = failed;
  if (first === undefined) return exit.done;
  return failed.length < errors.length ? exit.someTenantsFailed : exitCodeOf(first, 'up', null);
}
