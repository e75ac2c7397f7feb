/** Runs what belongs into one transaction, in the way its statements allow. */

import { executeTransaction } from './execute.ts';
import type { ReadyStep, RunState, StepResult } from './run-state.ts';
import { executeSteps, needsSteps } from './steps.ts';

export type BatchResult = StepResult | { readonly kind: 'impossible'; readonly message: string; readonly hint: string };

/** Which of these steps cannot share a transaction. */
export function misfits(steps: readonly ReadyStep[]): readonly ReadyStep[] {
  return steps.filter((step) => step.mode === 'resume' || needsSteps(step.script));
}

/** One step, or with `--atomic` all of them. */
export async function executeBatch(state: RunState, batch: readonly ReadyStep[], durability: 'flush' | 'later'): Promise<BatchResult> {
  const [step] = batch;
  if (step === undefined) return { kind: 'done', durationMs: 0 };
  if (batch.length === 1 && misfits(batch).length > 0) return executeSteps(state, step, step.script);
  const result = await executeTransaction(state, batch, durability);
  if (result.kind !== 'needsNoTransaction') return result;
  const culprit = result.step.script;
  const statement = culprit.kind === 'sql' ? culprit.statements[result.index] : undefined;
  if (batch.length > 1 || culprit.kind !== 'sql' || statement === undefined) {
    return {
      kind: 'impossible',
      message: `${result.step.name} cannot be part of one transaction: PostgreSQL refuses ${statement?.summary ?? 'one of its statements'} there`,
      hint: batch.length > 1 ? 'run without --atomic' : 'call pgm.noTransaction() in it',
    };
  }
  // Only the state of the database decided this (a partitioned table, a procedure that commits): everything was rolled back.
  state.emit({
    type: 'notice',
    target: state.target,
    name: step.name,
    message: `PostgreSQL refuses ${statement.summary} in a transaction; it was rolled back, and that statement runs by itself`,
  });
  const leftover = { kind: /^(Reindex|Cluster|Vacuum)/.test(statement.kind) ? ('repeatable' as const) : ('undecidable' as const) };
  const statements = culprit.statements.map((one, index) => (index === result.index ? { ...one, transaction: 'forbidden' as const, leftover } : one));
  return executeSteps(state, step, { ...culprit, statements });
}
