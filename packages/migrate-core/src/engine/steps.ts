/**
 * Runs a migration that takes several transactions: statements that PostgreSQL refuses in a transaction block run alone,
 * their neighbours in transactions that record their own progress. A second connection holds the lock meanwhile.
 */

import { begin, GUARD, tag, transactionSettings } from '../guard.ts';
import type { Progress } from '../history.ts';
import type { LiveScript, Script, Statement } from '../migration.ts';
import { positionIn } from '../position.ts';
import * as records from '../record.ts';
import type { ServerError, Session } from '../session.ts';
import { compileSql } from '../source/script.ts';
import { doBlock, literal } from '../sql.ts';
import { writeAgenda } from './agenda.ts';
import { attend, liveDatabase } from './execute.ts';
import { describeFailure, isRetryable, needsNoTransaction, type StepFailure } from './failure.ts';
import { withGuardian } from './guardian.ts';
import { cleanUp, clearWay, isValid, judge, locksStrongly, lookBefore, type Before, type Sweep } from './leftover.ts';
import { Message } from './message.ts';
import { withSchemas } from './names.ts';
import { waitForOrphan } from './orphan.ts';
import { prefixOf, readProgress, whyNotResumed } from './progress.ts';
import type { ReadyStep, RunState, StepResult } from './run-state.ts';
import { Patience } from './retry.ts';
import { sessionSettings, type SessionSettings, type Swap } from './session-settings.ts';
import { failed, ownFailure, Stop } from './stop.ts';
import { sweepOf } from './sweep.ts';
import { traitsOf } from './traits.ts';
import { addEnd, addStatements, withOneAlone } from './transaction-message.ts';
import { inQuotes } from '../shell.ts';

const NOTHING: Script = { kind: 'sql', sql: '', statements: [], isolation: 'read committed', origin: null, transaction: 'none' };

export async function executeSteps(state: RunState, step: ReadyStep, script: Script | LiveScript): Promise<StepResult> {
  return withGuardian(state, step, (guardian) => new Steps(state, step, script, guardian).run());
}

class Steps {
  readonly #state: RunState;
  readonly #step: ReadyStep;
  readonly #live: LiveScript | null;
  /** Of a live migration: what it collected, once it has run. */
  #script: Script;
  readonly #guardian: Session;
  #done = 0;
  /** What the catalogue said before the statement whose end is unknown. */
  #before: Before | null = null;
  readonly #sweep: Sweep;
  #uncleaned = false;
  #finished = false;

  constructor(state: RunState, step: ReadyStep, script: Script | LiveScript, guardian: Session) {
    this.#state = state;
    this.#step = step;
    this.#live = script.kind === 'live' ? script : null;
    this.#script = script.kind === 'live' ? NOTHING : script;
    this.#guardian = guardian;
    this.#sweep = sweepOf(state, step.name);
  }

  async run(): Promise<StepResult> {
    try {
      await this.#begin();
      if (this.#live !== null) await this.#build(this.#live);
      await this.#settleUnknown();
      while (this.#done < this.#script.statements.length) {
        const statement = this.#script.statements[this.#done] as Statement;
        this.#checkGuardian();
        if (this.#state.signal?.aborted === true) throw this.#stopped('stopped before its next statement');
        if (statement.transaction === 'forbidden') await this.#single(statement);
        else await this.#transaction(this.#segmentEnd());
      }
      if (!this.#finished) await this.#finish();
      this.#state.durability = 'flushed';
      return { kind: 'done' };
    } catch (error) {
      if (error instanceof Stop) return error.result;
      throw error;
    }
  }

  async #begin(): Promise<void> {
    const { row, direction, record, name } = this.#step;
    const { tables, run } = this.#state;
    const seq = this.#state.generation + 1;
    if (this.#step.mode === 'whole') {
      await this.#write(direction === 'up' ? records.recordStarted(tables, run, record, seq) : records.recordUndoing(tables, run, name, seq));
    } else {
      if (row !== null) await this.#waitForOrphan(row.runId);
      await this.#write(records.recordTakenOver(tables, run, name, seq, direction === 'up' ? record : null));
      // What the earlier run still committed while it was being taken over is in the row, not in what was read before.
      const progress = await readProgress(this.#state.main, this.#state.tables, name);
      const changed = whyNotResumed(name, this.#script, progress);
      if (changed !== null) throw this.#stopped(changed);
      this.#done = progress?.done ?? 0;
      this.#before = (progress?.before ?? null) as Before | null;
      this.#notice(`goes on where it was interrupted, at statement ${this.#done + 1} of ${this.#script.statements.length}`);
    }
    this.#state.generation = seq;
  }

  /** Its own queries commit one by one, and only it knows what they were. */
  async #build(live: LiveScript): Promise<void> {
    const { name, mode } = this.#step;
    if (mode === 'resume') {
      throw this.#stopped(
        `it was interrupted, and it asks the database itself what to do: how far it came cannot be told. Look at the schema, then type: migrate repair --mark-applied ${inQuotes(name)} (or --mark-undone ${inQuotes(name)})`,
      );
    }
    try {
      this.#script = await compileSql(
        await this.#state.monitor.during(this.#state.main, () => live.build(liveDatabase(this.#state, name, 'alone')), this.#state.signal),
        {
          transaction: 'none',
          origin: null,
        },
      );
    } catch (error) {
      throw new Stop(failed(this.#step, describeFailure(error as ServerError, new Message(), null, this.#state.monitor.blockers), 'partly'));
    }
  }

  async #waitForOrphan(runId: string): Promise<void> {
    const left = await waitForOrphan(this.#state, runId, (process) =>
      this.#notice(`waits for a statement of the interrupted run, which is still running (pid ${process.pid}): ${process.query}`),
    );
    if (left === null) return;
    throw this.#stopped(`a statement of the interrupted run is still running (pid ${left.pid}); end it with: SELECT pg_cancel_backend(${left.pid})`);
  }

  /** The statement that was under way when the earlier run died. */
  async #settleUnknown(): Promise<void> {
    const before = this.#before;
    const statement = this.#script.statements[this.#done];
    if (before === null || statement?.leftover == null) return;
    const { path } = await this.#sessionSettings(statement);
    const leftover = (await withSchemas(this.#state, statement)).leftover ?? statement.leftover;
    await this.#apply(path.set);
    for (const what of await cleanUp(this.#state.main, leftover, before, this.#sweep)) this.#notice(what);
    const verdict = await judge(this.#state.main, leftover, before);
    await this.#apply(path.reset);
    if (verdict.kind === 'undecidable') {
      throw this.#stopped(
        `it was interrupted in statement ${this.#done + 1} (${statement.summary}), and ${verdict.reason}. Look at the schema, then type: migrate repair --mark-applied ${inQuotes(this.#step.name)} or --mark-undone ${inQuotes(this.#step.name)}`,
      );
    }
    if (verdict.kind === 'done') {
      this.#notice(`${statement.summary} had been done before the interruption`);
      this.#done++;
    }
    this.#before = null;
  }

  /** Consecutive transactional statements share a transaction, up to where the file's own pairs begin and end; under `transaction=none` only inside of those. */
  #segmentEnd(): number {
    const { statements, transaction } = this.#script;
    const group = statements[this.#done]?.group;
    if (transaction === 'none' && group === undefined) return this.#done + 1;
    const next = statements.findIndex((statement, index) => index > this.#done && (statement.transaction === 'forbidden' || statement.group !== group));
    return next === -1 ? statements.length : next;
  }

  async #transaction(end: number): Promise<void> {
    const last = end === this.#script.statements.length;
    const seq = this.#state.generation + 1;
    const patience = new Patience(this.#state.retryLimitMs);
    for (let attempt = 1; ; attempt++) {
      const message = this.#message(end, patience.lockTimeoutMs(this.#wantedLockTimeoutMs));
      const result = await attend(this.#state, [this.#step], () => this.#state.main.run(message.text), patience);
      if (result.kind === 'lost') throw new Stop({ kind: 'lost', error: result.error });
      if (result.kind === 'done') break;
      const piece = message.pieceAfter(result.completed);
      if (needsNoTransaction(result.error) && piece?.origin != null) {
        this.#script = withOneAlone(this.#state, this.#step.name, this.#script, piece.origin.index);
        return;
      }
      const failure = describeFailure(result.error, message, piece, this.#state.monitor.blockers);
      if (!isRetryable(result.error) || patience.isOver || this.#state.signal?.aborted === true) await this.#fail(failure);
      await patience.pause(this.#state, this.#step.name, result.error, attempt, Math.min(5_000, 100 * 2 ** attempt));
    }
    this.#done = end;
    if (last) {
      this.#finished = true;
      this.#state.generation = seq;
    }
  }

  /** Its statements up to there, in a transaction that records them. */
  #message(end: number, lockTimeoutMs: number): Message {
    const { tables, run, snapshot, searchPath } = this.#state;
    const settings = transactionSettings(snapshot, { lockTimeoutMs, statementTimeoutMs: this.#step.statementTimeoutMs, searchPath, durability: 'flush' });
    const set = Object.entries(settings).map(([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, true)`);
    const script = { ...this.#script, statements: this.#script.statements.slice(this.#done, end) };
    const agenda = writeAgenda(this.#state.generation + 1, [[{ name: this.#step.name, script }]]);
    const message = new Message()
      .add('begin', `${tag(run, this.#step.name)}${agenda}${begin(this.#script.isolation)}`)
      .add('settings', doBlock(`BEGIN PERFORM ${set.join(', ')}; END`));
    // What the file set for itself ended with the COMMIT before.
    for (const setting of this.#script.statements[this.#done]?.settings ?? []) message.add('settings', setting.local);
    addStatements(message, this.#script, lockTimeoutMs, this.#done, end);
    if (traitsOf(this.#script).mayChangeRole) message.add('settings', `SELECT pg_catalog.set_config('role', ${literal(snapshot.role)}, true)`);
    const seq = this.#state.generation + 1;
    const last = end === this.#script.statements.length;
    message.add('record', last ? this.#ending(seq) : records.recordProgress(tables, run, this.#step.name, this.#progress(end, null)));
    addEnd(message, this.#state, [{ script: this.#script }], 'flush');
    return message;
  }

  /** One statement by itself, with everything done for it under the search path that it has. */
  async #single(statement: Statement): Promise<void> {
    const settings = await this.#sessionSettings(statement);
    await this.#apply(settings.path.set);
    try {
      await this.#alone(await withSchemas(this.#state, statement), settings.rest);
    } finally {
      if (this.#state.main.lost === null) for (const sql of settings.path.reset) await this.#state.main.run(sql);
    }
  }

  async #alone(statement: Statement, settings: Swap): Promise<void> {
    const { main, target, waitLimitMs } = this.#state;
    const leftover = statement.leftover ?? { kind: 'undecidable' as const };
    const index = this.#done;
    await this.#clearWay(leftover);
    const before = await lookBefore(main, leftover);
    await this.#write(records.recordProgress(this.#state.tables, this.#state.run, this.#step.name, this.#progress(index, before)));
    this.#state.emit({ type: 'statement', target, name: this.#step.name, index, count: this.#script.statements.length, summary: statement.summary });

    const message = new Message().add('statement', `${tag(this.#state.run, this.#step.name)}${statement.text}`, { script: this.#script, index });
    const patience = new Patience(this.#state.retryLimitMs);
    for (let attempt = 1; ; attempt++) {
      await this.#apply(settings.set);
      // Where the session can have settings, and the file none of its own.
      if (settings.set.length > 0 && locksStrongly(leftover) && !(statement.settings ?? []).some(({ name }) => name === 'lock_timeout'))
        await this.#apply([`SET lock_timeout = '${patience.lockTimeoutMs(this.#wantedLockTimeoutMs)}ms'`]);
      // One statement and nothing behind it: with company, even an empty one, the server would open a transaction block.
      const result = await attend(this.#state, [this.#step], () => main.run(message.pieces[0]?.sql ?? ''), patience, waitLimitMs);
      if (result.kind === 'lost') throw new Stop({ kind: 'lost', error: result.error });
      await this.#apply(settings.reset);
      if (result.kind === 'done') break;
      const failure = this.#describeSingle(result.error, statement);
      for (const what of await this.#tryCleanUp(leftover, before)) this.#notice(`after the failure, ${what}`);
      const gaveUp = result.error.code === '55P03' && !locksStrongly(leftover);
      if (!isRetryable(result.error) || gaveUp || patience.isOver || this.#state.signal?.aborted === true) await this.#fail(failure);
      await patience.pause(this.#state, this.#step.name, result.error, attempt, 500 * attempt);
    }
    if (!(await isValid(main, leftover))) {
      await this.#failAt(
        statement,
        `${statement.summary} ended, but the index is not valid`,
        'somebody else may be building it: look with `migrate status`, then run again',
      );
    }
    this.#done = index + 1;
    if (this.#done < this.#script.statements.length) {
      await this.#write(records.recordProgress(this.#state.tables, this.#state.run, this.#step.name, this.#progress(this.#done, null)));
    }
  }

  async #clearWay(leftover: NonNullable<Statement['leftover']>): Promise<void> {
    try {
      for (const what of await clearWay(this.#state.main, leftover, this.#sweep)) this.#notice(`${what}, which somebody's failed build had left`);
    } catch (error) {
      if (this.#state.main.lost !== null) throw new Stop({ kind: 'lost', error: this.#state.main.lost });
      const failure = describeFailure(error as ServerError, new Message(), null, this.#state.monitor.blockers);
      await this.#fail({ ...failure, message: `an INVALID index is in the way and cannot be dropped: ${failure.message}` });
    }
  }

  #describeSingle(error: ServerError, statement: Statement): StepFailure {
    const prefix = tag(this.#state.run, this.#step.name).length;
    const script = { ...this.#script, statements: this.#script.statements.with(this.#done, statement) };
    const message = new Message().add('statement', statement.text, { script, index: this.#done });
    const position = error.position === undefined ? undefined : String(Number(error.position) - prefix);
    return describeFailure(Object.assign(Object.create(error) as ServerError, { position }), message, message.pieceAfter(0), this.#state.monitor.blockers);
  }

  async #sessionSettings(statement: Statement): Promise<SessionSettings> {
    const { searchPath, main, target } = this.#state;
    const needsPath = statement.alone === undefined || (statement.alone.needs === 'path' && (await main.isDirect()));
    const settings = await sessionSettings(
      main,
      {
        searchPath: needsPath ? searchPath : null,
        statementTimeoutMs: this.#step.statementTimeoutMs,
        // None for CONCURRENTLY, where it also hits the wait for old snapshots, whatever the role has; what locks the table as long as it works needs one.
        lockTimeoutMs: statement.leftover !== null && locksStrongly(statement.leftover) ? this.#wantedLockTimeoutMs : 0,
      },
      statement.settings ?? [],
    );
    if (settings.refused !== null) {
      const why = `${statement.summary} runs outside a transaction and needs the setting ${settings.refused}, which cannot be made safely for one statement behind a connection pooler`;
      await this.#failAt(statement, why, 'write its names with their schema, or connect to PostgreSQL directly');
    }
    if (settings.leftOut.length > 0)
      this.#notice(`behind the pooler of ${target.name}, ${statement.summary} runs without the file's ${settings.leftOut.join(', ')}`);
    return settings;
  }

  /** What is wrong with a statement although the server did not refuse it. */
  #failAt(statement: Statement, message: string, hint: string): Promise<never> {
    const position = positionIn(this.#script, statement.start);
    return this.#fail(ownFailure('migrationFailed', message, { hint, position, statement: statement.written ?? statement.text }));
  }

  async #apply(statements: readonly string[]): Promise<void> {
    for (const sql of statements) {
      const result = await this.#state.main.run(sql);
      if (result.kind === 'lost') throw new Stop({ kind: 'lost', error: result.error });
      if (result.kind === 'failed') await this.#fail(describeFailure(result.error, new Message(), null, []));
    }
  }

  async #finish(): Promise<void> {
    const seq = this.#state.generation + 1;
    await this.#write(this.#ending(seq));
    this.#state.generation = seq;
    this.#finished = true;
  }

  #ending(seq: number): string {
    const { tables, run } = this.#state;
    return this.#step.direction === 'up'
      ? records.recordFinished(tables, run, this.#step.name, seq)
      : records.recordUndone(tables, run, this.#step.name, seq, 'started');
  }

  get #wantedLockTimeoutMs(): number {
    return this.#step.lockTimeoutMs ?? this.#state.lockTimeoutMs;
  }

  #progress(done: number, before: Before | null): Progress {
    return { done, prefix: prefixOf(this.#script, done), before };
  }

  /** One record in a transaction of its own, durable at once: what follows cannot be rolled back. */
  async #write(sql: string): Promise<void> {
    const durable = this.#state.snapshot.synchronousCommit === 'off' ? `SET LOCAL synchronous_commit = on;\n` : '';
    const result = await this.#state.main.run(`${tag(this.#state.run, this.#step.name)}${begin()};\n${durable}${sql}\n;\nCOMMIT`);
    if (result.kind === 'lost') throw new Stop({ kind: 'lost', error: result.error });
    if (result.kind === 'failed') {
      if (result.error.code === GUARD.rowGone) throw new Stop({ kind: 'movedOn' });
      throw new Stop(
        failed(
          this.#step,
          { ...describeFailure(result.error, new Message(), null, []), message: `${result.error.message} while writing the history` },
          this.#done > 0 ? 'partly' : 'nothing',
        ),
      );
    }
  }

  async #tryCleanUp(leftover: NonNullable<Statement['leftover']>, before: Before): Promise<string[]> {
    try {
      return await cleanUp(this.#state.main, leftover, before, this.#sweep);
    } catch (error) {
      this.#uncleaned = true;
      this.#notice(`what the failed statement left could not be taken away yet (${(error as Error).message}); the next run will do it`);
      return [];
    }
  }

  /** Nothing done: as if it had never begun. Something done: the history keeps how far, and the next run goes on there. */
  async #fail(failure: StepFailure): Promise<never> {
    // What could not be cleaned up keeps the catalogue's earlier state in the row, by which the next run judges it.
    if (this.#uncleaned) throw new Stop(failed(this.#step, failure, 'partly'));
    const { tables, run } = this.#state;
    // A setting alone changes nothing that lasts.
    if (this.#script.statements.slice(0, this.#done).every((one) => one.kind === 'VariableSetStmt')) {
      await this.#write(records.recordGivenUp(tables, run, this.#step.name, this.#step.direction));
      throw new Stop(failed(this.#step, failure, 'nothing'));
    }
    await this.#write(records.recordProgress(tables, run, this.#step.name, this.#progress(this.#done, null)));
    const all = this.#script.statements.length;
    this.#notice(
      `${this.#done} of its ${all} statements ${this.#done === 1 ? 'is' : 'are'} done and committed; the next run goes on with statement ${this.#done + 1}`,
    );
    throw new Stop(failed(this.#step, failure, 'partly'));
  }

  /** The lock's connection died: somebody else may be at work already. */
  #checkGuardian(): void {
    const lost = this.#guardian.lost;
    if (lost === null) return;
    throw this.#stopped(`the connection that held its lock was lost (${lost.message})`);
  }

  #stopped(message: string): Stop {
    const failure = ownFailure(this.#state.signal?.aborted === true ? 'aborted' : 'migrationFailed', message);
    return new Stop(failed(this.#step, failure, 'partly'));
  }

  #notice(message: string): void {
    this.#state.emit({ type: 'notice', target: this.#state.target, name: this.#step.name, message });
  }
}
