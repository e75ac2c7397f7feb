/** The façade, and the only file that knows the order of the flow. */

import { readLeftBehind, readUnderWay } from './activity.ts';
import { availableOf } from './available.ts';
import { MigrationError } from './errors.ts';
import {
  historyTables,
  mayBeEmptied,
  readBrief,
  readHistory,
  readLog,
  readOwnHistory,
  type BriefHistory,
  type HistorySnapshot,
  type HistoryTables,
} from './history.ts';
import type { MigrationSource, SourceListing } from './migration.ts';
import { newRun } from './new-run.ts';
import { isCurrent, plan, type AvailableMigration, type OrderPolicy, type Plan, type PlanRequest, type Problem } from './plan.ts';
import type { PlannedStep } from './engine/planned-step.ts';
import type { Preparation } from './engine/prepare.ts';
import type * as Running from './engine/run.ts';
import { refusedConnection } from './refused-connection.ts';
import type { EventListener, LogAction, LogEntry, Report, TargetName } from './report.ts';
import type { RepairReport, RepairRequest } from './repair.ts';
import { brokenRequirements, unmetRequirements, type Dependant } from './requires.ts';
import { Session, type Connect, type DatabaseClient } from './session.ts';
import type { Shared } from './sharing.ts';
import type { TenantSchema } from './source/tenant-schema/template.ts';
import { identifier } from './sql.ts';
import { refuseUnreadable, sourceProblems, statusOf, type Status } from './status.ts';

export interface MigratorOptions {
  /** The service's name; goes into the log and into messages. */
  readonly service: string;
  readonly source: MigrationSource;
  readonly connect: Connect;
  /**
   * A connection of the caller's own for everything that needs only one. Refused unless idle outside a transaction; left open,
   * and as it was found. `connect` still serves for what needs a second one.
   */
  readonly client?: DatabaseClient | undefined;
  readonly history?: {
    /** Default `schema_migrations_<service>`. At most 55 bytes: the log and the scripts get longer names. */
    readonly table?: string | undefined;
    /** Default: the target's schema. */
    readonly schema?: string | undefined;
    /** Where the compiled migrations are kept with their downs. Targets of one database may share theirs. Default: the history's schema. */
    readonly scriptsSchema?: string | undefined;
  };
  /** Where unqualified names of the migrations go, and those that say `public` of what they make. Default `public`, which leaves the search path alone. */
  readonly schema?: string | undefined;
  /** Schemas behind that one on the search path. Default `public` alone; for the schema `public`, what the connection has. */
  readonly searchPath?: readonly string[] | undefined;
  readonly tenant?: string | null | undefined;
  /** Default `strict`. */
  readonly order?: OrderPolicy | undefined;
  /** How long to wait for whoever holds the lock, and for a table's lock in all. Milliseconds, default 300_000. */
  readonly waitLimitMs?: number | undefined;
  /** `lock_timeout` of a transactional migration. Milliseconds, default 3_000. */
  readonly lockTimeoutMs?: number | undefined;
  /** How long a migration that loses to other sessions (55P03, 40P01, 40001 …) is tried again. Milliseconds, default 600_000. */
  readonly retryLimitMs?: number | undefined;
  /** How long to wait for what other services must have applied. Milliseconds, default 0. */
  readonly requirementWaitMs?: number | undefined;
  /** What other services have applied: names, or `null` when that cannot be learned. Asked only when a pending migration requires it. */
  readonly requirements?: ((service: string) => Promise<readonly string[] | null>) | undefined;
  /** Which services' applied migrations require something of this one (asked by `down`). */
  readonly dependants?: (() => Promise<readonly Dependant[]>) | undefined;
  readonly onEvent?: EventListener | undefined;
  /** Aborting cancels the running statement in the server and leaves a true record. */
  readonly signal?: AbortSignal | undefined;
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
  /** Names that exist elsewhere: with `to` or `only` one of them that is not applied here, and nothing above it, leaves nothing to do. Default: none. */
  readonly elsewhere?: readonly string[] | undefined;
  readonly atomicity?: 'per-migration' | 'whole-plan' | undefined;
  readonly signal?: AbortSignal | undefined;
};

export interface DetailedPlan {
  readonly target: TargetName;
  readonly plan: Plan;
  readonly steps: readonly PlannedStep[];
  readonly found: number;
  readonly ignored: readonly { readonly path: string; readonly reason: string }[];
  /** What a person should know of a step, as `up` tells it. */
  readonly notices: readonly { readonly name: string; readonly message: string }[];
}

export interface Migrator {
  /** Reads; writes nothing, takes no lock. An unused target is an empty history. */
  status(): Promise<Status>;
  /** What `up` or `down` would run, parsed and compiled. Writes nothing. @param after As if this one, an applied migration's name, had been undone before. */
  plan(request: PlanRequest, after?: { readonly undone: string }): Promise<DetailedPlan>;
  /** Applies what is pending. Nothing pending: one query, no lock. Throws `MigrationError` with the report on failure. */
  up(request?: UpRequest): Promise<Report>;
  down(request?: DownRequest): Promise<Report>;
  /** Puts the history right after a person put the schema right. Runs no migration. */
  repair(request: RepairRequest): Promise<RepairReport>;
  /** Newest first. Default limit 50. @param actions Only entries of these kinds. Default: all. */
  log(limit?: number, actions?: readonly LogAction[]): Promise<readonly LogEntry[]>;
}

/** Defaults of `MigratorOptions`, in milliseconds. */
export const defaults = { waitLimitMs: 300_000, lockTimeoutMs: 3_000, retryLimitMs: 600_000, requirementWaitMs: 0 } as const;

const ABANDON_MS = 3_000;

let engine: Promise<typeof Running> | null = null;

/** Most starts find nothing pending; and a fleet asks once for each tenant. */
function loadEngine(): Promise<typeof Running> {
  return (engine ??= import('./engine/run.ts'));
}

/**
 * A migrator for one target. Nothing is read or connected before its first call.
 *
 * @example
 * const migrator = createMigrator({ service: 'patient', source: directorySource('migrations'), connect });
 * const report = await migrator.up();
 * report.applied.map((step) => step.version); // ['0001', '0002']
 *
 * @throws MigrationError `invalidOptions` for a name that cannot be one.
 */
export function createMigrator(options: MigratorOptions): Migrator {
  return new TargetMigrator(options, { compiled: { preparation: null } });
}

/** One target of many. */
export function createSharingMigrator(options: MigratorOptions, shared: Shared): Migrator {
  return new TargetMigrator(options, shared);
}

class TargetMigrator implements Migrator {
  readonly #options: MigratorOptions;
  readonly #schema: string;
  readonly #tables: HistoryTables;
  #listing: Promise<SourceListing> | null = null;
  readonly #shared: Shared;

  constructor(options: MigratorOptions, shared: Shared) {
    this.#options = options;
    this.#shared = shared;
    this.#schema = options.schema ?? 'public';
    const { schema = this.#schema, table = `schema_migrations_${options.service}`, scriptsSchema = schema } = options.history ?? {};
    this.#tables = historyTables(schema, table, scriptsSchema);
  }

  status(): Promise<Status> {
    return this.#withSource(async (session) => {
      const { listing, available } = await this.#discover();
      const snapshot = await readOwnHistory(session, this.#tables, this.#shared.lost);
      const running = await readUnderWay(session, this.#tables, snapshot, listing.migrations);
      const leftBehind = await readLeftBehind(session, snapshot, running?.name ?? null);
      const { database, applied: rows } = snapshot;
      const status = statusOf({ target: this.#target(database), listing, available, rows, order: this.#options.order, running, leftBehind });
      return { ...status, problems: await this.#advised(session, snapshot, status.problems) };
    });
  }

  plan(request: PlanRequest, after?: { readonly undone: string }): Promise<DetailedPlan> {
    return this.#withSource(async (session) => {
      const { listing, available } = await this.#discover();
      const now = await readHistory(session, this.#tables);
      const snapshot = after === undefined ? now : { ...now, applied: now.applied.filter((row) => row.name !== after.undone) };
      const wanted = request.direction === 'up' ? { ...request, order: request.order ?? this.#options.order } : request;
      const current = plan(available, snapshot.applied, wanted);
      // Of what would be undone before, the log still tells that it is applied.
      const problems = await this.#advised(session, after === undefined ? snapshot : { ...snapshot, generation: 0, others: [] }, current.problems);
      const outside = await this.#outside(current, snapshot, 0, undefined);
      const preparation = await this.#prepare(listing);
      const { emptyNotices, plannedStep } = await import('./engine/planned-step.ts');
      const prepared = await preparation.prepare(session, this.#tables, snapshot, current.steps, this.#tenantSchema);
      return {
        target: this.#target(snapshot.database),
        plan: { ...current, problems: [...sourceProblems(listing), ...problems, ...outside, ...prepared.problems] },
        steps: prepared.steps.map(plannedStep),
        found: available.length,
        ignored: listing.ignored,
        notices: emptyNotices(prepared.steps),
      };
    });
  }

  up(request: UpRequest = {}): Promise<Report> {
    const { to, steps, order = this.#options.order } = request;
    return this.#run({ direction: 'up', to, steps: positive(steps), order }, request);
  }

  down(request: DownRequest = {}): Promise<Report> {
    const { to, steps, only, elsewhere } = request;
    if ([to, steps, only].filter((one) => one !== undefined).length > 1) {
      throw new MigrationError({ code: 'invalidOptions', message: 'a down takes one of steps, to and only' });
    }
    return this.#run({ direction: 'down', to, only, elsewhere, steps: positive(steps) }, request);
  }

  repair(request: RepairRequest): Promise<RepairReport> {
    return this.#withSource(async (session) => {
      const { listing, available } = await this.#discover();
      const preparation = await this.#prepare(listing);
      const { repair } = await import('./repair.ts');
      return repair(
        session,
        {
          tables: this.#tables,
          run: newRun(),
          available: available.map((one) => one.name),
          waitLimitMs: this.#options.waitLimitMs ?? defaults.waitLimitMs,
          signal: this.#options.signal,
          record: (name) => {
            refuseUnreadable(listing, name);
            return preparation.record(name);
          },
        },
        request,
      );
    });
  }

  log(limit = 50, actions?: readonly LogAction[]): Promise<readonly LogEntry[]> {
    return this.#withSession((session) => readLog(session, this.#tables, limit, actions));
  }

  #run(request: PlanRequest, { atomicity = 'per-migration', signal }: Pick<UpRequest, 'atomicity' | 'signal'>): Promise<Report> {
    const options = this.#options;
    const signals = [options.signal, signal].filter((one) => one !== undefined);
    const stop = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
    const started = performance.now();
    return this.#withSource(async (session, replace) => {
      const { listing, available } = await this.#discover();
      const broken = sourceProblems(listing);
      if (broken.length > 0) {
        throw new MigrationError({
          code: 'invalidMigration',
          message: broken.map((one) => one.message).join('\n'),
          problems: broken,
          migration: broken[0]?.name,
        });
      }
      const known = this.#shared.known ?? null;
      // Whatever else is asked for needs the whole history.
      const wholeUp = request.direction === 'up' && request.to === undefined && request.steps === undefined;
      const prefetch = (): void => void loadEngine().catch(() => undefined);
      const first = wholeUp && known === null ? await orAbandon(session, stop, () => readBrief(session, this.#tables, prefetch)) : null;
      if (first !== null && 'rows' in first && isCurrent(available, first.rows)) return this.#upToDate(first, available.length, started);
      const { TargetRun } = await loadEngine();
      const run = new TargetRun(
        {
          connect: options.connect,
          tables: this.#tables,
          run: newRun(),
          searchPath: this.#searchPath,
          tenantSchema: this.#tenantSchema,
          lockTimeoutMs: options.lockTimeoutMs ?? defaults.lockTimeoutMs,
          retryLimitMs: options.retryLimitMs ?? defaults.retryLimitMs,
          waitLimitMs: options.waitLimitMs ?? defaults.waitLimitMs,
          signal: stop,
          emit: options.onEvent ?? (() => undefined),
          target: (snapshot) => this.#target(snapshot.database),
          // A target without a history is read by the run, which asks what became of it.
          initial: first !== null && 'applied' in first && this.#shared.lost === undefined ? first : null,
          known,
          learn: this.#shared.learn,
          available,
          preparation: await this.#prepare(listing),
          request,
          atomicity,
          grouping: this.#shared.grouping ?? 'adaptive',
          ending: this.#shared.ending ?? 'flush',
          memory: this.#shared.memory ?? { ownSettings: null },
          lockWaitMs: this.#shared.whenBusy === 'leave' ? 0 : (options.waitLimitMs ?? defaults.waitLimitMs),
          storedScripts: this.#shared.storedScripts ?? new Set(),
          lost: this.#shared.lost,
          outside: (current, snapshot, abort) => this.#outside(current, snapshot, options.requirementWaitMs ?? defaults.requirementWaitMs, abort),
        },
        session,
      );
      try {
        return await run.run();
      } finally {
        replace(run.main);
      }
    });
  }

  #upToDate(history: BriefHistory, found: number, started: number): Report {
    const target = this.#target(history.database);
    this.#options.onEvent?.({ type: 'planned', target, direction: 'up', found, applied: history.rows.map((row) => row.name), steps: [], warnings: [] });
    return {
      target,
      outcome: 'upToDate',
      applied: [],
      undone: [],
      failed: null,
      notRun: [],
      unknown: [],
      warnings: [],
      durationMs: performance.now() - started,
    };
  }

  /** Loaded where a file was changed, the history may have been emptied, or another tool has one here. */
  async #advised(session: Session, snapshot: HistorySnapshot, problems: readonly Problem[]): Promise<readonly Problem[]> {
    if (!mayBeEmptied(snapshot) && snapshot.others.length === 0 && problems.every((one) => one.code !== 'changed')) return problems;
    const { problemsHere } = await import('./problems-here.ts');
    return problemsHere(session, this.#tables, snapshot, this.#available ?? [], problems);
  }

  #outside(current: Plan, snapshot: HistorySnapshot, waitMs: number, signal: AbortSignal | undefined): Promise<readonly Problem[]> {
    const { service, requirements, dependants } = this.#options;
    return current.direction === 'up'
      ? unmetRequirements({ steps: current.steps, available: this.#available ?? [], ask: requirements, waitMs, signal })
      : brokenRequirements({ service, steps: current.steps, applied: snapshot.applied.map((row) => row.name), ask: dependants });
  }

  get #searchPath(): string | null {
    const { searchPath } = this.#options;
    if (searchPath === undefined && this.#schema === 'public') return null;
    return [this.#schema, ...(searchPath ?? ['public'])].map(identifier).join(', ');
  }

  /** `null` for the schema `public`, whose migrations run as they are. */
  get #tenantSchema(): TenantSchema | null {
    return this.#schema === 'public' ? null : { schema: this.#schema, behind: this.#options.searchPath ?? ['public'] };
  }

  #available: readonly AvailableMigration[] | null = null;

  async #discover(): Promise<{ listing: SourceListing; available: readonly AvailableMigration[] }> {
    // A rejected promise is not kept: the next call looks again.
    const given = this.#shared.compiled.listing;
    this.#listing ??= (given === undefined ? this.#options.source.list() : Promise.resolve(given)).catch((error: unknown) => {
      this.#listing = null;
      throw error;
    });
    const listing = await this.#listing;
    const { compiled } = this.#shared;
    this.#available ??= (given === undefined ? null : compiled.available) ?? availableOf(listing);
    if (given !== undefined) compiled.available = this.#available;
    return { listing, available: this.#available };
  }

  /** Loaded when something is to be done: most starts find nothing pending. */
  #prepare(listing: SourceListing): Promise<Preparation> {
    this.#shared.compiled.preparation ??= import('./engine/prepare.ts').then(
      ({ Preparation: Prepare }) => new Prepare(this.#options.source, listing.migrations),
    );
    return this.#shared.compiled.preparation;
  }

  #target(database: string): TargetName {
    return { name: this.#schema === 'public' ? database : `${database}.${this.#schema}`, database, schema: this.#schema, tenant: this.#options.tenant ?? null };
  }

  /** Reading the folder and connecting are both waiting: they wait together. The folder's failure is told to whoever asks for the list. */
  #withSource<T>(work: (session: Session, replace: (session: Session) => void) => Promise<T>): Promise<T> {
    this.#discover().catch(() => undefined);
    return this.#withSession(work);
  }

  async #withSession<T>(work: (session: Session, replace: (session: Session) => void) => Promise<T>): Promise<T> {
    const { client, connect } = this.#options;
    if (client !== undefined && client.getTransactionStatus() !== 'I') {
      throw new MigrationError({
        code: 'invalidOptions',
        message: 'the client given is not idle outside a transaction: a migration would become part of it, or end it',
        hint: 'commit or roll back first, or give only `connect`',
      });
    }
    let session = client === undefined ? await opened(connect) : new Session(client, 'borrowed');
    try {
      return await work(session, (other) => {
        session = other;
      });
    } finally {
      await session.close();
    }
  }
}

async function opened(connect: Connect): Promise<Session> {
  try {
    return await Session.open(connect);
  } catch (error) {
    throw refusedConnection(error);
  }
}

/** A read may wait for a lock for as long as somebody holds it: after an abort the connection is given up. */
async function orAbandon<T>(session: Session, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const ended = new AbortController();
  const onAbort = (): void => {
    const timer = setTimeout(() => void session.abandon(), ABANDON_MS);
    ended.signal.addEventListener('abort', () => clearTimeout(timer));
  };
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort, { signal: ended.signal });
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted !== true || error instanceof MigrationError) throw error;
    throw new MigrationError({
      code: 'aborted',
      message: 'stopped on request before anything was done',
      hint: 'run `migrate up` again to go on',
      cause: error,
    });
  } finally {
    ended.abort();
  }
}

function positive(steps: number | undefined): number | undefined {
  if (steps === undefined || (Number.isInteger(steps) && steps > 0)) return steps;
  throw new MigrationError({ code: 'invalidOptions', message: `steps must be a whole number above zero, not ${steps}` });
}
