/** What a run on one target is given. */

import type { HistorySnapshot, HistoryTables } from '../history.ts';
import type { AvailableMigration, Plan, PlanRequest, Problem } from '../plan.ts';
import type { Run } from '../record.ts';
import type { MigrationEvent, TargetName } from '../report.ts';
import type { Connect } from '../session.ts';
import type { ConnectionMemory, LostTarget } from '../sharing.ts';
import type { TenantSchema } from '../source/tenant-schema/template.ts';
import type { Preparation, Prepared } from './prepare.ts';

/** What a run found out before it did anything: for targets in the same state it is the same. */
export interface Known {
  readonly snapshot: HistorySnapshot;
  readonly plan: Plan;
  /** As they are for the target that was asked. */
  readonly prepared: Prepared;
}

export interface RunOptions {
  readonly connect: Connect;
  readonly tables: HistoryTables;
  readonly run: Run;
  readonly searchPath: string | null;
  /** Of a target whose schema is not `public`: that is what `public` means in its migrations. */
  readonly tenantSchema: TenantSchema | null;
  readonly lockTimeoutMs: number;
  readonly retryLimitMs: number;
  readonly waitLimitMs: number;
  /** How long to wait for whoever holds the lock. */
  readonly lockWaitMs: number;
  readonly signal: AbortSignal | undefined;
  readonly emit: (event: MigrationEvent) => void;
  readonly target: (snapshot: HistorySnapshot) => TargetName;
  /** What was read already; `null` to read it now. */
  readonly initial: HistorySnapshot | null;
  /** Instead of reading, for the first attempt: neither the history nor the lock is looked at before. */
  readonly known: Known | null;
  readonly learn: ((known: Known) => void) | undefined;
  readonly available: readonly AvailableMigration[];
  readonly preparation: Preparation;
  readonly request: PlanRequest;
  readonly atomicity: 'per-migration' | 'whole-plan';
  readonly grouping: 'adaptive' | 'all';
  /** Of the last transaction. `later`: the caller makes it durable before it tells anybody. */
  readonly ending: 'flush' | 'later';
  readonly memory: ConnectionMemory;
  readonly storedScripts: Set<string>;
  /** Asked of a target without a history: an error is thrown. */
  readonly lost: LostTarget | undefined;
  /** Problems that need more than this target's history: requirements between services. */
  readonly outside: (plan: Plan, snapshot: HistorySnapshot, signal: AbortSignal | undefined) => Promise<readonly Problem[]>;
}
