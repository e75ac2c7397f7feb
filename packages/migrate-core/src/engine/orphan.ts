/** A statement of a killed client goes on in the server: only when it has ended can what it left be judged. */

import { setTimeout as sleep } from 'node:timers/promises';

import { readRunning } from '../activity.ts';
import type { Blocker } from '../report.ts';
import type { RunState } from './run-state.ts';

const POLL_MS = 300;

/** `null` when nothing of that run is active any more; else what still is, when the limit or an abort came first. */
export async function waitForOrphan(state: RunState, runId: string, onWaiting: (process: Blocker) => void): Promise<Blocker | null> {
  const until = performance.now() + state.waitLimitMs;
  let told = false;
  for (;;) {
    const running = await readRunning(state.main, runId);
    if (running === null) return null;
    if (!told) onWaiting(running.process);
    told = true;
    if (performance.now() > until || state.signal?.aborted === true) return running.process;
    await sleep(POLL_MS);
  }
}
