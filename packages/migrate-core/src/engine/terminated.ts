/** Somebody ended the run's session on purpose, with `pg_terminate_backend`: how that is known, and told. */

import type { HistorySnapshot } from '../history.ts';
import type { Session } from '../session.ts';
import type { ReadyStep, StepResult } from './run-state.ts';
import { failed, ownFailure } from './stop.ts';

/** What the server says to a session that is terminated, and to all of them when it shuts down. */
const TERMINATED = '57P01';

/**
 * Whether the session was ended on purpose. A server that was shut down says the same, but has been started since. In doubt (another server answers
 * after a failover, or the pooler said it) it was on purpose: a run that stopped is run again more easily than one that goes on is stopped.
 *
 * @param cause How the session ended.
 * @param session A new one.
 * @param since When the old one was there already, by `performance.now()`. Both sides measure a span: their clocks need not agree.
 */
export async function wasTerminated(cause: Error, session: Session, since: number): Promise<boolean> {
  if ((cause as { code?: unknown }).code !== TERMINATED) return false;
  const ageMs = performance.now() - since;
  try {
    const [row] = await session.read(
      'SELECT (EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time()) * 1000::numeric)::bigint AS up_ms',
    );
    return Number(row?.['up_ms']) >= ageMs;
  } catch {
    return true;
  }
}

/** @param snapshot What was read afterwards: where the step is in it, it is half done. */
export function terminatedStep(cause: Error, step: ReadyStep, { applied }: HistorySnapshot): Extract<StepResult, { kind: 'failed' }> {
  const partly = applied.some((row) => row.name === step.name && row.state !== 'applied');
  const became = partly ? 'it is interrupted, and the history says how far it came' : 'what was running was rolled back';
  const failure = ownFailure('migrationFailed', `an administrator ended the session that ran it (${cause.message}); ${became}`, {
    hint: `the server has not been restarted, so it was not tried again; to ${partly ? 'go on' : 'run it again'}, type: migrate ${step.direction}`,
    sqlState: TERMINATED,
    cause,
  });
  return failed(step, failure, partly ? 'partly' : 'nothing');
}
