/** One run on one target: plan, guard, execute, record, again where the history has moved on, and a true report at the end. */

import { MigrationError, optionsOf, type ErrorCode, type MigrationErrorOptions } from '../errors.ts';
import { begin, tag } from '../guard.ts';
import { problemsHere } from '../problems-here.ts';
import * as history from '../history.ts';
import { plan, planAgain, type Plan, type Problem } from '../plan.ts';
import type { Failure, MigrationEvent, Outcome, Report, TargetName } from '../report.ts';
import type { Session } from '../session.ts';
import { executeBatch, firstSize, misfits, nextBatch, nextSize, unused } from './batch.ts';
import { Done } from './done.ts';
import { writeFailure } from './failure-log.ts';
import { failureError, failureOf, stoppedFailure, withNextCommand } from './failure.ts';
import { gaveUpWaiting, waitForLock } from './lock-wait.ts';
import { madeSchema } from './made-schema.ts';
import { Monitor } from './monitor.ts';
import { goOn } from './next-command.ts';
import { emptyNotices } from './planned-step.ts';
import type { Prepared, PreparedStep } from './prepare.ts';
import { lostForGood, reconnect } from './reconnect.ts';
import type { Known, RunOptions } from './run-options.ts';
import type { ReadyStep, RunState, StepResult } from './run-state.ts';
import { readOwnSettings } from './session-settings.ts';
import { terminatedStep, wasTerminated } from './terminated.ts';
import { traitsOf } from './traits.ts';

/** Small migrations share a flush; nothing waits longer than this to be reported. */
const FLUSH_EVERY_MS = 250;
const MOST_LOSSES = 5;

export class TargetRun {
  readonly #options: RunOptions;
  readonly #started = performance.now();
  readonly #monitor: Monitor;
  #main: Session;
  /** When that was open already, by `performance.now()`. */
  #mainSince = performance.now();
  #target: TargetName;
  /** The names decided on at first: a lost race never turns "--steps 1" into somebody else's next one. */
  #chosen: readonly string[] | null = null;
  readonly #done = new Done();
  #warnings: readonly Problem[] = [];
  #lastFlush = performance.now();
  #initial: history.HistorySnapshot | null;
  #known: Known | null;
  #losses = 0;
  #waitedMs = 0;

  constructor(options: RunOptions, main: Session) {
    this.#options = options;
    this.#main = main;
    main.tag = tag(options.run, 'read');
    this.#initial = options.initial;
    this.#known = options.known;
    this.#monitor = new Monitor(options.connect, options.run.id);
    this.#target = { name: options.tables.schema, database: '', schema: options.tables.schema, tenant: null };
  }

  async run(): Promise<Report> {
    const cancelling = this.#monitor.cancelLate(() => this.#main, this.#options.signal);
    try {
      for (;;) {
        const report = await this.#look();
        if (report !== null) return report;
      }
    } finally {
      cancelling.stop();
      await this.#monitor.close();
    }
  }

  /** A connection that dies while it reads is opened again, as one that dies in a migration is. */
  async #look(): Promise<Report | null> {
    try {
      return await this.#round();
    } catch (error) {
      // What was done before is told, whatever ended the run.
      await this.#flush(null);
      if (error instanceof MigrationError) throw error.report === null ? this.#error(optionsOf(error), this.#left()) : error;
      const rest = this.#left();
      if (this.#options.signal?.aborted === true) throw this.#stopped(rest);
      if (this.#main.lost !== null) {
        await this.#recover(this.#main.lost);
        return null;
      }
      const { message, code } = error as { message?: string; code?: unknown };
      if (typeof code !== 'string') throw error;
      throw this.#error({ code: 'connection', message: `${this.#target.name}: ${message ?? String(error)}`, sqlState: code, cause: error }, rest);
    }
  }

  /** The connection in use: another one than at first after a loss. */
  get main(): Session {
    return this.#main;
  }

  /** `null`: look again. */
  async #round(): Promise<Report | null> {
    const { tables, available, request, signal, lost } = this.#options;
    const known = this.#known;
    const snapshot = known?.snapshot ?? this.#initial ?? (await history.readOwnHistory(this.#main, tables, lost));
    this.#known = null;
    this.#initial = null;
    this.#target = this.#options.target(snapshot);
    const again = this.#chosen !== null;
    const planned =
      known?.plan ?? (this.#chosen === null ? plan(available, snapshot.applied, request) : planAgain(available, snapshot.applied, request, this.#chosen));
    const current = { ...planned, problems: await problemsHere(this.#main, tables, snapshot, available, planned.problems) };
    if (!again) this.#announce(current, snapshot);
    this.#refuse(current.problems, current);
    if (current.steps.length === 0) return this.#report(null, []);
    if (signal?.aborted === true) throw this.#stopped(current.steps.map((step) => step.name));
    history.refuseStandby(snapshot, this.#target.name);
    history.refuseStrangers(snapshot);
    this.#chosen ??= current.steps.map((step) => step.name);
    this.#refuse(await this.#options.outside(current, snapshot, signal), current);
    const prepared = known?.prepared.forAll === true ? known.prepared : await this.#prepare(snapshot, current, known === null ? 'ask' : 'known');
    this.#refuse(prepared.problems, current);
    for (const { name, message } of prepared.warnings) this.#emit({ type: 'warning', target: this.#target, name, message });
    if (!again) for (const { name, message } of emptyNotices(prepared.steps)) this.#emit({ type: 'notice', target: this.#target, name, message });
    if (!again && known === null) this.#options.learn?.({ snapshot, plan: current, prepared: { ...prepared, warnings: [] } });
    // Every loss of the race is an error in the server's log: look before trying.
    if (known === null && (await this.#waitForLock())) return null;
    return this.#execute(snapshot, prepared.steps);
  }

  #prepare(snapshot: history.HistorySnapshot, { steps }: Plan, grammar: 'ask' | 'known'): Promise<Prepared> {
    const { preparation, tables, tenantSchema } = this.#options;
    return preparation.prepare(this.#main, tables, snapshot, steps, tenantSchema, grammar);
  }

  async #execute(snapshot: history.HistorySnapshot, steps: readonly PreparedStep[]): Promise<Report | null> {
    const { options, state } = { options: this.#options, state: this.#state(snapshot) };
    // Of a connection that was lost nothing is known of the next.
    const memory = this.#losses > 0 ? { ownSettings: null } : options.memory;
    if (steps.some((step) => traitsOf(step.script).mayChangeRole)) state.ownSettings = memory.ownSettings ??= await readOwnSettings(this.#main);
    let left = steps;
    // A schema without a history: whatever the plan makes in it, nobody works with yet.
    const target = snapshot.applied.length === 0 && snapshot.tables !== 'present' ? unused(steps) : null;
    for (let size = options.grouping === 'all' ? left.length : firstSize(target); left.length > 0;) {
      if (options.signal?.aborted === true) {
        await this.#flush(state);
        throw this.#stopped(left.map((step) => step.name));
      }
      const batch = options.atomicity === 'whole-plan' ? [this.#atomic(left)] : nextBatch(left, size, target);
      const count = batch.flat().length;
      for (const step of left.slice(0, count)) this.#emit({ type: 'started', target: this.#target, name: step.name, direction: step.direction });
      const last = count === left.length;
      const durability = last ? options.ending : this.#flushIsDue() ? 'flush' : 'later';
      const began = performance.now();
      const { done, end } = await executeBatch(state, batch, options.atomicity, durability);
      for (const { step, durationMs } of done) this.#done.add({ name: step.name, version: step.version, durationMs }, step.direction);
      size = nextSize(count, performance.now() - began);
      if (done[0] !== undefined) this.#tellSchema(snapshot, done[0].step);
      left = left.slice(done.length);
      switch (end.kind) {
        case 'done':
          if (state.durability === 'flushed') this.#tell();
          else if (last && options.ending === 'later') this.#tell();
          else if (this.#flushIsDue()) await this.#flush(state);
          break;
        case 'impossible':
          await this.#flush(state);
          throw this.#error(
            { code: 'planRefused', message: end.message, hint: end.hint },
            left.map((step) => step.name),
          );
        case 'lockHeld':
          await this.#flush(state);
          await this.#waitForLock();
          return null;
        case 'movedOn':
          await this.#flush(state);
          return null;
        case 'lost':
          await this.#recover(end.error, left, count - done.length);
          return null;
        case 'failed':
          return this.#fail(state, end, left);
      }
    }
    return this.#report(null, []);
  }

  #flushIsDue(): boolean {
    return performance.now() - this.#lastFlush > FLUSH_EVERY_MS;
  }

  #atomic(steps: readonly PreparedStep[]): readonly PreparedStep[] {
    const unfit = misfits(steps);
    if (unfit.length > 0) {
      const message = `all in one transaction is not possible: ${unfit.map((step) => step.name).join(', ')} cannot run in a transaction. Nothing was run`;
      throw this.#error(
        { code: 'planRefused', message, hint: 'run without --atomic' },
        steps.map((step) => step.name),
      );
    }
    return steps;
  }

  #state(snapshot: history.HistorySnapshot): RunState {
    const { connect, tables, run, searchPath, tenantSchema, lockTimeoutMs, retryLimitMs, waitLimitMs, signal, storedScripts, grouping } = this.#options;
    return {
      storedScripts,
      ends: grouping === 'all' ? 'unknown' : 'noted',
      main: this.#main,
      monitor: this.#monitor,
      connect,
      tables,
      run,
      target: this.#target,
      searchPath,
      tenantSchema,
      lockTimeoutMs,
      retryLimitMs,
      waitLimitMs,
      signal,
      snapshot,
      ownSettings: null,
      emit: (event) => this.#emit(event),
      generation: snapshot.generation,
      durability: this.#done.allTold ? 'flushed' : 'pending',
    };
  }

  /** Whether somebody held it; then the history has to be looked at again. */
  async #waitForLock(): Promise<boolean> {
    const { tables, lockWaitMs, signal } = this.#options;
    const before = this.#waitedMs;
    const wait = await waitForLock(this.#main, tables, {
      limitMs: lockWaitMs - before,
      signal,
      onWaiting: (holder, waitedMs) => this.#emit({ type: 'waitingForLock', target: this.#target, holder, waitedMs: before + waitedMs }),
    });
    if (wait.kind === 'stopped') throw this.#stopped(this.#chosen ?? []);
    this.#waitedMs += wait.waitedMs;
    if (wait.kind === 'free') return wait.wasHeld;
    throw this.#error(gaveUpWaiting(tables, this.#target.name, wait.holder, this.#waitedMs), this.#chosen ?? []);
  }

  /**
   * The connection died in the middle: what is true is in the history.
   *
   * @param running The steps that were under way, or behind those; none while it only read.
   * @param sent How many of them were under way.
   */
  async #recover(cause: Error, running: readonly PreparedStep[] = [], sent = 0): Promise<void> {
    const { connect, tables, run, request, signal } = this.#options;
    const lost = `the connection to ${this.#target.name} was lost`;
    this.#losses++;
    await this.#main.close();
    const again = await reconnect(connect, tables, run.id, { signal, cancel: () => this.#monitor.cancel() });
    if (again === null) {
      const unknown = [...this.#done.untold, ...running.slice(0, sent).map((step) => step.name)];
      throw this.#error(lostForGood(lost, cause, signal), this.#left(unknown), signal?.aborted === true ? 'interrupted' : 'notRun', unknown);
    }
    const terminated = signal?.aborted !== true && (await wasTerminated(cause, again.session, this.#mainSince));
    this.#main = again.session;
    this.#mainSince = performance.now();
    this.#main.tag = tag(run, 'read');
    this.#done.correct(again.snapshot.applied, run.id, request.direction === 'down' ? (this.#chosen ?? []) : []);
    const state = this.#state(again.snapshot);
    await this.#flush(state);
    const left = running.filter((step) => !this.#done.has(step.name));
    if (terminated && left[0] !== undefined) await this.#fail(state, terminatedStep(cause, left[0], again.snapshot), left);
    if (this.#losses > MOST_LOSSES) {
      const message = `${lost} ${this.#losses} times (${cause.message})`;
      throw this.#error({ code: 'connection', message, hint: 'look at the server’s log, then run again', cause }, this.#left());
    }
    const message = `the connection was lost (${cause.message}); the history was read again, and the run goes on from there`;
    this.#emit({ type: 'notice', target: this.#target, name: null, message });
  }

  #left(unknown: readonly string[] = []): string[] {
    return (this.#chosen ?? []).filter((name) => !this.#done.has(name) && !unknown.includes(name));
  }

  /** Makes everything committed so far durable, then tells it. The transaction must write: an empty one flushes nothing. */
  async #flush(state: RunState | null): Promise<void> {
    if (this.#done.allTold || this.#main.lost !== null) return;
    const result = await this.#main.run(
      `${tag(this.#options.run, 'flush')}${begin()};\nSET LOCAL synchronous_commit = on;\nSELECT pg_catalog.pg_logical_emit_message(true, 'migrate', '');\nCOMMIT`,
    );
    if (result.kind === 'done') {
      if (state !== null) state.durability = 'flushed';
      this.#tell();
    }
  }

  #tell(): void {
    this.#lastFlush = performance.now();
    for (const { step, direction } of this.#done.tell()) {
      this.#emit({ type: direction === 'up' ? 'applied' : 'undone', target: this.#target, name: step.name, durationMs: step.durationMs });
    }
  }

  async #fail(state: RunState, result: Extract<StepResult, { kind: 'failed' }>, rest: readonly PreparedStep[]): Promise<never> {
    const step = rest.find((one) => one.name === result.name) ?? (rest[0] as PreparedStep);
    const failure =
      this.#options.signal?.aborted === true
        ? stoppedFailure(result.failure, result.extent, step)
        : withNextCommand(result.failure, step, state.monitor.gaveUp ? state.monitor : 'others');
    if (await writeFailure(state, step.name, failure)) {
      state.durability = 'flushed';
      this.#tell();
      this.#tellSchema(state.snapshot, step);
    }
    await this.#flush(state);
    const told = failureOf(step, failure);
    this.#emit({ type: 'failed', target: this.#target, failure: told });
    const report = this.#report(
      told,
      rest.filter((one) => one !== step).map((one) => one.name),
      failure.code === 'aborted' ? 'interrupted' : 'failed',
    );
    throw failureError(failure, { migration: step.name, target: this.#target.name, report });
  }

  /** A record was committed, and with it the schema that it is kept in. */
  #tellSchema({ schema }: history.HistorySnapshot, step: ReadyStep): void {
    if (schema === 'present' || this.#warnings.some((one) => one.code === 'madeSchema')) return;
    const warning = madeSchema(this.#options.tables.schema, step);
    this.#warnings = [...this.#warnings, warning];
    this.#emit({ type: 'notice', target: this.#target, name: null, message: warning.message });
  }

  #announce(current: Plan, snapshot: history.HistorySnapshot): void {
    this.#warnings = current.problems.filter((problem) => problem.severity === 'warning');
    this.#emit({
      type: 'planned',
      target: this.#target,
      direction: this.#options.request.direction,
      found: this.#options.available.length,
      // One that was begun is among the steps, or in nobody's way.
      applied: snapshot.applied.filter((row) => row.state === 'applied').map((row) => row.name),
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
        hint: goOn(this.#options.request.direction, rest),
      },
      rest,
      'interrupted',
    );
  }

  #error(
    options: Omit<MigrationErrorOptions, 'target' | 'report'>,
    notRun: readonly string[],
    outcome: Outcome = 'notRun',
    unknown: readonly string[] = [],
  ): MigrationError {
    const done = this.#done.told('up').length + this.#done.told('down').length > 0;
    const report = this.#report(null, notRun, outcome === 'notRun' && done ? 'interrupted' : outcome, unknown);
    return new MigrationError({ ...options, target: this.#target.name, report });
  }

  #report(failed: Failure | null, notRun: readonly string[], outcome?: Outcome, unknown: readonly string[] = []): Report {
    const applied = this.#done.told('up');
    const undone = this.#done.told('down');
    const reached: Outcome = applied.length > 0 ? 'applied' : undone.length > 0 ? 'undone' : 'upToDate';
    return {
      target: this.#target,
      outcome: outcome ?? reached,
      applied,
      undone,
      failed,
      notRun,
      unknown,
      warnings: this.#warnings,
      durationMs: performance.now() - this.#started,
    };
  }

  #emit(event: MigrationEvent): void {
    this.#options.emit(event);
  }
}
