/** Runs what is sent together, in the way its statements allow. */

import { executeTransactions } from './execute.ts';
import type { Sharing } from '../migration.ts';
import type { ReadyStep, RunState, StepResult } from './run-state.ts';
import { executeSteps } from './steps.ts';
import { traitsOf } from './traits.ts';
import { withOneAlone, type Transaction } from './transaction-message.ts';

/** What was done, in order, and what became of the first transaction that was not. */
export interface BatchResult {
  readonly done: readonly { readonly step: ReadyStep; readonly durationMs: number }[];
  readonly end: StepResult | { readonly kind: 'impossible'; readonly message: string; readonly hint: string };
}

/** Which of these steps cannot share a transaction. */
export function misfits(steps: readonly ReadyStep[]): readonly ReadyStep[] {
  return steps.filter(isMisfit);
}

function isMisfit({ mode, script }: ReadyStep): boolean {
  return mode === 'resume' || traitsOf(script).needsSteps;
}

/** Sent together while each takes no longer than this. */
const QUICK_MS = 30;
/** What is sent together should take so long: it is told when all of it is done. */
const MESSAGE_MS = 150;
const GROWTH = 8;
const LARGEST_BATCH = 100;
const LARGEST_BATCH_CHARACTERS = 200_000;

/** How many are sent together at first. Where nobody works yet, nobody waits for what one of them locks. */
export function firstSize(target: Unused | null): number {
  return target === null ? 2 : 8;
}

/** Quick ones go together; whoever may take long goes alone, so that what is told of it is exact. @param count How many took `tookMs`. */
export function nextSize(count: number, tookMs: number): number {
  if (tookMs >= count * QUICK_MS) return 1;
  return Math.max(1, Math.min(Math.round((count * MESSAGE_MS) / tookMs), count * GROWTH, LARGEST_BATCH));
}

/** A target that nobody uses yet, as a run goes on in it. */
export interface Unused {
  /** What this run has made: nobody's to wait for, whoever committed it. `nextBatch` adds what its steps make. */
  readonly made: Set<string>;
  /** Whether rows of what a transaction has made itself may be changed before its last migration. */
  readonly rows: 'shared' | 'last';
}

/** @param steps All that the run will do there: what one of them makes may act in any later one, as a trigger or a default. */
export function unused(steps: readonly ReadyStep[]): Unused {
  return { made: new Set(), rows: steps.some(({ script }) => traitsOf(script).tellsTransactions) ? 'last' : 'shared' };
}

/** The first of these, and what may be sent with it, in the transactions that they may share. `null`: the target is in use. What is made is added to `target`. */
export function nextBatch<Step extends ReadyStep>(steps: readonly Step[], size: number, target: Unused | null = null): readonly (readonly Step[])[] {
  const batch: Step[] = [];
  let characters = 0;
  for (const step of steps.slice(0, size)) {
    if (step.direction === 'down' || step.script.kind === 'live' || isMisfit(step)) break;
    if (batch.length > 0 && traitsOf(step.script).tellsTime) break;
    characters += step.script.sql.length;
    if (batch.length > 0 && characters > LARGEST_BATCH_CHARACTERS) break;
    batch.push(step);
  }
  return batch.length === 0 ? [steps.slice(0, 1)] : transactionsOf(batch, target);
}

/**
 * Neighbours share a transaction as long as nobody can tell: as none of them holds a lock that others wait for, has changed rows, or
 * left a setting behind. One that does is the last of its transaction.
 */
function transactionsOf<Step extends ReadyStep>(steps: readonly Step[], target: Unused | null): readonly (readonly Step[])[] {
  const transactions: Step[][] = [];
  let own = new Set<string>();
  let open = false;
  for (const step of steps) {
    const effects = effectsOf(step);
    if (!open || effects === null) {
      transactions.push([]);
      own = new Set();
    }
    transactions.at(-1)?.push(step);
    open = effects !== null;
    for (const { creates, locks, changesRows } of effects ?? []) {
      // Rows of an older relation have an older sequence: it would stay where it is when this transaction is rolled back, and they would get other numbers then.
      const free = changesRows ? (target?.rows === 'shared' ? own : NOTHING) : (target?.made ?? own);
      if (locks.some((name) => !free.has(name))) open = false;
      for (const name of creates) {
        own.add(name);
        target?.made.add(name);
      }
    }
  }
  return transactions;
}

const NOTHING: ReadonlySet<string> = new Set();

/** `null`: it must have a transaction of its own. */
function effectsOf({ script, lockTimeoutMs, statementTimeoutMs }: ReadyStep): readonly Sharing[] | null {
  return lockTimeoutMs === null && statementTimeoutMs === null ? traitsOf(script).effects : null;
}

/** One step; or with `whole-plan` all of them in one transaction; or several in one message, in the transactions of `nextBatch`. */
export async function executeBatch(
  state: RunState,
  batch: readonly Transaction[],
  atomicity: 'per-migration' | 'whole-plan',
  durability: 'flush' | 'later',
): Promise<BatchResult> {
  const began = performance.now();
  const steps = batch.flat();
  const [step] = steps;
  if (step === undefined) return { done: [], end: { kind: 'done' } };
  const share = (): number => (performance.now() - began) / steps.length;
  if (steps.length === 1 && misfits(steps).length > 0) {
    const end = await executeSteps(state, step, step.script);
    return { done: end.kind === 'done' ? [{ step, durationMs: performance.now() - began }] : [], end };
  }
  const result = await executeTransactions(state, batch, atomicity, durability);
  // The server's clock where several were sent: when they ended, here only one answer came.
  const done = result.committed.map((one) => ({ step: one.step, durationMs: steps.length > 1 ? (one.durationMs ?? share()) : share() }));
  if (result.end.kind !== 'needsNoTransaction') return { done, end: result.end };
  const { step: culprit, index } = result.end;
  const { script } = culprit;
  const statement = script.kind === 'sql' ? script.statements[index] : undefined;
  const shared = atomicity === 'whole-plan';
  if (shared || script.kind !== 'sql' || statement === undefined) {
    const message = `${culprit.name} cannot be part of one transaction: PostgreSQL refuses ${statement?.summary ?? 'one of its statements'} there`;
    return { done, end: { kind: 'impossible', message, hint: shared ? 'run without --atomic' : 'call pgm.noTransaction() in it' } };
  }
  const again = performance.now();
  const end = await executeSteps(state, culprit, withOneAlone(state, culprit.name, script, index));
  return end.kind === 'done' ? { done: [...done, { step: culprit, durationMs: performance.now() - again }], end } : { done, end };
}
