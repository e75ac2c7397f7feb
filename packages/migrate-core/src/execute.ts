/** Runs transactional steps: guard, statements and record in one transaction, which is one message unless a step is live. */

import { setTimeout as sleep } from 'node:timers/promises';

import { describeFailure, isRetryable, needsNoTransaction, type StepFailure } from './failure.ts';
import { addGuard, begin, guardAnswer, tag, transactionSettings } from './guard.ts';
import type { HistorySnapshot } from './history.ts';
import { Message } from './message.ts';
import type { LiveDatabase, LiveScript, Script } from './migration.ts';
import { insertScripts, recordApplied, recordUndone } from './record.ts';
import type { ReadyStep, RunState, StepResult } from './run-state.ts';
import type { Kept, MessageResult, ServerError } from './session.ts';
import { compileSql } from './source/script.ts';
import { literal } from './sql.ts';

/** Statement `index` of a step cannot be in a transaction: found out by the server, everything was rolled back. */
export type TransactionResult = StepResult | { readonly kind: 'needsNoTransaction'; readonly step: ReadyStep; readonly index: number };

/** Steps that share a transaction: one, or with `--atomic` all of them. */
export type Transaction = readonly ReadyStep[];

export interface TransactionsResult {
  /** What was committed, from the first one on, with the milliseconds that the server took; `null` where it did not say. */
  readonly committed: readonly { readonly step: ReadyStep; readonly durationMs: number | null }[];
  /** What became of the first transaction that was not; `done` when there is none. */
  readonly end: TransactionResult;
}

/** One attempt, without the retries. */
interface Attempt {
  readonly committed: TransactionsResult['committed'];
  /** How many transactions that is. */
  readonly count: number;
  readonly end: TransactionResult | { readonly kind: 'retry'; readonly error: ServerError; readonly name: string; readonly failure: StepFailure };
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
const DONE: StepResult = { kind: 'done' };

/**
 * Transactions in one message, each with its own BEGIN, guard, record and COMMIT: when the third fails, the first two stand. What fails is
 * tried again as a whole where that can help, and the rest behind it. A live step has to be in the only transaction.
 *
 * @param durability Of the last one; a later flush makes all earlier commits durable with it.
 */
export async function executeTransactions(state: RunState, transactions: readonly Transaction[], durability: 'flush' | 'later'): Promise<TransactionsResult> {
  const until = performance.now() + state.retryLimitMs;
  const committed: { step: ReadyStep; durationMs: number | null }[] = [];
  let left = transactions;
  for (let attempt = 1; ; attempt++) {
    const result = await attemptTransactions(state, left, durability);
    committed.push(...result.committed);
    left = left.slice(result.count);
    // Others may be stuck where these went through: each one that is tried again has its own patience.
    if (result.count > 0) attempt = 1;
    const { end } = result;
    if (end.kind !== 'retry') return { committed, end };
    const failed: StepResult = { kind: 'failed', name: end.name, failure: end.failure, extent: 'nothing' };
    if (performance.now() > until || state.signal?.aborted === true) return { committed, end: failed };
    const delayMs = Math.round(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt - 1)) * (0.5 + Math.random()));
    state.emit({ type: 'retrying', target: state.target, name: end.name, sqlState: end.error.code ?? '', attempt, delayMs });
    try {
      await sleep(delayMs, undefined, { signal: state.signal });
    } catch {
      return { committed, end: failed };
    }
  }
}

async function attemptTransactions(state: RunState, transactions: readonly Transaction[], durability: 'flush' | 'later'): Promise<Attempt> {
  const parts = messages(state, transactions, durability);
  for (const [position, part] of parts.entries()) {
    const last = position === parts.length - 1;
    if (part.kind === 'live') {
      const failure = await runLive(state, part.step, part.script);
      if (failure === null) continue;
      await state.main.run('ROLLBACK');
      if (state.main.lost !== null) return nothing({ kind: 'lost', error: state.main.lost });
      return nothing(classify(state, part.step, failure.error, failure.message, failure.completed));
    }
    const [first] = part.owners;
    const send = (): Promise<MessageResult> => (last ? state.main.run(part.message.text, part.durations) : state.main.runInside(part.message.text));
    const result = await attend(state, first?.step.name ?? '', send);
    if (result.kind === 'lost') return nothing({ kind: 'lost', error: result.error });
    if (result.kind === 'failed') {
      if (!last) await state.main.run('ROLLBACK');
      const owner = part.owners[result.completed];
      const count = owner?.transaction ?? 0;
      note(state, transactions.slice(0, count), 'later');
      return {
        committed: committedOf(part, result.kept, count),
        count,
        end: classify(state, owner?.step ?? (first?.step as ReadyStep), result.error, part.message, result.completed),
      };
    }
    if (!last) continue;
    if (state.main.transactionStatus !== 'I') {
      // Unparsed SQL can have opened a transaction behind our COMMIT.
      await state.main.run('ROLLBACK');
    }
    const unflushed = result.notices.find((notice) => notice.code === '01000' && /synchronous replication/.test(notice.message));
    if (unflushed !== undefined) {
      state.emit({ type: 'notice', target: state.target, name: null, message: `committed here, but: ${unflushed.message}` });
    }
    note(state, transactions, durability);
    return { committed: committedOf(part, result.kept, transactions.length), count: transactions.length, end: DONE };
  }
  return nothing(DONE);
}

function nothing(end: Attempt['end']): Attempt {
  return { committed: [], count: 0, end };
}

/** What later guards have to expect. */
function note(state: RunState, committed: readonly Transaction[], durability: 'flush' | 'later'): void {
  if (committed.length === 0) return;
  state.generation += committed.flat().length;
  state.durability = durability === 'flush' ? 'flushed' : 'pending';
  if (state.snapshot.tables !== 'present') state.snapshot = { ...state.snapshot, tables: 'present' };
}

function committedOf(part: Extract<Part, { kind: 'message' }>, kept: Kept, count: number): TransactionsResult['committed'] {
  const durations = new Map<ReadyStep, number>();
  for (const [place, value] of kept) {
    const owner = part.owners[place];
    if (owner !== undefined) durations.set(owner.step, Number(value));
  }
  return part.transactions
    .slice(0, count)
    .flat()
    .map((step) => ({ step, durationMs: durations.get(step) ?? null }));
}

type Part =
  | {
      readonly kind: 'message';
      readonly message: Message;
      readonly transactions: readonly Transaction[];
      /** Whose each piece is. */
      readonly owners: readonly { readonly transaction: number; readonly step: ReadyStep }[];
      /** Places of the statements that answer how long a step took. */
      readonly durations: ReadonlySet<number>;
    }
  | { readonly kind: 'live'; readonly step: ReadyStep; readonly script: LiveScript };

/** One message, cut only where a live migration has to talk to the server in between. */
function messages(state: RunState, transactions: readonly Transaction[], durability: 'flush' | 'later'): Part[] {
  const parts: Part[] = [];
  let message = new Message();
  let owners: { transaction: number; step: ReadyStep }[] = [];
  let durations = new Set<number>();
  let seq = state.generation;
  const scripts = insertScripts(
    state.tables,
    transactions.flat().flatMap((step) => (step.direction === 'up' && step.record.script !== null ? [step.record.script] : [])),
  );
  const own = (transaction: number, step: ReadyStep): void => {
    while (owners.length < message.pieces.length) owners.push({ transaction, step });
  };
  const endPart = (): void => {
    parts.push({ kind: 'message', message, transactions, owners, durations });
    message = new Message();
    owners = [];
    durations = new Set();
  };
  for (const [transaction, steps] of transactions.entries()) {
    for (const [index, step] of steps.entries()) {
      if (index === 0) {
        const last = transaction === transactions.length - 1;
        addBeginning(message, state, step, seq, transaction === 0 ? state.snapshot : { ...state.snapshot, tables: 'present' }, last ? durability : 'later');
      } else {
        addStepSettings(message, step, state.lockTimeoutMs);
      }
      own(transaction, step);
      if (step.script.kind === 'live') {
        endPart();
        parts.push({ kind: 'live', step, script: step.script });
        message.add('settings', `${tag(state.run, step.name)}SELECT 1`);
      } else {
        addStatements(message, step.script, step.lockTimeoutMs ?? state.lockTimeoutMs);
      }
      if (mayChangeRole(step.script)) message.add('settings', `SELECT pg_catalog.set_config('role', ${literal(state.snapshot.role)}, true)`);
      seq++;
      if (transaction === 0 && index === 0 && scripts !== null) message.add('record', scripts);
      for (const record of step.direction === 'up'
        ? recordApplied(state.tables, state.run, step.record, seq)
        : [recordUndone(state.tables, state.run, step.name, seq)]) {
        message.add('record', record);
      }
      if (step.direction === 'up') durations.add(message.pieces.length - 1);
      own(transaction, step);
    }
    message.add('commit', 'COMMIT');
    own(transaction, steps.at(-1) as ReadyStep);
  }
  endPart();
  return parts;
}

function addBeginning(message: Message, state: RunState, step: ReadyStep, generation: number, snapshot: HistorySnapshot, durability: 'flush' | 'later'): void {
  const settings = transactionSettings(snapshot, {
    lockTimeoutMs: step.lockTimeoutMs ?? state.lockTimeoutMs,
    statementTimeoutMs: step.statementTimeoutMs,
    searchPath: state.searchPath,
    durability,
  });
  message.add('begin', `${tag(state.run, step.name)}${begin()}`);
  addGuard(message, { tables: state.tables, snapshot, generation, lock: 'take' }, settings);
}

/** In a shared transaction each step gets its own limits, and not those of the one before. */
function addStepSettings(message: Message, step: ReadyStep, lockTimeoutMs: number): void {
  message.add('settings', `SET LOCAL lock_timeout = '${step.lockTimeoutMs ?? lockTimeoutMs}ms'`);
  message.add('settings', `SET LOCAL statement_timeout ${step.statementTimeoutMs === null ? 'TO DEFAULT' : `= '${step.statementTimeoutMs}ms'`}`);
}

/**
 * A lock once taken is kept until COMMIT, so `lock_timeout` per statement would add up: whoever queues behind the first
 * strong lock would wait for all of them. Later statements get what is left of the first one's time, at least 100 ms.
 */
export function addStatements(message: Message, script: Script, lockTimeoutMs: number, from = 0, to: number = script.statements.length): void {
  const last = script.statements.findLastIndex((statement) => statement.strongLock);
  const own = lockTimeoutMs === 0 || script.statements.some((statement) => /lock_timeout/i.test(statement.text) && /Set|Unparsed|Select/.test(statement.kind));
  let locked = false;
  for (let index = from; index < to; index++) {
    const statement = script.statements[index];
    if (statement === undefined) continue;
    if (statement.strongLock && locked && !own) {
      message.add(
        'settings',
        `SELECT pg_catalog.set_config('lock_timeout', GREATEST(100, ${lockTimeoutMs} - EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.current_setting('migrate.locked_at')::timestamptz) * 1000)::int::text || 'ms', true)`,
      );
    }
    message.add('statement', statement.text, { script, index });
    if (statement.strongLock && !locked && index < last && !own) {
      locked = true;
      message.add('settings', `SELECT pg_catalog.set_config('migrate.locked_at', pg_catalog.clock_timestamp()::text, true)`);
    }
  }
}

const ROLE_CHANGERS = new Set(['VariableSetStmt', 'DoStmt', 'CallStmt', 'SelectStmt', 'Unparsed']);

export function mayChangeRole(script: Script | LiveScript): boolean {
  return script.kind === 'live' || script.statements.some((statement) => ROLE_CHANGERS.has(statement.kind));
}

function classify(state: RunState, step: ReadyStep, error: ServerError, message: Message | null, completed: number): Attempt['end'] {
  const piece = message?.pieceAfter(completed) ?? null;
  const answer = guardAnswer(error, piece);
  if (answer !== null) return { kind: answer };
  if (needsNoTransaction(error) && piece?.origin != null) return { kind: 'needsNoTransaction', step, index: piece.origin.index };
  const failure = describeFailure(error, message ?? new Message(), piece, state.monitor.blockers);
  if (isRetryable(error)) return { kind: 'retry', error, name: step.name, failure };
  return { kind: 'failed', name: step.name, failure, extent: 'nothing' };
}

/** Sends a message under the monitor's eyes. */
export function attend(state: RunState, name: string, send: () => Promise<MessageResult>, blockedLimitMs: number | null = null): Promise<MessageResult> {
  return state.monitor.attend(
    state.main,
    send,
    { onBlocked: (blockers) => state.emit({ type: 'blocked', target: state.target, name, blockers }), blockedLimitMs },
    state.signal,
  );
}

interface LiveFailure {
  readonly error: ServerError;
  readonly message: Message | null;
  readonly completed: number;
}

/** A module that asks the database what to do: its queries run in the open transaction, then the SQL it collected. */
async function runLive(state: RunState, step: ReadyStep, live: LiveScript): Promise<LiveFailure | null> {
  let script: Script;
  try {
    script = await compileSql(await live.build(liveDatabase(state, step.name)), { transaction: live.transaction, origin: null });
  } catch (error) {
    return { error: error as ServerError, message: null, completed: 0 };
  }
  const message = new Message().add('settings', `${tag(state.run, step.name)}SELECT 1`);
  addStatements(message, script, step.lockTimeoutMs ?? state.lockTimeoutMs);
  const result = await attend(state, step.name, () => state.main.runInside(message.text));
  if (result.kind === 'done') return null;
  return { error: result.error as ServerError, message, completed: result.completed };
}

/** The connection as a live migration sees it: its statements carry the run's tag like all others. */
export function liveDatabase(state: RunState, name: string): LiveDatabase {
  const prefix = tag(state.run, name);
  return {
    query: (text, values) => {
      const config: Record<string, unknown> = typeof text === 'string' ? { text } : { ...text };
      return state.main.query({ ...config, text: `${prefix}${String(config['text'])}`, values: values ?? config['values'] }) as ReturnType<
        LiveDatabase['query']
      >;
    },
  };
}
