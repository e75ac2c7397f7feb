/** Runs transactional steps: guard, statements and record in one transaction, which is one message unless a step is live. */

import { setTimeout as sleep } from 'node:timers/promises';

import { describeFailure, isRetryable, needsNoTransaction, type StepFailure } from './failure.ts';
import { begin, GUARD, guard, tag, transactionSettings } from './guard.ts';
import { recordApplied, recordUndone } from './record.ts';
import { Message } from './message.ts';
import type { LiveDatabase, LiveScript, Script } from './migration.ts';
import type { ReadyStep, RunState, StepResult } from './run-state.ts';
import type { MessageResult, ServerError } from './session.ts';
import { compileSql } from './source/script.ts';
import { literal } from './sql.ts';

/** Statement `index` of a step cannot be in a transaction: found out by the server, everything was rolled back. */
export type TransactionResult = StepResult | { readonly kind: 'needsNoTransaction'; readonly step: ReadyStep; readonly index: number };

/** One attempt, without the retries. */
type Attempt = TransactionResult | { readonly kind: 'retry'; readonly error: ServerError; readonly name: string; readonly failure: StepFailure };

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

/** All of `steps` in one transaction (`--atomic`), or the one step there is. Tried again as a whole where that can help. */
export async function executeTransaction(state: RunState, steps: readonly ReadyStep[], durability: 'flush' | 'later'): Promise<TransactionResult> {
  const until = performance.now() + state.retryLimitMs;
  for (let attempt = 1; ; attempt++) {
    const result = await attemptTransaction(state, steps, durability);
    if (result.kind !== 'retry') return result;
    const failed: StepResult = { kind: 'failed', name: result.name, failure: result.failure, extent: 'nothing' };
    if (performance.now() > until || state.signal?.aborted === true) return failed;
    const delayMs = Math.round(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt - 1)) * (0.5 + Math.random()));
    state.emit({ type: 'retrying', target: state.target, name: result.name, sqlState: result.error.code ?? '', attempt, delayMs });
    try {
      await sleep(delayMs, undefined, { signal: state.signal });
    } catch {
      return failed;
    }
  }
}

async function attemptTransaction(state: RunState, steps: readonly ReadyStep[], durability: 'flush' | 'later'): Promise<Attempt> {
  const first = steps[0];
  if (first === undefined) return { kind: 'done', durationMs: 0 };
  const started = performance.now();
  const parts = messages(state, steps, durability);
  const owner = new Map<Message, ReadyStep>();
  for (const [position, part] of parts.entries()) {
    const last = position === parts.length - 1;
    if (part.kind === 'live') {
      const failure = await runLive(state, part.step, part.script);
      if (failure === null) continue;
      await state.main.run('ROLLBACK');
      if (state.main.lost !== null) return { kind: 'lost', error: state.main.lost };
      return classify(state, part.step, failure.error, failure.message, failure.completed);
    }
    owner.set(part.message, part.step);
    const result = await attend(state, part.step.name, () => (last ? state.main.run(part.message.text) : state.main.runInside(part.message.text)));
    if (result.kind === 'lost') return { kind: 'lost', error: result.error };
    if (result.kind === 'failed') {
      if (!last) await state.main.run('ROLLBACK');
      return classify(state, stepAt(part, result.completed) ?? part.step, result.error, part.message, result.completed);
    }
    if (!last) continue;
    if (state.main.transactionStatus !== 'I') {
      // Unparsed SQL can have opened a transaction behind our COMMIT.
      await state.main.run('ROLLBACK');
    }
    const unflushed = result.notices.find((notice) => notice.code === '01000' && /synchronous replication/.test(notice.message));
    if (unflushed !== undefined)
      state.emit({ type: 'notice', target: state.target, name: part.step.name, message: `committed here, but: ${unflushed.message}` });
  }
  state.generation += steps.length;
  state.durability = durability === 'flush' ? 'flushed' : 'pending';
  return { kind: 'done', durationMs: performance.now() - started };
}

type Part =
  | { readonly kind: 'message'; readonly message: Message; readonly step: ReadyStep; readonly owners: ReadonlyMap<number, ReadyStep> }
  | { readonly kind: 'live'; readonly step: ReadyStep; readonly script: LiveScript };

/** One message, cut only where a live migration has to talk to the server in between. */
function messages(state: RunState, steps: readonly ReadyStep[], durability: 'flush' | 'later'): Part[] {
  const parts: Part[] = [];
  const first = steps[0] as ReadyStep;
  let message = new Message();
  let owners = new Map<number, ReadyStep>();
  const flushPart = (step: ReadyStep): void => {
    parts.push({ kind: 'message', message, step, owners });
    message = new Message();
    owners = new Map();
  };
  const settings = transactionSettings(state.snapshot, {
    lockTimeoutMs: first.lockTimeoutMs ?? state.lockTimeoutMs,
    statementTimeoutMs: first.statementTimeoutMs,
    searchPath: state.searchPath,
    durability,
  });
  message.add('begin', `${tag(state.run, first.name)}${begin()}`);
  message.add('guard', guard({ tables: state.tables, snapshot: state.snapshot, generation: state.generation, lock: 'take' }, settings));
  for (const [index, step] of steps.entries()) {
    const from = message.pieces.length;
    if (step.script.kind === 'live') {
      flushPart(step);
      parts.push({ kind: 'live', step, script: step.script });
      message.add('settings', `${tag(state.run, step.name)}SELECT 1`);
    } else {
      if (index > 0) addStepSettings(message, step, state.lockTimeoutMs);
      addStatements(message, step.script, step.lockTimeoutMs ?? state.lockTimeoutMs);
    }
    if (mayChangeRole(step.script)) message.add('settings', `SELECT pg_catalog.set_config('role', ${literal(state.snapshot.role)}, true)`);
    const seq = state.generation + 1 + index;
    message.add(
      'record',
      step.direction === 'up' ? recordApplied(state.tables, state.run, step.record, seq) : recordUndone(state.tables, state.run, step.name, seq),
    );
    for (let piece = from; piece < message.pieces.length; piece++) owners.set(piece, step);
  }
  message.add('commit', 'COMMIT');
  flushPart(steps.at(-1) as ReadyStep);
  return parts;
}

/** In a shared transaction each step gets its own limits back. */
function addStepSettings(message: Message, step: ReadyStep, lockTimeoutMs: number): void {
  message.add(
    'settings',
    `SELECT pg_catalog.set_config('lock_timeout', '${step.lockTimeoutMs ?? lockTimeoutMs}ms', true)${step.statementTimeoutMs === null ? '' : `, pg_catalog.set_config('statement_timeout', '${step.statementTimeoutMs}ms', true)`}`,
  );
}

/**
 * A lock once taken is kept until COMMIT, so `lock_timeout` per statement would add up: whoever queues behind the first
 * strong lock would wait for all of them. Later statements get what is left of the first one's time, at least 100 ms.
 */
export function addStatements(message: Message, script: Script, lockTimeoutMs: number, from = 0, to: number = script.statements.length): void {
  const last = script.statements.findLastIndex((statement) => statement.strongLock);
  const own = script.statements.some((statement) => /lock_timeout/i.test(statement.text) && /Set|Unparsed|Select/.test(statement.kind));
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

function stepAt(part: Extract<Part, { kind: 'message' }>, completed: number): ReadyStep | undefined {
  return part.owners.get(completed);
}

function classify(state: RunState, step: ReadyStep, error: ServerError, message: Message | null, completed: number): Attempt {
  if (error.code === GUARD.lockHeld) return { kind: 'lockHeld' };
  if (error.code === GUARD.movedOn || error.code === GUARD.rowGone) return { kind: 'movedOn' };
  const piece = message?.pieceAfter(completed) ?? null;
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
