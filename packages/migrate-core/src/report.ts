/** What happened: events while it runs, a report at the end. Pure. */

import type { ErrorCode, SourcePosition } from './errors.ts';
import type { Problem } from './plan.ts';

export type Outcome = 'applied' | 'undone' | 'upToDate' | 'failed' | 'interrupted' | 'notRun';

/** The result of a run on one target. */
export interface Report {
  readonly target: TargetName;
  readonly outcome: Outcome;
  /** Names, in the order in which they were done; durable on the server's disk. */
  readonly applied: readonly StepReport[];
  readonly undone: readonly StepReport[];
  readonly failed: Failure | null;
  /** Planned, but not reached. */
  readonly notRun: readonly string[];
  /** Names of what was under way, or not yet on disk, when the connection was lost for good: whether it is done, only the history tells. Empty otherwise. */
  readonly unknown: readonly string[];
  /** Problems that did not stop the run (a newer history during a rolling deploy, …). */
  readonly warnings: readonly Problem[];
  readonly durationMs: number;
}

export interface StepReport {
  readonly name: string;
  readonly version: string;
  readonly durationMs: number;
}

export interface Failure {
  readonly name: string;
  readonly version: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
  readonly position: SourcePosition | null;
  readonly statement: string | null;
  readonly sqlState: string | null;
}

/** One database and schema. */
export interface TargetName {
  /** For people: the database's name, with the schema where that is not `public`. */
  readonly name: string;
  readonly database: string;
  readonly schema: string;
  readonly tenant: string | null;
}

/** One session that makes a migration wait, or that runs one. Queries come without their literals. */
export interface Blocker {
  readonly pid: number;
  readonly user: string | null;
  readonly application: string;
  readonly state: string | null;
  /** Milliseconds since its transaction began. */
  readonly ageMs: number | null;
  /** Of another migration run: its migrations and their statements, as far as the server shows them. */
  readonly query: string;
}

/** A lock that is waited for. */
export interface WantedLock {
  /** `AccessExclusiveLock`, as PostgreSQL calls it. */
  readonly mode: string;
  /** The table or another relation, with its schema unless that is `public`; `a row of patient`. */
  readonly on: string;
}

/** What a run tells while it goes. `at` is left to the listener. */
export type MigrationEvent =
  /** The plan is made: what will run, what is there already. */
  | {
      readonly type: 'planned';
      readonly target: TargetName;
      readonly direction: 'up' | 'down';
      readonly found: number;
      readonly applied: readonly string[];
      readonly steps: readonly string[];
      readonly warnings: readonly Problem[];
    }
  /** A migration was sent to the server. */
  | { readonly type: 'started'; readonly target: TargetName; readonly name: string; readonly direction: 'up' | 'down' }
  /** A statement of a non-transactional migration was sent. */
  | {
      readonly type: 'statement';
      readonly target: TargetName;
      readonly name: string;
      readonly index: number;
      readonly count: number;
      readonly summary: string;
    }
  /** Done and durable. */
  | {
      readonly type: 'applied' | 'undone';
      readonly target: TargetName;
      readonly name: string;
      readonly durationMs: number;
    }
  /** Somebody else migrates this target; we look again from time to time. */
  | { readonly type: 'waitingForLock'; readonly target: TargetName; readonly holder: Blocker | null; readonly waitedMs: number }
  /** A migration waits for others. `lock`: `null` where it waits for the end of a transaction. */
  | {
      readonly type: 'blocked';
      readonly target: TargetName;
      readonly name: string;
      readonly lock: WantedLock | null;
      readonly blockers: readonly Blocker[];
    }
  /** It will be tried again as a whole. */
  | {
      readonly type: 'retrying';
      readonly target: TargetName;
      readonly name: string;
      readonly sqlState: string;
      readonly attempt: number;
      readonly delayMs: number;
    }
  /** Something a person should know that changes nothing: a resumed migration, an index cleaned up, a statement run by itself. */
  | { readonly type: 'notice'; readonly target: TargetName; readonly name: string | null; readonly message: string }
  /** Something a person should look at, which stands in nobody's way: a `public` that is left as it is. Of the tenants of one source only the first one tells it. */
  | { readonly type: 'warning'; readonly target: TargetName; readonly name: string; readonly message: string }
  | { readonly type: 'failed'; readonly target: TargetName; readonly failure: Failure };

export type EventListener = (event: MigrationEvent) => void;

export type LogAction = 'up' | 'down' | 'started' | 'failed' | 'repair' | 'baseline' | 'clone';

/** One line of the append-only log. */
export interface LogEntry {
  readonly seq: number;
  readonly at: string;
  readonly action: LogAction;
  readonly name: string;
  readonly by: string;
  readonly from: string;
  readonly runId: string;
  readonly durationMs: number | null;
  readonly detail: string | null;
}
