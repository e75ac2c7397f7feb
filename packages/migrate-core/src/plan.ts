/** The planner: arrays in, a plan out. Pure: no I/O, no clock. */

import type { Requirement } from './migration.ts';

/** What the planner needs to know of a migration in the source, in source order. */
export interface AvailableMigration {
  readonly name: string;
  readonly version: string;
  readonly checksum: string;
  readonly requires: readonly Requirement[];
}

/** A row of the history. */
export interface AppliedMigration {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly checksum: string;
  /** ISO 8601, from the server's clock. */
  readonly appliedAt: string;
  readonly appliedBy: string;
  readonly durationMs: number;
  /** `started`: a non-transactional migration that did not finish. */
  readonly state: 'applied' | 'started';
  /** The log's sequence number of the entry that applied it: history order. */
  readonly seq: number;
  readonly runId: string;
  /** What it required of other services when it was applied. */
  readonly requires: readonly Requirement[];
  /** Whether its down was stored with it. */
  readonly storedDown: boolean;
}

export type PlanRequest =
  | { readonly direction: 'up'; readonly to?: string | undefined; readonly steps?: number | undefined; readonly order?: OrderPolicy | undefined }
  | { readonly direction: 'down'; readonly steps?: number | undefined; readonly to?: string | undefined; readonly only?: string | undefined };

/** `strict`: a pending migration below the newest applied one is a problem. `allow`: it is run where it stands. */
export type OrderPolicy = 'strict' | 'allow';

export interface Step {
  readonly name: string;
  readonly version: string;
  readonly direction: 'up' | 'down';
  /** `resume`: it was interrupted and goes on where it stopped. */
  readonly mode: 'whole' | 'resume';
}

export type ProblemCode =
  | 'changed'
  | 'outOfOrder'
  | 'unknownApplied'
  | 'renamed'
  | 'interrupted'
  | 'duplicate'
  | 'invalidMigration'
  | 'unmetRequirement'
  | 'irreversible'
  | 'foreignHistory'
  | 'unknownVersion';

export interface Problem {
  readonly code: ProblemCode;
  readonly version: string;
  readonly name: string;
  readonly message: string;
  /** `error` stops `up` and `down`; `warning` is only told. */
  readonly severity: 'error' | 'warning';
}

export interface Plan {
  readonly direction: 'up' | 'down';
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  /** Everything pending, whether or not this request runs it. */
  readonly pending: readonly string[];
  /** The newest applied migration in source order; `null` on an empty history. */
  readonly current: string | null;
}
