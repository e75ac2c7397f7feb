/** Puts transactions together into messages, and remembers whose each piece is. Pure. */

import { writeAgenda } from './agenda.ts';
import { addGuard, begin, tag, transactionSettings } from '../guard.ts';
import type { HistorySnapshot } from '../history.ts';
import { validityOf } from './leftover.ts';
import { Message } from './message.ts';
import type { LiveScript, Script, Statement } from '../migration.ts';
import { answersDurations, insertScripts, noteEnd, recordApplied, recordUndone, type Since } from '../record.ts';
import type { Patience } from './retry.ts';
import type { ReadyStep, RunState } from './run-state.ts';
import { restoreSettings } from './session-settings.ts';
import { traitsOf } from './traits.ts';
import { identifier, literal } from '../sql.ts';

/** Steps that share a transaction. */
export type Transaction = readonly ReadyStep[];

/** A message, or a live step between two of them. */
export type Part =
  | {
      readonly kind: 'message';
      readonly message: Message;
      readonly transactions: readonly Transaction[];
      /** Whose each piece is. */
      readonly owners: readonly { readonly transaction: number; readonly step: ReadyStep }[];
      /** Places of the statements that answer how long a step took, or all steps of a transaction in their order. */
      readonly durations: ReadonlySet<number>;
    }
  | { readonly kind: 'live'; readonly step: ReadyStep; readonly script: LiveScript };

export interface MessageOptions {
  readonly patience: Patience;
  /** Of the last transaction. */
  readonly durability: 'flush' | 'later';
  /** In a transaction of several steps no statement waits longer than this for a lock. Milliseconds; `null`: as long as its migration allows. */
  readonly sharedLockLimitMs: number | null;
}

/** One message, cut only where a live migration has to talk to the server in between. */
export function messages(state: RunState, transactions: readonly Transaction[], { durability, patience, sharedLockLimitMs }: MessageOptions): Part[] {
  const lockTimeout = (step: ReadyStep, transaction: Transaction): number => {
    const wanted = patience.lockTimeoutMs(step.lockTimeoutMs ?? state.lockTimeoutMs);
    if (sharedLockLimitMs === null || transaction.length === 1) return wanted;
    return wanted === 0 ? sharedLockLimitMs : Math.min(wanted, sharedLockLimitMs);
  };
  const parts: Part[] = [];
  let message = new Message();
  let owners: { transaction: number; step: ReadyStep }[] = [];
  let durations = new Set<number>();
  let seq = state.generation;
  const unstored = transactions.flat().flatMap(({ direction, record: { script } }) => (direction === 'up' && script !== null ? [script] : []));
  const scripts = insertScripts(
    state.tables,
    unstored.filter((script) => !state.storedScripts.has(script.key)),
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
    // One by one where there is no second attempt: then a record that fails names its migration.
    const together = sharedLockLimitMs !== null && steps.length > 1;
    const firstSeq = seq + 1;
    const since = (index: number): Since => (transaction === 0 && index === 0 ? 'message' : 'previous');
    for (const [index, step] of steps.entries()) {
      if (index === 0) {
        const last = transaction === transactions.length - 1;
        const snapshot: HistorySnapshot = transaction === 0 ? state.snapshot : { ...state.snapshot, tables: 'present' };
        const settings = transactionSettings(snapshot, {
          lockTimeoutMs: lockTimeout(step, steps),
          statementTimeoutMs: step.statementTimeoutMs,
          searchPath: state.searchPath,
          durability: last ? durability : 'later',
        });
        const agenda = message.text === '' ? writeAgenda(seq + 1, transactions.slice(transaction)) : '';
        message.add('begin', `${tag(state.run, step.name)}${agenda}${begin()}`);
        addGuard(message, { tables: state.tables, snapshot, generation: seq, lock: 'take' }, settings);
      } else {
        addStepSettings(
          message,
          steps[index - 1] as ReadyStep,
          step,
          { from: lockTimeout(steps[index - 1] as ReadyStep, steps), to: lockTimeout(step, steps) },
          state.searchPath,
        );
      }
      own(transaction, step);
      if (step.script.kind === 'live') {
        endPart();
        parts.push({ kind: 'live', step, script: step.script });
        const agenda = writeAgenda(seq + 1, [steps.slice(index), ...transactions.slice(transaction + 1)]);
        message.add('settings', `${tag(state.run, step.name)}${agenda}SELECT 1`);
      } else {
        // A shared transaction has no patience anyway, and its locks are on what nobody else sees.
        const budgetMs = sharedLockLimitMs !== null && steps.length > 1 ? 0 : lockTimeout(step, steps);
        addStatements(message, step.script, budgetMs);
      }
      if (traitsOf(step.script).mayChangeRole) message.add('settings', `SELECT pg_catalog.set_config('role', ${literal(state.snapshot.role)}, true)`);
      seq++;
      if (transaction === 0 && index === 0 && scripts !== null) message.add('record', scripts);
      for (const record of together
        ? []
        : step.direction === 'up'
          ? recordApplied(state.tables, state.run, [step.record], seq, since(index), 'unknown')
          : [recordUndone(state.tables, state.run, step.name, seq, since(index))]) {
        message.add('record', record);
      }
      if (together && state.ends === 'noted' && index < steps.length - 1) message.add('settings', noteEnd(index));
      if (step.direction === 'up' && !together) durations.add(message.pieces.length - 1);
      own(transaction, step);
    }
    if (together) {
      const inputs = steps.map((step) => step.record);
      for (const record of recordApplied(state.tables, state.run, inputs, firstSeq, since(0), state.ends)) message.add('record', record);
      if (answersDurations(steps.length, state.ends)) durations.add(message.pieces.length - 1);
    }
    addEnd(message, state, steps, transaction === transactions.length - 1 ? durability : 'later');
    own(transaction, steps.at(-1) as ReadyStep);
  }
  endPart();
  return parts;
}

/** In a shared transaction each step gets its own limits, and nothing of what the one before had set for itself. */
function addStepSettings(
  message: Message,
  before: ReadyStep,
  step: ReadyStep,
  lockTimeoutMs: { readonly from: number; readonly to: number },
  searchPath: string | null,
): void {
  const left = before.script.kind === 'sql' ? (before.script.settings ?? []).map((setting) => setting.name) : [];
  for (const name of left) {
    const value = name === 'search_path' && searchPath !== null ? `= ${searchPath}` : 'TO DEFAULT';
    // The role is put back before every record.
    if (name !== 'role')
      message.add(
        'settings',
        name === 'session_authorization' ? 'SET LOCAL SESSION AUTHORIZATION DEFAULT' : `SET LOCAL ${name.split('.').map(identifier).join('.')} ${value}`,
      );
  }
  if (left.includes('row_security')) message.add('settings', 'SET LOCAL row_security = off');
  // Statements that change rows may call whatever sets it.
  const same =
    lockTimeoutMs.from === lockTimeoutMs.to && before.script.kind === 'sql' && before.script.statements.every(({ sharing }) => sharing?.changesRows === false);
  if (!same || left.includes('lock_timeout')) message.add('settings', `SET LOCAL lock_timeout = '${lockTimeoutMs.to}ms'`);
  if (before.statementTimeoutMs !== step.statementTimeoutMs || left.includes('statement_timeout')) {
    message.add('settings', `SET LOCAL statement_timeout ${step.statementTimeoutMs === null ? 'TO DEFAULT' : `= '${step.statementTimeoutMs}ms'`}`);
  }
}

/**
 * A lock once taken is kept until COMMIT, so `lock_timeout` per statement would add up: whoever queues behind the first
 * strong lock would wait for all of them. Later statements get what is left of the first one's time, at least 100 ms.
 */
export function addStatements(message: Message, script: Script, lockTimeoutMs: number, from = 0, to: number = script.statements.length): void {
  const last = to - 1;
  const own = lockTimeoutMs === 0 || script.statements.some((statement) => /lock_timeout/i.test(statement.text) && /Set|Unparsed|Select/.test(statement.kind));
  let locked = false;
  for (let index = from; index < to; index++) {
    const statement = script.statements[index];
    if (statement === undefined) continue;
    if (locked && !own) {
      message.add(
        'settings',
        `SELECT pg_catalog.set_config('lock_timeout', GREATEST(100::numeric, ${lockTimeoutMs}::numeric - EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.current_setting('migrate.locked_at')::timestamptz) * 1000::numeric)::int::text || 'ms', true)`,
      );
    }
    message.add('statement', statement.text, { script, index });
    if (statement.strongLock && !locked && index < last && !own) {
      locked = true;
      message.add('settings', `SELECT pg_catalog.set_config('migrate.locked_at', pg_catalog.clock_timestamp()::text, true)`);
    }
  }
  // At the end: a later statement may have built it again.
  for (let index = from; index < to; index++) {
    const passesOver = script.statements[index]?.passesOver;
    if (passesOver !== undefined) message.add('validity', validityOf(passesOver), { script, index });
  }
}

/**
 * What a DO block or a function set for the session would outlive COMMIT, and meet the next migration or whoever gets the connection from the
 * pooler next. What whoever opened the session had set comes back. The commit is durable whatever was set.
 */
export function addEnd(message: Message, state: RunState, steps: readonly { readonly script: Script | LiveScript }[], durability: 'flush' | 'later'): void {
  if (steps.some(({ script }) => traitsOf(script).mayChangeRole)) {
    // Deferred checks of foreign keys have to see the rows that a policy hides: they run before row_security is what it was.
    message.add('commit', 'SET CONSTRAINTS ALL IMMEDIATE');
    message.add('settings', restoreSettings(state.ownSettings ?? new Map()));
    message.add(
      'settings',
      `SET LOCAL synchronous_commit = ${durability === 'later' ? 'off' : state.snapshot.synchronousCommit === 'off' ? 'on' : literal(state.snapshot.synchronousCommit)}`,
    );
  }
  message.add('commit', 'COMMIT');
}

/**
 * Only the state of the database told that this statement cannot be in a transaction (a partitioned table, a procedure that commits): everything was rolled
 * back, and in the script that is answered it runs by itself.
 */
export function withOneAlone(state: RunState, name: string, script: Script, index: number): Script {
  const statements = script.statements.map((one, place) => (place === index ? outsideTransaction(one) : one));
  const summary = script.statements[index]?.summary ?? 'a statement';
  const message = `PostgreSQL refuses ${summary} in a transaction; it was rolled back, and that statement runs by itself`;
  state.emit({ type: 'notice', target: state.target, name, message });
  return { ...script, statements };
}

function outsideTransaction(statement: Statement): Statement {
  const leftover = { kind: /^(Reindex|Cluster|Vacuum)/.test(statement.kind) ? ('repeatable' as const) : ('undecidable' as const) };
  return { ...statement, transaction: 'forbidden', leftover };
}
