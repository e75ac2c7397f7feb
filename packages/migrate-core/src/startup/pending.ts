/** What a look at a target says to somebody who is not to migrate it. */

import { MigrationError } from '../errors.ts';
import type { Problem } from '../plan.ts';
import type { Status } from '../status.ts';

/** What somebody else still has to do: an interrupted migration is in the history, but not done. */
export function unfinished(status: Status): readonly string[] {
  return [...new Set([...status.interrupted, ...status.pending].map((one) => one.name))];
}

/** Problems that pass when somebody else migrates; all others ask for another build or a person. */
const PASSING: ReadonlySet<Problem['code']> = new Set(['interrupted', 'outOfOrder', 'unmetRequirement']);

/** Throws `planRefused` where waiting would be in vain. */
export function refuseForGood(status: Status): void {
  const problems = status.problems.filter((one) => one.severity === 'error' && !PASSING.has(one.code));
  if (problems.length === 0) return;
  throw new MigrationError({
    code: 'planRefused',
    message: problems.map((one) => one.message).join('\n'),
    migration: problems[0]?.name,
    target: status.target.name,
    problems,
  });
}
