/** What a plan tells of a step. Pure. */

import type { Script } from '../migration.ts';
import type { PreparedStep, Remark } from './prepare.ts';
import { traitsOf } from './traits.ts';

/** A planned step with what would be sent: for `plan` and `--dry-run`. */
export interface PlannedStep {
  readonly name: string;
  readonly version: string;
  readonly direction: 'up' | 'down';
  readonly mode: 'whole' | 'resume';
  /** `stored`: the down kept in the history; `file`: the source's. */
  readonly from: 'file' | 'stored';
  readonly transaction: 'one' | 'several';
  /** `null` for a live migration, whose SQL is known only when it runs. */
  readonly sql: string | null;
}

export function plannedStep(step: PreparedStep): PlannedStep {
  const { name, version, direction, mode, from, script } = step;
  const transaction = traitsOf(script).needsSteps ? 'several' : 'one';
  return { name, version, direction, mode, from, transaction, sql: script.kind === 'live' ? null : sqlOf(script) };
}

/** A template that nobody filled in: once recorded, what is written into it later would never run. */
export function emptyNotices(steps: readonly PreparedStep[]): readonly Remark[] {
  const empty = steps.filter(({ direction, script }) => direction === 'up' && script.kind === 'sql' && script.statements.length === 0);
  return empty.map(({ name }) => ({ name, message: 'has no statement: it is recorded, and changes nothing' }));
}

/** As its author wrote it; where a tenant gets something else, what it gets. */
function sqlOf({ sql, statements }: Script): string {
  return statements.every((one) => one.written === undefined) ? sql : statements.map((one) => `${one.text};\n`).join('\n');
}
