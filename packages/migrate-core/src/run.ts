/** One run on one target: plan, guard, execute, record, again where the history has moved on, and a true report at the end. */

import { setTimeout as sleep } from 'node:timers/promises';

import { readLockHolder, readRunning } from './activity.ts';
import { MigrationError, type ErrorCode } from './errors.ts';
import { executeTransaction } from './execute.ts';
import { describeBlocker, failureError, type StepFailure } from './failure.ts';
import { begin, GUARD, lockKey, tag } from './guard.ts';
import * as history from './history.ts';
import { Monitor } from './monitor.ts';
import { plan, planAgain, type AvailableMigration, type Plan, type PlanRequest, type Problem } from './plan.ts';
import type { Preparation, PreparedStep } from './prepare.ts';
import { insertLog, nextSeq, type Run } from './record.ts';
import type { Failure, MigrationEvent, Outcome, Report, StepReport, TargetName } from './report.ts';
import type { RunState, StepResult } from './run-state.ts';
import { Session, type Connect } from './session.ts';
import { doBlock } from './sql.ts';
import { executeSteps, needsSteps } from './steps.ts';

export interface RunOptions {
  readonly connect: Connect;
  readonly tables: history.HistoryTables;
  readonly run: Run;
  readonly searchPath: string | null;
  readonly lockTimeoutMs: number;
  readonly retryLimitMs: number;
  readonly waitLimitMs: number;
  readonly signal: AbortSignal | undefined;
  readonly emit: (event: MigrationEvent) => void;
  readonly target: (snapshot: history.HistorySnapshot) => TargetName;
  readonly available: readonly AvailableMigration[];
  readonly preparation: Preparation;
  readonly request: PlanRequest;
  readonly atomicity: 'per-migration' | 'whole-plan';
  /** Problems that need more than this target's history: requirements between services. */
  readonly outside: (plan: Plan, snapshot: history.HistorySnapshot, signal: AbortSignal | undefined) => Promise<readonly Problem[]>;
}

/** Small migrations share a flush; nothing waits longer than this to be reported. */
const FLUSH_EVERY_MS = 250;
const RECONNECT_LIMIT_MS = 15_000;
const MOST_LOSSES = 5;

export class TargetRun {
  readonly #options: RunOptions;
  readonly #started = performance.now();
  readonly #monitor: Monitor;
  #main: Session;
  #target: TargetName;
  /** The names decided on at first: a lost race never turns "--steps 1" into somebody else's next one. */
  #chosen: readonly string[] | null = null;
  #done: { step: StepReport; direction: 'up' | 'down'; told: boolean }[] = [];
  #warnings: readonly Problem[] = [];
  #lastFlush = performance.now();
  #losses = 0;
  #waitedMs = 0;

  constructor(options: RunOptions, main: Session) {
    this.#options = options;
    this.#main = main;
    this.#monitor = new Monitor(options.connect, options.run.id);
    this.#target = { name: options.tables.schema, database: '', schema: options.tables.schema, tenant: null };
  }

  async run(): Promise<Report> {
    try {
      for (;;) {
        const report = await this.#round();
        if (report !== null) return report;
      }
    } finally {
      await this.#monitor.close();
    }
  }

  /** The connection in use: another one than at first after a loss. */
  get main(): Session {
    return this.#main;
  }

  /** `null`: look again. */
  async #round(): Promise<Report | null> {
    const { tables, available, request, signal } = this.#options;
    const snapshot = await history.readHistory(this.#main, tables);
    this.#target = this.#options.target(snapshot);
    const again = this.#chosen !== null;
    const current = this.#chosen === null ? plan(available, snapshot.applied, request) : planAgain(available, snapshot.applied, request, this.#chosen);
    if (!again) this.#announce(current, snapshot);
    this.#refuse(current.problems, current);
    if (current.steps.length === 0) return this.#report(null, []);
    if (signal?.aborted === true) throw this.#stopped(current.steps.map((step) => step.name));
    if (snapshot.recovery) {
      throw new MigrationError({
        code: 'connection',
        message: `${this.#target.name} is a standby, which cannot be written to`,
        hint: 'connect to the primary',
        target: this.#target.name,
      });
    }
    this.#chosen ??= current.steps.map((step) => step.name);
    this.#refuse(await this.#options.outside(current, snapshot, signal), current);
    const prepared = await this.#options.preparation.prepare(this.#main, tables, snapshot, current.steps);
    this.#refuse(prepared.problems, current);
    return this.#execute(snapshot, prepared.steps);
  }

  async #execute(snapshot: history.HistorySnapshot, steps: readonly PreparedStep[]): Promise<Report | null> {
    const { options, state } = { options: this.#options, state: this.#state(snapshot) };
    if (await this.#lockIsHeld()) return null;
    const batches = options.atomicity === 'whole-plan' ? [this.#atomic(steps)] : steps.map((step) => [step]);
    for (const [index, batch] of batches.entries()) {
      if (options.signal?.aborted === true) {
        await this.#flush(state);
        throw this.#stopped(
          batches
            .slice(index)
            .flat()
            .map((step) => step.name),
        );
      }
      for (const step of batch) this.#emit({ type: 'started', target: this.#target, name: step.name, direction: step.direction });
      const durability = index === batches.length - 1 || performance.now() - this.#lastFlush > FLUSH_EVERY_MS ? 'flush' : 'later';
      const began = performance.now();
      const result = await this.#run(state, batch, durability);
      switch (result.kind) {
        case 'done':
          for (const step of batch) {
            // In a shared transaction no step has a time of its own; an equal share is the honest guess.
            this.#done.push({
              step: { name: step.name, version: step.version, durationMs: (performance.now() - began) / batch.length },
              direction: step.direction,
              told: false,
            });
          }
          if (state.durability === 'flushed') this.#tell();
          break;
        case 'lockHeld':
          await this.#flush(state);
          await this.#waitForLock();
          return null;
        case 'movedOn':
          await this.#flush(state);
          return null;
        case 'lost':
          await this.#recover(result.error);
          return null;
        case 'failed':
          return this.#fail(state, result, batches.slice(index).flat());
      }
    }
    return this.#report(null, []);
  }

  async #run(state: RunState, batch: readonly PreparedStep[], durability: 'flush' | 'later'): Promise<StepResult> {
    const step = batch[0] as PreparedStep;
    const script = step.script;
    if (batch.length === 1 && (step.mode === 'resume' || needsSteps(script))) return executeSteps(state, step, script);
    const result = await executeTransaction(state, batch, durability);
    if (result.kind !== 'needsNoTransaction') return result;
    const culprit = result.step.script;
    const statement = culprit.kind === 'sql' ? culprit.statements[result.index] : undefined;
    if (batch.length > 1 || culprit.kind !== 'sql' || statement === undefined) {
      throw this.#error(
        {
          code: 'planRefused',
          message: `${result.step.name} cannot be part of one transaction: PostgreSQL refuses ${statement?.summary ?? 'one of its statements'} there`,
          hint: batch.length > 1 ? 'run without --atomic' : 'call pgm.noTransaction() in it',
        },
        [],
      );
    }
    // Only the state of the database decided this (a partitioned table, a procedure that commits): everything was rolled back.
    this.#emit({
      type: 'notice',
      target: this.#target,
      name: step.name,
      message: `PostgreSQL refuses ${statement.summary} in a transaction; it was rolled back, and that statement runs by itself`,
    });
    const repeatable = /^(Reindex|Cluster|Vacuum)/.test(statement.kind);
    const statements = culprit.statements.map((one, index) =>
      index === result.index
        ? { ...one, transaction: 'forbidden' as const, leftover: { kind: repeatable ? ('repeatable' as const) : ('undecidable' as const) } }
        : one,
    );
    return executeSteps(state, step, { ...culprit, statements });
  }

  #atomic(steps: readonly PreparedStep[]): readonly PreparedStep[] {
    const misfits = steps.filter((step) => step.mode === 'resume' || needsSteps(step.script));
    if (misfits.length > 0) {
      throw this.#error(
        {
          code: 'planRefused',
          message: `all in one transaction is not possible: ${misfits.map((step) => step.name).join(', ')} cannot run in a transaction. Nothing was run`,
          hint: 'run without --atomic, or up to the migration before it with: --to',
        },
        steps.map((step) => step.name),
      );
    }
    return steps;
  }

  #state(snapshot: history.HistorySnapshot): RunState {
    const { connect, tables, run, searchPath, lockTimeoutMs, retryLimitMs, waitLimitMs, signal } = this.#options;
    return {
      main: this.#main,
      monitor: this.#monitor,
      connect,
      tables,
      run,
      target: this.#target,
      searchPath,
      lockTimeoutMs,
      retryLimitMs,
      waitLimitMs,
      signal,
      snapshot,
      emit: (event) => this.#emit(event),
      generation: snapshot.generation,
      durability: this.#done.every((one) => one.told) ? 'flushed' : 'pending',
    };
  }

  /** Every loss of the race is an error in the server's log: look before trying. */
  async #lockIsHeld(): Promise<boolean> {
    if ((await readLockHolder(this.#main, this.#options.tables)) === null) return false;
    await this.#waitForLock();
    return true;
  }

  /** Polls `pg_locks`, never the lock itself: a waiting statement would hold a snapshot, for which CREATE INDEX CONCURRENTLY waits. */
  async #waitForLock(): Promise<void> {
    const { tables, waitLimitMs, signal } = this.#options;
    const began = performance.now();
    let told = 0;
    for (let delay = 50; ; delay = Math.min(1_000, delay * 1.5)) {
      const holder = await readLockHolder(this.#main, tables);
      if (holder === null) break;
      const waited = this.#waitedMs + performance.now() - began;
      if (performance.now() - told > 5_000) {
        this.#emit({ type: 'waitingForLock', target: this.#target, holder, waitedMs: waited });
        told = performance.now();
      }
      if (signal?.aborted === true) throw this.#stopped(this.#chosen ?? []);
      if (waited > waitLimitMs) {
        throw this.#error(
          {
            code: 'lockTimeout',
            message: `gave up after waiting ${Math.round(waited / 1000)} s for the migration lock of ${tables.history} on ${this.#target.name} (key ${lockKey(tables)}), held by ${describeBlocker(holder)}`,
            hint: 'wait for that run, or look at it with: migrate status',
          },
          this.#chosen ?? [],
        );
      }
      await sleep(delay * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    }
    this.#waitedMs += performance.now() - began;
  }

  /** The connection died in the middle: nothing is said before the history was read again and no statement of ours lives. */
  async #recover(cause: Error): Promise<void> {
    const { connect, tables, run, signal } = this.#options;
    const until = performance.now() + RECONNECT_LIMIT_MS;
    this.#losses++;
    for (let delay = 200; ; delay = Math.min(2_000, delay * 2)) {
      try {
        await this.#main.close();
        this.#main = await Session.open(connect);
        for (;;) {
          const running = await readRunning(this.#main, run.id);
          if (running === null) break;
          if (signal?.aborted === true) await this.#monitor.cancel();
          await sleep(200);
        }
        const snapshot = await history.readHistory(this.#main, tables);
        await this.#readTruth(snapshot);
        break;
      } catch (error) {
        if (error instanceof MigrationError) throw error;
        if (performance.now() > until) {
          throw this.#error(
            {
              code: 'connection',
              message: `the connection to ${this.#target.name} was lost (${cause.message}) and the server cannot be reached again: whether the running migration was applied is not known`,
              hint: 'when the server is back, look with: migrate status, and run again',
              cause,
            },
            this.#unknown(),
          );
        }
        await sleep(delay);
      }
    }
    if (this.#losses > MOST_LOSSES) {
      throw this.#error(
        {
          code: 'connection',
          message: `the connection to ${this.#target.name} was lost ${this.#losses} times (${cause.message})`,
          hint: 'look at the server’s log, then run again',
          cause,
        },
        this.#unknown(),
      );
    }
    this.#emit({
      type: 'notice',
      target: this.#target,
      name: null,
      message: `the connection was lost (${cause.message}); the history was read again, and the run goes on from there`,
    });
  }

  /** What the history says of this run. An asynchronous commit that a crash of the server took back is taken back here too. */
  async #readTruth(snapshot: history.HistorySnapshot): Promise<void> {
    const rows = new Map(snapshot.applied.filter((row) => row.state === 'applied').map((row) => [row.name, row]));
    this.#done = this.#done.filter((one) => one.told || (one.direction === 'up') === rows.has(one.step.name));
    for (const row of rows.values()) {
      if (row.runId !== this.#options.run.id || this.#done.some((one) => one.direction === 'up' && one.step.name === row.name)) continue;
      this.#done.push({ step: { name: row.name, version: row.version, durationMs: row.durationMs }, direction: 'up', told: false });
    }
    for (const name of this.#options.request.direction === 'down' ? (this.#chosen ?? []) : []) {
      if (snapshot.applied.some((row) => row.name === name) || this.#done.some((one) => one.step.name === name)) continue;
      this.#done.push({ step: { name, version: name, durationMs: 0 }, direction: 'down', told: false });
    }
    await this.#flush(this.#state(snapshot));
  }

  #unknown(): string[] {
    const done = new Set(this.#done.map((one) => one.step.name));
    return (this.#chosen ?? []).filter((name) => !done.has(name));
  }

  /** Makes everything committed so far durable, then tells it. The transaction must write: an empty one flushes nothing. */
  async #flush(state: RunState): Promise<void> {
    if (this.#done.every((one) => one.told)) return;
    const result = await this.#main.run(
      `${tag(state.run, 'flush')}${begin()};\nSET LOCAL synchronous_commit = on;\nSELECT pg_catalog.pg_logical_emit_message(true, 'migrate', '');\nCOMMIT`,
    );
    if (result.kind === 'done') {
      state.durability = 'flushed';
      this.#tell();
    }
  }

  #tell(): void {
    this.#lastFlush = performance.now();
    for (const one of this.#done) {
      if (one.told) continue;
      one.told = true;
      this.#emit({ type: one.direction === 'up' ? 'applied' : 'undone', target: this.#target, name: one.step.name, durationMs: one.step.durationMs });
    }
  }

  async #fail(state: RunState, result: Extract<StepResult, { kind: 'failed' }>, rest: readonly PreparedStep[]): Promise<never> {
    const step = rest.find((one) => one.name === result.name) ?? (rest[0] as PreparedStep);
    const failure: StepFailure =
      this.#options.signal?.aborted === true
        ? {
            ...result.failure,
            code: 'aborted',
            message: 'stopped on request; the statement was cancelled and rolled back',
            hint: result.extent === 'partly' ? 'the next `migrate up` goes on where it stopped' : 'run `migrate up` again to apply it',
          }
        : result.failure;
    await this.#recordFailure(state, step, failure);
    await this.#flush(state);
    const told: Failure = {
      name: step.name,
      version: step.version,
      code: failure.code,
      message: failure.message,
      hint: failure.hint,
      position: failure.position,
      statement: failure.statement,
      sqlState: failure.sqlState,
    };
    this.#emit({ type: 'failed', target: this.#target, failure: told });
    const error = failureError(failure, { migration: step.name, target: this.#target.name });
    const report = this.#report(
      told,
      rest.filter((one) => one !== step).map((one) => one.name),
      failure.code === 'aborted' ? 'interrupted' : 'failed',
    );
    throw new MigrationError({
      code: error.code,
      message: error.message,
      hint: error.hint ?? undefined,
      migration: step.name,
      target: this.#target.name,
      position: error.position ?? undefined,
      statement: error.statement ?? undefined,
      sqlState: error.sqlState ?? undefined,
      data: error.data ?? undefined,
      cause: failure.cause,
      report,
    });
  }

  /** A line in the log, under the lock. Somebody else may hold it: the line is worth a few tries, not more. */
  async #recordFailure(state: RunState, step: PreparedStep, failure: StepFailure): Promise<void> {
    const { tables, run } = this.#options;
    const detail = `${failure.sqlState ?? failure.code}: ${failure.message}`.slice(0, 1_000);
    const create = state.snapshot.tables === 'present' ? '' : history.createTablesBody(tables);
    const body = `DECLARE r record; BEGIN IF NOT pg_catalog.pg_try_advisory_xact_lock(${lockKey(tables)}) THEN RAISE EXCEPTION USING ERRCODE = '${GUARD.lockHeld}', MESSAGE = 'migrate: the lock is held'; END IF; ${create} ${insertLog(tables, run, nextSeq(tables), 'failed', step.name, 'NULL', detail)}; END`;
    for (let attempt = 0; attempt < 10; attempt++) {
      const result = await this.#main.run(`${tag(run, step.name)}${begin()};\nSET LOCAL synchronous_commit = on;\n${doBlock(body)};\nCOMMIT`);
      if (result.kind === 'done') {
        state.durability = 'flushed';
        this.#tell();
        return;
      }
      if (result.kind === 'lost' || result.error.code !== GUARD.lockHeld) return;
      await sleep(50 * (0.5 + Math.random()));
    }
  }

  #announce(current: Plan, snapshot: history.HistorySnapshot): void {
    this.#warnings = current.problems.filter((problem) => problem.severity === 'warning');
    this.#emit({
      type: 'planned',
      target: this.#target,
      direction: this.#options.request.direction,
      found: this.#options.available.length,
      applied: snapshot.applied.map((row) => row.name),
      steps: current.steps.map((step) => step.name),
      warnings: this.#warnings,
    });
  }

  #refuse(problems: readonly Problem[], current: Plan): void {
    const errors = problems.filter((problem) => problem.severity === 'error');
    const first = errors[0];
    if (first === undefined) return;
    const code: ErrorCode = errors.every((problem) => problem.code === 'unmetRequirement') ? 'unmetRequirement' : 'planRefused';
    const rest = current.steps.map((step) => step.name);
    throw this.#error({ code, message: errors.map((problem) => problem.message).join('\n'), migration: first.name, problems: errors }, rest);
  }

  #stopped(rest: readonly string[]): MigrationError {
    return this.#error(
      {
        code: 'aborted',
        message: `stopped on request before ${rest[0] ?? 'the next migration'}; what was done is recorded`,
        hint: 'run `migrate up` again to go on',
      },
      rest,
      'interrupted',
    );
  }

  #error(
    options: { code: ErrorCode; message: string; hint?: string; migration?: string; cause?: unknown; problems?: readonly Problem[] },
    notRun: readonly string[],
    outcome: Outcome = 'notRun',
  ): MigrationError {
    const done = this.#done.some((one) => one.told);
    const report = this.#report(null, notRun, outcome === 'notRun' && done ? 'interrupted' : outcome);
    return new MigrationError({ ...options, target: this.#target.name, report });
  }

  #report(failed: Failure | null, notRun: readonly string[], outcome?: Outcome): Report {
    const durable = this.#done.filter((one) => one.told);
    const applied = durable.filter((one) => one.direction === 'up').map((one) => one.step);
    const undone = durable.filter((one) => one.direction === 'down').map((one) => one.step);
    const reached: Outcome = applied.length > 0 ? 'applied' : undone.length > 0 ? 'undone' : 'upToDate';
    return {
      target: this.#target,
      outcome: outcome ?? reached,
      applied,
      undone,
      failed,
      notRun,
      warnings: this.#warnings,
      durationMs: performance.now() - this.#started,
    };
  }

  #emit(event: MigrationEvent): void {
    this.#options.emit(event);
  }
}
