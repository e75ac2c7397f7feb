/** Taking away what a failed statement left. */

import { setTimeout as sleep } from 'node:timers/promises';

import { tag } from '../guard.ts';
import type { Sweep } from './leftover.ts';
import type { RunState } from './run-state.ts';

const SWEEP_MS = 60_000;
const SWEEP_AFTER_ABORT_MS = 3_000;
const CANCEL_AGAIN_MS = 250;

/** Dropping an INVALID index waits for readers, and may not take for ever: it is cancelled then, and whoever runs next goes on. */
export function sweepOf(state: RunState, name: string): Sweep {
  return async (sql) => {
    const { main, monitor, signal, run, waitLimitMs } = state;
    const ended = new AbortController();
    const passed = (ms: number, until: AbortSignal): Promise<unknown> => sleep(ms, undefined, { signal: until }).catch(() => undefined);
    const sent = main.run(`${tag(run, name)}${sql}`).finally(() => ended.abort());
    await passed(Math.min(waitLimitMs, SWEEP_MS), AbortSignal.any([ended.signal, ...(signal === undefined ? [] : [signal])]));
    if (signal?.aborted === true) await passed(SWEEP_AFTER_ABORT_MS, ended.signal);
    while (!ended.signal.aborted) {
      await monitor.cancel().catch(() => undefined);
      await passed(CANCEL_AGAIN_MS, ended.signal);
    }
    const result = await sent;
    if (result.kind !== 'done') throw result.error;
  };
}
