/**
 * What a service does about its schema when it starts: run what is pending, wait until somebody else has, or neither.
 * Knows no framework and ends no process: the service shows the state on its health routes, and decides what a failure means.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { MigrationError } from './errors.ts';
import type { Migrator } from './migrator.ts';
import type { Report } from './report.ts';
import { refuseForGood, unfinished } from './startup/pending.ts';

/** `run`: apply what is pending. `wait`: look, without writing, until nothing is pending. `off`: do not look at the database at all. */
export type StartMode = 'run' | 'wait' | 'off';

export type StartupState =
  | { readonly phase: 'starting' }
  /** The server is not up yet, or its database is not there yet. */
  | { readonly phase: 'waitingForServer'; readonly message: string }
  | { readonly phase: 'migrating' }
  /** Mode `wait`: these are for somebody else to apply. */
  | { readonly phase: 'waitingForMigrations'; readonly pending: readonly string[] }
  /** The schema is current. `report` is `null` where this process was not asked to migrate. */
  | { readonly phase: 'ready'; readonly report: Report | null }
  | { readonly phase: 'failed'; readonly error: MigrationError }
  /** Ended by the signal; the history says truly what was done, and the next start completes it. */
  | { readonly phase: 'stopped'; readonly report: Report | null };

/** How a start-up ends. */
export type StartupOutcome = Extract<StartupState, { phase: 'ready' | 'failed' | 'stopped' }>;

export interface StartupOptions {
  readonly migrator: Pick<Migrator, 'status' | 'up'>;
  /** Default `run`. */
  readonly mode?: StartMode | undefined;
  /** How long a server may stay unreachable, each time it is. Milliseconds, default 60_000. 0: one attempt. */
  readonly serverWaitMs?: number | undefined;
  /** Between two looks. Milliseconds, default 1_000; while the server is not up it begins shorter. */
  readonly pollMs?: number | undefined;
  /** Aborting cancels what runs in the server; the outcome is `stopped`. */
  readonly signal?: AbortSignal | undefined;
  /** Called at every change of state, from inside the start-up: an exception here would be the service's own, and is not caught. */
  readonly onState?: ((state: StartupState) => void) | undefined;
}

export interface Startup {
  state(): StartupState;
  /** Never rejects: a failure is an outcome, with its error. */
  readonly done: Promise<StartupOutcome>;
}

/** Defaults of `StartupOptions`, in milliseconds. */
export const startupDefaults = { serverWaitMs: 60_000, pollMs: 1_000 } as const;

/**
 * Begins, and answers at once.
 *
 * Mode `run` with nothing pending is one query and takes no lock. How long to wait for whoever holds the lock, and for what other
 * services must have applied, is the migrator's to know (`waitLimitMs`, `requirementWaitMs`). Mode `wait` has no limit of its own:
 * it ends when nothing is pending, when the history cannot be reconciled with this build, or by the signal.
 *
 * @example
 * const startup = startMigrations({ migrator, signal, onState: (state) => log.info(state) });
 * const outcome = await startup.done;
 * if (outcome.phase === 'failed') throw outcome.error;
 */
export function startMigrations(options: StartupOptions): Startup {
  let state: StartupState = { phase: 'starting' };
  const enter = (next: StartupState): void => {
    // Looking again and finding the same is no news.
    if (next.phase === 'waitingForServer' && state.phase === 'waitingForServer' && next.message === state.message) return;
    state = next;
    options.onState?.(next);
  };
  // Deferred, so that the caller has its `Startup` before the first change of state.
  const done = Promise.resolve()
    .then(() => outcome(options, enter))
    .then((end) => {
      enter(end);
      return end;
    });
  return { state: () => state, done };
}

async function outcome(options: StartupOptions, enter: (state: StartupState) => void): Promise<StartupOutcome> {
  const { mode = 'run', signal } = options;
  if (mode === 'off') return { phase: 'ready', report: null };
  try {
    const report = await whileReachable(options, enter, mode === 'run' ? migrate : watch);
    return { phase: 'ready', report };
  } catch (error) {
    const told = toMigrationError(error);
    // What fails after the signal fails because of it.
    if (signal?.aborted === true || told.code === 'aborted') return { phase: 'stopped', report: told.report };
    return { phase: 'failed', error: told };
  }
}

/** What the work tells of the server: that it has answered, and whether it was away before. */
interface Reach {
  readonly wasAway: boolean;
  readonly reached: () => void;
}

type Work = (options: StartupOptions, enter: (state: StartupState) => void, reach: Reach) => Promise<Report | null>;

const migrate: Work = async ({ migrator, signal }, enter, { wasAway, reached }) => {
  if (wasAway) {
    // A run may take hours and lose its server again: it must not then be said to have been away all the time.
    await migrator.status();
    reached();
  }
  enter({ phase: 'migrating' });
  const report = await migrator.up({ signal });
  reached();
  return report;
};

const watch: Work = async ({ migrator, signal, pollMs = startupDefaults.pollMs }, enter, { reached }) => {
  let shown = '';
  for (;;) {
    const status = await migrator.status();
    reached();
    refuseForGood(status);
    const pending = unfinished(status);
    if (pending.length === 0) return null;
    if (shown !== pending.join('\n')) enter({ phase: 'waitingForMigrations', pending });
    shown = pending.join('\n');
    await sleep(pollMs, undefined, { signal });
  }
};

/** Does the work again while the server is away, up to the limit. The limit begins anew whenever the server was reached. */
async function whileReachable(options: StartupOptions, enter: (state: StartupState) => void, work: Work): Promise<Report | null> {
  const { serverWaitMs = startupDefaults.serverWaitMs, pollMs = startupDefaults.pollMs, signal } = options;
  let awaySince: number | null = null;
  for (let attempt = 0; ; attempt++) {
    try {
      signal?.throwIfAborted();
      const reached = (): void => {
        awaySince = null;
        attempt = 0;
      };
      return await work(options, enter, { wasAway: awaySince !== null, reached });
    } catch (error) {
      const why = whyAway(error);
      if (why === null || signal?.aborted === true) throw error;
      awaySince ??= performance.now();
      if (performance.now() - awaySince >= serverWaitMs) throw gaveUp(error, why, serverWaitMs);
      enter({ phase: 'waitingForServer', message: why });
      // The first looks are close together: a server that starts beside us is there within a second or two.
      await sleep(Math.min(pollMs, 100 * 2 ** Math.min(attempt, 8)), undefined, { signal });
    }
  }
}

/** Errors of the network, and of a server that starts, stops, or has no room or no such database yet. */
const AWAY = new Map<string, string>([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ECONNRESET', 'the connection was reset'],
  ['EPIPE', 'the connection was closed'],
  ['ETIMEDOUT', 'no answer in time'],
  ['EHOSTUNREACH', 'the host cannot be reached'],
  ['ENETUNREACH', 'the network cannot be reached'],
  ['ENOTFOUND', 'the host’s name is not known'],
  ['EAI_AGAIN', 'the host’s name cannot be looked up just now'],
  ['ENOENT', 'the server’s socket is not there'],
  ['57P01', 'the server is shutting down'],
  ['57P02', 'the server is restarting after a crash'],
  ['57P03', 'the server is starting up'],
  ['53300', 'the server has no free connection'],
  ['3D000', 'the database does not exist yet'],
  ['08P01', 'the server cannot be reached through the pooler'],
  ['08006', 'the connection was lost'],
]);

/** Why this error says that the server is not there (yet), without any data; `null` when it says something else. */
function whyAway(error: unknown): string | null {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth++) {
    if (one instanceof MigrationError && one.code !== 'connection') return null;
    const codes = [(one as { code?: unknown }).code, one instanceof MigrationError ? one.sqlState : null];
    // A name with several addresses fails with one error for each.
    if (one instanceof AggregateError) codes.push(...one.errors.map((inner: { code?: unknown }) => inner.code));
    for (const code of codes) {
      const why = typeof code === 'string' ? AWAY.get(code) : undefined;
      if (why !== undefined) return why;
    }
    // pg's own words, which have no code.
    if (/^(Connection terminated|timeout expired|Client has encountered a connection error)/.test(one.message)) return 'the connection was lost';
  }
  return null;
}

function gaveUp(error: unknown, why: string, waitedMs: number): MigrationError {
  const told = error instanceof MigrationError ? error : null;
  return new MigrationError({
    code: 'connection',
    message: `the server could not be reached for ${waitedMs / 1000} s: ${why}${told === null ? '' : ` (${told.message})`}`,
    hint: told?.hint ?? 'look at whether it runs, and at the host, port and database of the connection',
    target: told?.target ?? undefined,
    sqlState: told?.sqlState ?? undefined,
    report: told?.report ?? undefined,
    cause: error,
  });
}

function toMigrationError(error: unknown): MigrationError {
  if (error instanceof MigrationError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  // A driver's error: the server refused the log-in, or the network did.
  const driver = typeof code === 'string' && (severity !== undefined || /^E[A-Z_]+$/.test(code));
  return new MigrationError({ code: driver ? 'connection' : 'internal', message, cause: error });
}
