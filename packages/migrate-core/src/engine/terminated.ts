/** The run's session was ended, with `pg_terminate_backend` or by a limit of its own, and would be again: how that is known, and told. */

import type { HistorySnapshot } from '../history.ts';
import type { Session } from '../session.ts';
import type { ReadyStep, StepResult } from './run-state.ts';
import { failed, ownFailure } from './stop.ts';

/** What the server says to a session that is terminated, and to all of them when it shuts down. */
const TERMINATED = '57P01';

/** Limits of a session whose next attempt would end as this one did. */
const LIMITS: Readonly<Record<string, string>> = { '25P03': 'idle_in_transaction_session_timeout', '25P04': 'transaction_timeout' };

function limitOf(cause: Error): string | null {
  return LIMITS[String((cause as { code?: unknown }).code)] ?? null;
}

/**
 * Whether the session was ended on purpose, or by a limit. A server that was shut down says the same, but has been started since. In doubt (another server answers
 * after a failover, or the pooler said it) it was on purpose: a run that stopped is run again more easily than one that goes on is stopped.
 *
 * @param cause How the session ended.
 * @param session A new one.
 * @param since When the old one was there already, by `performance.now()`. Both sides measure a span: their clocks need not agree.
 */
export async function wasTerminated(cause: Error, session: Session, since: number): Promise<boolean> {
  if (limitOf(cause) !== null) return true;
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
  const limit = limitOf(cause);
  const who = limit ?? 'an administrator';
  // Of one that is half done the file has to stay as it was.
  const inFile = limit === null || partly ? '' : `, or with SET ${limit} = 0; in front of its first statement`;
  const type = `to ${partly ? 'go on' : 'run it again'}, type: migrate ${step.direction}`;
  const failure = ownFailure('migrationFailed', `${who} ended the session that ran it (${cause.message}); ${became}`, {
    hint:
      limit === null
        ? `the server has not been restarted, so it was not tried again; ${type}`
        : `another attempt would end the same way. Lift it: ALTER ROLE … SET ${limit} = 0, or of the database, or of the server${inFile}; then, ${type}`,
    sqlState: limit === null ? TERMINATED : String((cause as { code?: unknown }).code),
    cause,
  });
  return failed(step, failure, partly ? 'partly' : 'nothing');
}
