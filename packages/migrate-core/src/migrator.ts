/** The façade, and the only file that knows the order of the flow. */

import type { MigrationSource, Requirement } from './migration.ts';
import type { AppliedMigration, OrderPolicy, Plan, PlanRequest, Problem } from './plan.ts';
import type { EventListener, Blocker, Report, TargetName } from './report.ts';
import type { Connect } from './session.ts';

export interface MigratorOptions {
  /** The service's name; goes into the log and into messages. */
  readonly service: string;
  readonly source: MigrationSource;
  readonly connect: Connect;
  readonly history?: {
    /** Default `schema_migrations_<service>`. At most 55 bytes: the log and the scripts get longer names. */
    readonly table?: string | undefined;
    /** Default: the target's schema. */
    readonly schema?: string | undefined;
  };
  /** Where unqualified names of the migrations go. Default `public`, which leaves the search path alone. */
  readonly schema?: string | undefined;
  readonly tenant?: string | null | undefined;
  /** Default `strict`. */
  readonly order?: OrderPolicy | undefined;
  /** How long to wait for whoever holds the lock, and for a table's lock in all. Milliseconds, default 300_000. */
  readonly waitLimitMs?: number | undefined;
  /** `lock_timeout` of a transactional migration. Milliseconds, default 3_000. */
  readonly lockTimeoutMs?: number | undefined;
  /** What other services have applied: names, or `null` when that cannot be learned. Asked only when a pending migration requires it. */
  readonly requirements?: ((service: string) => Promise<readonly string[] | null>) | undefined;
  /** Which services' applied migrations require something of this one (asked by `down`). */
  readonly dependants?: (() => Promise<readonly Dependant[]>) | undefined;
  readonly onEvent?: EventListener | undefined;
  /** Aborting cancels the running statement in the server and leaves a true record. */
  readonly signal?: AbortSignal | undefined;
}

export interface Dependant {
  readonly service: string;
  readonly name: string;
  readonly requires: readonly Requirement[];
}

export type UpRequest = {
  /** Up to and including this version. */
  readonly to?: string | undefined;
  readonly steps?: number | undefined;
  readonly order?: OrderPolicy | undefined;
  /** `whole-plan`: everything in one transaction, or nothing. Default `per-migration`. */
  readonly atomicity?: 'per-migration' | 'whole-plan' | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type DownRequest = {
  /** Default 1. */
  readonly steps?: number | undefined;
  /** This version stays applied. */
  readonly to?: string | undefined;
  /** Just this one. */
  readonly only?: string | undefined;
  readonly atomicity?: 'per-migration' | 'whole-plan' | undefined;
  readonly signal?: AbortSignal | undefined;
};

export interface Status {
  readonly target: TargetName;
  /** Newest applied migration in source order. */
  readonly current: { readonly name: string; readonly version: string } | null;
  /** In history order. */
  readonly applied: readonly AppliedMigration[];
  readonly pending: readonly { readonly name: string; readonly version: string; readonly description: string }[];
  readonly problems: readonly Problem[];
  readonly ignored: readonly { readonly path: string; readonly reason: string }[];
  /** A migration that runs right now on this target, with what it waits for. */
  readonly running: { readonly name: string; readonly process: Blocker; readonly blockers: readonly Blocker[] } | null;
}

export interface LogEntry {
  readonly seq: number;
  readonly at: string;
  readonly action: 'up' | 'down' | 'started' | 'failed' | 'repair' | 'baseline' | 'clone';
  readonly name: string;
  readonly by: string;
  readonly from: string;
  readonly runId: string;
  readonly durationMs: number | null;
  readonly detail: string | null;
}

/** A planned step with what would be sent: for `plan` and `--dry-run`. */
export interface PlannedStep {
  readonly name: string;
  readonly version: string;
  readonly direction: 'up' | 'down';
  readonly mode: 'whole' | 'resume';
  /** `stored`: the down kept in the history; `file`: the source's. */
  readonly from: 'file' | 'stored';
  readonly transaction: 'one' | 'several';
  /** `null` for a live migration, whose SQL is known only when it runs. */
  readonly sql: string | null;
}

export interface DetailedPlan {
  readonly target: TargetName;
  readonly plan: Plan;
  readonly steps: readonly PlannedStep[];
  readonly found: number;
  readonly ignored: readonly { readonly path: string; readonly reason: string }[];
}

export interface Migrator {
  /** Reads; writes nothing, takes no lock. An unused target is an empty history. */
  status(): Promise<Status>;
  /** What `up` or `down` would run, parsed and compiled. Writes nothing. */
  plan(request: PlanRequest): Promise<DetailedPlan>;
  /** Applies what is pending. Nothing pending: one query, no lock. Throws `MigrationError` with the report on failure. */
  up(request?: UpRequest): Promise<Report>;
  down(request?: DownRequest): Promise<Report>;
  /** Newest first. Default limit 50. */
  log(limit?: number): Promise<readonly LogEntry[]>;
}
