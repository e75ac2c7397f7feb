/** How far a long run has come, where no line can be redrawn: in the log of a build or a job. Elsewhere: nothing. */

import type { Output } from '../invocation.ts';
import { duration } from './text.ts';

const EVERY_MS = 10_000;

export interface FleetProgress {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
  /** Milliseconds; `null` while nobody can tell. */
  readonly left: number | null;
}

export class Heartbeat {
  #timer: NodeJS.Timeout | null = null;

  /** A line every ten seconds, as long as it says something new. Nothing on a terminal, or beside a document. */
  start(output: Output, form: 'text' | 'json', progress: () => FleetProgress): void {
    if (output.live !== null || form === 'json') return;
    let last = '';
    this.#timer ??= setInterval(() => {
      const known = progress();
      const counts = `${known.done} ${known.failed}`;
      if (counts === last) return;
      last = counts;
      output.line(`  ${tellProgress(known)}`);
    }, EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** `1,204 of 2,000 tenants, 3 failed, about 12.0 s left`. */
export function tellProgress({ done, total, failed, left }: FleetProgress): string {
  const number = (count: number): string => count.toLocaleString('en');
  const rest = left === null ? [] : [`about ${left < 60_000 ? `${Math.ceil(left / 1_000)} s` : duration(left)} left`];
  return [`${number(done)} of ${number(total)} tenants`, ...(failed > 0 ? [`${number(failed)} failed`] : []), ...rest].join(', ');
}
