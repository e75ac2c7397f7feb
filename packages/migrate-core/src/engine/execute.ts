/** Runs transactional steps: guard, statements and record in one transaction, which is one message unless a step is live. */

import { describeFailure, isRetryable, needsNoTransaction, wasCreatedMeanwhile, type StepFailure } from './failure.ts';
import type { Wait } from '../activity.ts';
import { guardAnswer, tag } from '../guard.ts';
import { readHistory } from '../history.ts';
import { writeAgenda } from './agenda.ts';
import { Message } from './message.ts';
import type { LiveDatabase, LiveScript, Script } from '../migration.ts';
import { FIRST_LOOK_MS } from './monitor.ts';
import { Patience } from './retry.ts';
import type { ReadyStep, RunState, StepResult } from './run-state.ts';
import type { Kept, MessageResult, ServerError, Session } from '../session.ts';
import { compileSql } from '../source/script.ts';
import { addStatements, messages, type MessageOptions, type Part, type Transaction } from './transaction-message.ts';

/** Statement `index` of a step cannot be in a transaction: found out by the server, everything was rolled back. */
export type TransactionResult = StepResult | { readonly kind: 'needsNoTransaction'; readonly step: ReadyStep; readonly index: number };

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
/** In a transaction that several migrations share, each lock is held until the last of them is done: no patience there. */
const SHARED_LOCK_MS = 200;
const DONE: StepResult = { kind: 'done' };

/**
 * Transactions in one message, each with its own BEGIN, guard, record and COMMIT: when the third fails, the first two stand. What fails is
 * tried again as a whole where that can help, and the rest behind it. A live step has to be in the only transaction.
 *
 * @param atomicity `per-migration`: steps that share a transaction do so only as long as that goes well. When anything is in the way nothing of it
 * was done, and one by one they have the outcome and the report that they would have had.
 * @param durability Of the last one; a later flush makes all earlier commits durable with it.
 */
export async function executeTransactions(
  state: RunState,
  transactions: readonly Transaction[],
  atomicity: 'per-migration' | 'whole-plan',
  durability: 'flush' | 'later',
): Promise<TransactionsResult> {
  const patience = new Patience(state.retryLimitMs);
  const committed: { step: ReadyStep; durationMs: number | null }[] = [];
  let left = transactions;
  for (let tries = 1; ; tries++) {
    const result = await attempt(state, left, { durability, patience, sharedLockLimitMs: atomicity === 'whole-plan' ? null : SHARED_LOCK_MS });
    committed.push(...result.committed);
    left = left.slice(result.count);
    // Others may be stuck where these went through: each one that is tried again has its own patience.
    if (result.count > 0) tries = 1;
    const { end } = result;
    if (end.kind === 'done' || end.kind === 'lockHeld' || end.kind === 'movedOn' || end.kind === 'lost') return { committed, end };
    const aborted = state.signal?.aborted === true;
    const [first = [], ...rest] = left;
    if (atomicity === 'per-migration' && first.length > 1 && !aborted) {
      left = [...first.map((step) => [step]), ...rest];
      tries = 0;
      continue;
    }
    if (end.kind !== 'retry') return { committed, end };
    const failed: StepResult = { kind: 'failed', name: end.name, failure: end.failure, extent: 'nothing' };
    if (patience.isOver || aborted) return { committed, end: failed };
    const aboutMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (tries - 1));
    if (!(await patience.pause(state, end.name, end.error, tries, aboutMs))) return { committed, end: failed };
  }
}

async function attempt(state: RunState, transactions: readonly Transaction[], options: MessageOptions): Promise<Attempt> {
  const { durability } = options;
  const parts = messages(state, transactions, options);
  for (const [position, part] of parts.entries()) {
    const last = position === parts.length - 1;
    if (part.kind === 'live') {
      const failure = await runLive(state, part.step, part.script, options.patience);
      if (failure === null) continue;
      await state.main.run('ROLLBACK');
      if (state.main.lost !== null) return nothing({ kind: 'lost', error: state.main.lost });
      return nothing(classify(state, part.step, failure.error, failure.message, failure.completed));
    }
    const [first] = part.owners;
    const send = (): Promise<MessageResult> => (last ? state.main.run(part.message.text, part.durations) : state.main.runInside(part.message.text));
    const result = await attend(state, transactions.flat(), send, options.patience);
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
  for (const { record } of committed.flat()) if (record.script !== null) state.storedScripts.add(record.script.key);
  state.durability = durability === 'flush' ? 'flushed' : 'pending';
  if (state.snapshot.tables !== 'present') state.snapshot = { ...state.snapshot, tables: 'present' };
}

function committedOf(part: Extract<Part, { kind: 'message' }>, kept: Kept, count: number): TransactionsResult['committed'] {
  const durations = new Map<ReadyStep, number>();
  for (const [place, values] of kept) {
    const owner = part.owners[place];
    const steps = owner === undefined ? [] : values.length > 1 ? (part.transactions[owner.transaction] ?? []) : [owner.step];
    for (const [index, step] of steps.entries()) durations.set(step, Number(values[index]));
  }
  return part.transactions
    .slice(0, count)
    .flat()
    .map((step) => ({ step, durationMs: durations.get(step) ?? null }));
}

function classify(state: RunState, step: ReadyStep, error: ServerError, message: Message | null, completed: number): Attempt['end'] {
  const piece = message?.pieceAfter(completed) ?? null;
  const answer = guardAnswer(error, piece);
  if (answer !== null) return { kind: answer };
  if (needsNoTransaction(error) && piece?.origin != null) return { kind: 'needsNoTransaction', step, index: piece.origin.index };
  const failure = describeFailure(error, message ?? new Message(), piece, state.monitor.blockers);
  if (isRetryable(error) || wasCreatedMeanwhile(error, piece)) return { kind: 'retry', error, name: step.name, failure };
  return { kind: 'failed', name: step.name, failure, extent: 'nothing' };
}

/** Sends a message of these steps under the monitor's eyes. */
export function attend(
  state: RunState,
  steps: readonly ReadyStep[],
  send: () => Promise<MessageResult>,
  patience: Patience,
  blockedLimitMs: number | null = null,
): Promise<MessageResult> {
  // Whoever is in the way has to be seen before the statement gives up: afterwards nobody knows.
  const wanted = steps.map((step) => step.lockTimeoutMs ?? state.lockTimeoutMs).filter((limitMs) => limitMs > 0);
  const firstLookMs = wanted.length === 0 ? FIRST_LOOK_MS : Math.min(FIRST_LOOK_MS, patience.lockTimeoutMs(Math.min(...wanted)) / 2);
  const before = state.generation;
  const onBlocked = async ({ blockers, lock }: Wait, session: Session): Promise<void> => {
    // Of several, those whose records can be seen are done.
    const done = steps.length < 2 ? 0 : (await readHistory(session, state.tables)).generation - before;
    const name = (steps[done] ?? steps.at(-1))?.name ?? '';
    state.emit({ type: 'blocked', target: state.target, name, lock, blockers });
  };
  return state.monitor.attend(state.main, send, { firstLookMs, onBlocked, blockedLimitMs }, state.signal);
}

interface LiveFailure {
  readonly error: ServerError;
  readonly message: Message | null;
  readonly completed: number;
}

/** A module that asks the database what to do: its queries run in the open transaction, then the SQL it collected. */
async function runLive(state: RunState, step: ReadyStep, live: LiveScript, patience: Patience): Promise<LiveFailure | null> {
  let script: Script;
  try {
    const sql = await state.monitor.during(state.main, () => live.build(liveDatabase(state, step.name, 'inside')), state.signal);
    script = await compileSql(sql, { transaction: live.transaction, origin: null });
  } catch (error) {
    return { error: error as ServerError, message: null, completed: 0 };
  }
  const message = new Message().add('settings', `${tag(state.run, step.name)}${writeAgenda(state.generation + 1, [[{ name: step.name, script }]])}SELECT 1`);
  const lockTimeoutMs = patience.lockTimeoutMs(step.lockTimeoutMs ?? state.lockTimeoutMs);
  addStatements(message, script, lockTimeoutMs);
  const result = await attend(state, [step], () => state.main.runInside(message.text), patience);
  if (result.kind === 'done') return null;
  return { error: result.error as ServerError, message, completed: result.completed };
}

/**
 * The connection as a live migration sees it: its statements carry the run's tag like all others. Inside our transaction it may not end it: what it did
 * would be committed without its record.
 */
export function liveDatabase(state: RunState, name: string, where: 'inside' | 'alone'): LiveDatabase {
  const prefix = tag(state.run, name);
  return {
    query: async (text, values) => {
      // Of sql-template-strings and the like, text and values are getters, which no copy has.
      const config: Record<string, unknown> = typeof text === 'string' ? { text } : (text as Record<string, unknown>);
      const query = { ...config, text: `${prefix}${String(config['text'])}`, values: values ?? config['values'] };
      const result = await (state.main.query(query) as ReturnType<LiveDatabase['query']>);
      if (where === 'inside' && state.main.transactionStatus === 'I') {
        throw new Error(
          'it ended the transaction that it runs in, so that what it had done was committed without its record: look at the schema before it runs again, and take its COMMIT or ROLLBACK out',
        );
      }
      return result;
    },
  };
}
