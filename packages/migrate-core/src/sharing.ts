/** What many targets of one source share. */

import type { MigrationError } from './errors.ts';
import type { HistorySnapshot } from './history.ts';
import type { Preparation } from './engine/prepare.ts';
import type { Known } from './engine/run-options.ts';
import type { SourceListing } from './migration.ts';
import type { AvailableMigration } from './plan.ts';

/** What is known of a target that has no history. */
export type LostTarget = (found: Pick<HistorySnapshot, 'schema'>) => Promise<MigrationError | null>;

export interface Shared {
  /** Read and compiled once, whatever the number of targets. */
  readonly compiled: Compiled;
  /** Keys of the scripts that this database has already. */
  readonly storedScripts?: Set<string>;
  /** `all`: everything plain that is pending is tried in one transaction at once. Default `adaptive`. */
  readonly grouping?: 'adaptive' | 'all';
  /** Somebody else migrates this target: wait (default), or leave it to them, which is `lockTimeout` without a failure in its report. */
  readonly whenBusy?: 'wait' | 'leave';
  /** What is to be done here: the first attempt goes without reading, and its guard says whether it was right. Default: it is read. */
  readonly known?: Known | null;
  /** Is told what a run that read has found. */
  readonly learn?: (known: Known) => void;
  /** `later`: what is reported as done may not be on disk yet; whoever asked for that tells nobody before it is. Default `flush`. */
  readonly ending?: 'flush' | 'later';
  /** What became of a target that has no history where it should have one: thrown, instead of beginning there. `null`: nothing is known of it. */
  readonly lost?: LostTarget | undefined;
  /** Of the client that the migrator was given. */
  readonly memory?: ConnectionMemory | undefined;
}

export interface Compiled {
  /** Default: the source is listed for each target. */
  readonly listing?: SourceListing;
  available?: readonly AvailableMigration[];
  preparation: Promise<Preparation> | null;
}

/** What is known of a connection for as long as it is there. */
export interface ConnectionMemory {
  /** What whoever opened it had set, by name; `null` when nobody has looked. */
  ownSettings: ReadonlyMap<string, string> | null;
}
