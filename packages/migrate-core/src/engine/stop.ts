/** How a step of several transactions ends before its end. */

import type { StepFailure } from './failure.ts';
import type { ReadyStep, StepResult } from './run-state.ts';

export function failed(step: ReadyStep, failure: StepFailure, extent: 'nothing' | 'partly'): StepResult {
  return { kind: 'failed', name: step.name, failure, extent };
}

/** Ends the loop over the segments. */
export class Stop extends Error {
  readonly result: StepResult;
  constructor(result: StepResult) {
    super('stop');
    this.result = result;
  }
}
