/** A failure's line in the log. */

import { setTimeout as sleep } from 'node:timers/promises';

import { begin, GUARD, tag, takeLockOrFail } from '../guard.ts';
import { createTablesBody } from '../history-tables.ts';
import { recordFailure } from '../record.ts';
import type { StepFailure } from './failure.ts';
import type { RunState } from './run-state.ts';

const LONGEST_DETAIL = 1_000;
const TRIES = 10;

/** Under the lock, durable at once. Somebody else may hold it: the line is worth a few tries, not more. Answers whether it was written. */
export async function writeFailure(state: RunState, name: string, failure: StepFailure): Promise<boolean> {
  const { main, tables, run, snapshot } = state;
  // The state of a statement that was cancelled does not tell that somebody wanted the whole run to stop.
  const detail = `${failure.code === 'aborted' ? failure.code : (failure.sqlState ?? failure.code)}: ${failure.message}`.slice(0, LONGEST_DETAIL);
  const create = snapshot.tables === 'present' ? '' : createTablesBody(tables, snapshot.serverVersion);
  const sql = recordFailure(tables, run, name, detail, create, takeLockOrFail(tables));
  for (let tries = 0; tries < TRIES; tries++) {
    const result = await main.run(`${tag(run, name)}${begin()};\nSET LOCAL synchronous_commit = on;\n${sql};\nCOMMIT`);
    if (result.kind === 'done') return true;
    if (result.kind === 'lost' || result.error.code !== GUARD.lockHeld) return false;
    await sleep(50 * (0.5 + Math.random()));
  }
  return false;
}
