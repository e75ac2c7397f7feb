/** Runs what is sent together, in the way its statements allow. */

import { executeTransactions } from './execute.ts';
import type { LiveScript, Script, Sharing } from '../migration.ts';
import type { ReadyStep, RunState, StepResult } from './run-state.ts';
import { executeSteps } from './steps.ts';
import { withOneAlone, type Transaction } from './transaction-message.ts';

/** What was done, in order, and what became of the first transaction that was not. */
export interface BatchResult {
  readonly done: readonly { readonly step: ReadyStep; readonly durationMs: number }[];
  readonly end: StepResult | { readonly kind: 'impossible'; readonly message: string; readonly hint: string };
}

/** Whether a script cannot run as one message of one READ COMMITTED transaction. */
export function needsSteps(script: Script | LiveScript): boolean {
  if (script.kind === 'live') return script.transaction === 'none';
  return (
    script.transaction === 'none' ||
    // At REPEATABLE READ the guard's snapshot would be older than its lock.
    script.isolation !== 'read committed' ||
    script.statements.some((statement) => statement.transaction === 'forbidden') ||
    // The file's own pairs stay apart where a new enum value is used after its COMMIT.
    new Set(script.statements.map((statement) => statement.group)).size > 1
  );
}

/** Which of these steps cannot share a transaction. */
export function misfits(steps: readonly ReadyStep[]): readonly ReadyStep[] {
  return steps.filter((step) => step.mode === 'resume' || needsSteps(step.script));
}

/** Sent together while each takes no longer than this. */
export const QUICK_MS = 30;
export const LARGEST_BATCH = 32;
const LARGEST_BATCH_CHARACTERS = 200_000;

/**
 * The first of these, and what may be sent with it, in the transactions that they may share.
 *
 * @param made Of a target that nobody uses yet: what this run has made in it, which is nobody's to wait for, whoever committed it. What these make is
 * added. `null` for a target in use.
 */
export function nextBatch<Step extends ReadyStep>(steps: readonly Step[], size: number, made: Set<string> | null = null): readonly (readonly Step[])[] {
  const batch: Step[] = [];
  let characters = 0;
  for (const step of steps.slice(0, size)) {
    if (step.direction === 'down' || step.script.kind === 'live' || misfits([step]).length > 0) break;
    characters += step.script.sql.length;
    if (batch.length > 0 && characters > LARGEST_BATCH_CHARACTERS) break;
    batch.push(step);
  }
  return batch.length === 0 ? [steps.slice(0, 1)] : transactionsOf(batch, made);
}

/**
 * Neighbours share a transaction as long as nobody can tell: as none of them holds a lock that others wait for, has changed rows, or
 * left a setting behind. One that does is the last of its transaction.
 */
function transactionsOf<Step extends ReadyStep>(steps: readonly Step[], made: Set<string> | null): readonly (readonly Step[])[] {
  const transactions: Step[][] = [];
  // What one migration leaves to the end of its transaction, the next could mend.
  const alone = made === null || steps.some(mayDefer);
  let created = alone ? new Set<string>() : made;
  let open = false;
  for (const step of steps) {
    const effects = effectsOf(step);
    if (!open || effects === null) {
      transactions.push([]);
      if (alone) created = new Set();
    }
    transactions.at(-1)?.push(step);
    open = effects !== null;
    for (const { creates, locks, changesRows } of effects ?? []) {
      if ((changesRows && alone) || locks.some((name) => !created.has(name))) open = false;
      for (const name of creates) created.add(name);
    }
  }
  return transactions;
}

/** Constraints and constraint triggers that are checked at COMMIT. */
function mayDefer({ script }: ReadyStep): boolean {
  return script.kind === 'sql' && /deferr/i.test(script.sql);
}

/** `null`: it must have a transaction of its own. */
function effectsOf({ script, lockTimeoutMs, statementTimeoutMs }: ReadyStep): readonly Sharing[] | null {
  if (script.kind === 'live' || lockTimeoutMs !== null || statementTimeoutMs !== null) return null;
  const effects: Sharing[] = [];
  for (const { sharing } of script.statements) {
    if (sharing === undefined) return null;
    effects.push(sharing);
  }
  return effects;
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
