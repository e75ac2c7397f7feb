/** The second connection, which holds the lock in a transaction of its own while non-transactional statements run on the first. */

import { setTimeout as sleep } from 'node:timers/promises';

import { MigrationError } from '../errors.ts';
import { describeFailure, wasCreatedMeanwhile } from './failure.ts';
import { begin, GUARD, guard, holdLock, tag } from '../guard.ts';
import { Message } from './message.ts';
import type { ReadyStep, RunState, StepResult } from './run-state.ts';
import { Session } from '../session.ts';

/** A pooler with one server connection would let us wait for ourselves. */
const SECOND_CONNECTION_MS = 10_000;

/** Does the work under the lock, if it is to be had and the history has not moved on; lets go of it afterwards, whatever happens. */
export async function withGuardian(state: RunState, step: ReadyStep, work: (guardian: Session) => Promise<StepResult>): Promise<StepResult> {
  await ensureTables(state, step);
  const guardian = await openSecond(state);
  try {
    const held = await guardian.runInside(
      holdLock({ tables: state.tables, snapshot: { ...state.snapshot, tables: 'present' }, generation: state.generation, lock: 'take' }, state.run, step.name),
    );
    if (held.kind === 'lost') throw connectionLost(state, held.error);
    if (held.kind === 'failed') {
      await guardian.run('ROLLBACK');
      if (held.error.code === GUARD.lockHeld) return { kind: 'lockHeld' };
      if (held.error.code === GUARD.movedOn) return { kind: 'movedOn' };
      return { kind: 'failed', name: step.name, failure: describeFailure(held.error, new Message(), null, []), extent: 'nothing' };
    }
    await refusePoolOfOne(state);
    return await work(guardian);
  } finally {
    await guardian.run('ROLLBACK');
    await guardian.close();
  }
}

/** The guard's own transaction stays open, so that tables made in it would be seen by nobody. */
async function ensureTables(state: RunState, step: ReadyStep): Promise<void> {
  if (state.snapshot.tables === 'present') return;
  const message = new Message()
    .add('begin', `${tag(state.run, step.name)}${begin()}`)
    .add('guard', guard({ tables: state.tables, snapshot: state.snapshot, generation: state.generation, lock: 'take' }, {}))
    .add('commit', 'COMMIT');
  // Other lost races are found by the guard that follows.
  for (let tries = 0; tries < 10; tries++) {
    const result = await state.main.run(message.text);
    if (result.kind !== 'failed' || !wasCreatedMeanwhile(result.error, message.pieceAfter(result.completed))) return;
    await sleep(50 * Math.random());
  }
}

/** A pool in this process may have none to give, as long as the first is in use, and would let us wait for it. */
async function openSecond(state: RunState): Promise<Session> {
  const opening = Session.open(state.connect);
  if (await isSlow(opening)) {
    opening.then(
      (late) => late.close(),
      () => undefined,
    );
    throw noSecond(state);
  }
  return opening;
}

async function refusePoolOfOne(state: RunState): Promise<void> {
  const answer = state.main.read('SELECT 1');
  if (await isSlow(answer)) {
    answer.catch(() => undefined);
    await state.main.close();
    throw noSecond(state);
  }
  await answer;
}

/** Whether it has neither come nor failed in time. */
async function isSlow(answer: Promise<unknown>): Promise<boolean> {
  const limit = new AbortController();
  const ended = (): void => limit.abort();
  answer.then(ended, ended);
  return sleep(SECOND_CONNECTION_MS, true, { signal: limit.signal }).catch(() => false);
}

function noSecond(state: RunState): MigrationError {
  return new MigrationError({
    code: 'connection',
    message: `a non-transactional migration needs two connections to ${state.target.name} at once, and the second one got no answer for ${SECOND_CONNECTION_MS / 1000} s`,
    hint: 'give the pooler a pool of at least two connections for this user and database, for each tenant at work (--concurrency) where there are several; or connect to PostgreSQL directly',
    target: state.target.name,
  });
}

function connectionLost(state: RunState, cause: Error): MigrationError {
  return new MigrationError({
    code: 'connection',
    message: `the connection to ${state.target.name} was lost: ${cause.message}`,
    target: state.target.name,
    cause,
  });
}
