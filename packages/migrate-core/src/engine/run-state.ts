/** What the steps of one run on one target share. */

import type { HistoryRow, HistorySnapshot, HistoryTables } from '../history.ts';
import type { LiveScript, Script } from '../migration.ts';
import type { Monitor } from './monitor.ts';
import type { StepFailure } from './failure.ts';
import type { RecordInput, Run } from '../record.ts';
import type { EventListener, TargetName } from '../report.ts';
import type { Connect, Session } from '../session.ts';
import type { TenantSchema } from '../source/tenant-schema/template.ts';

export interface RunState {
  readonly main: Session;
  readonly monitor: Monitor;
  readonly connect: Connect;
  readonly tables: HistoryTables;
  readonly run: Run;
  readonly target: TargetName;
  /** `"schema", public`, or `null` where the connection's own search path is right. */
  readonly searchPath: string | null;
  /** Of a target whose schema is not `public`. */
  readonly tenantSchema: TenantSchema | null;
  readonly lockTimeoutMs: number;
  /** How long a migration is tried again. */
  readonly retryLimitMs: number;
  /** How long to wait for whoever holds the lock, or for an earlier run's statement. */
  readonly waitLimitMs: number;
  readonly emit: EventListener;
  readonly signal: AbortSignal | undefined;
  /** When each of those that share a transaction ended. A look at the clock behind each would cost a tenth of a fleet's time. */
  readonly ends: 'noted' | 'unknown';
  /** Keys of scripts that are known to be in the table: they need not be sent again. */
  readonly storedScripts: Set<string>;
  /** What the session had been set to before any migration, by name; `null` when no migration can set anything. */
  ownSettings: ReadonlyMap<string, string> | null;
  /** What was read at first; its tables are there once something was recorded. */
  snapshot: HistorySnapshot;
  /** The log's newest sequence number: moved by every record of this run. */
  generation: number;
  /** Whether everything committed so far is on the server's disk. */
  durability: 'flushed' | 'pending';
}

/** A step with everything that is needed to run it. */
export interface ReadyStep {
  readonly name: string;
  readonly version: string;
  readonly direction: 'up' | 'down';
  readonly mode: 'whole' | 'resume';
  readonly script: Script | LiveScript;
  readonly record: RecordInput;
  readonly lockTimeoutMs: number | null;
  readonly statementTimeoutMs: number | null;
  /** The history's row: of a down, or of an up that goes on. */
  readonly row: HistoryRow | null;
}

export type StepResult =
  | { readonly kind: 'done' }
  /** Somebody else holds the lock: nothing was done. */
  | { readonly kind: 'lockHeld' }
  /** The history changed since the plan was made: nothing was done. */
  | { readonly kind: 'movedOn' }
  /** `recorded`: the step is half done, and the history says how far. */
  | { readonly kind: 'failed'; readonly name: string; readonly failure: StepFailure; readonly extent: 'nothing' | 'partly' }
  /** The connection is gone: what became of the step must be read. */
  | { readonly kind: 'lost'; readonly error: Error };
