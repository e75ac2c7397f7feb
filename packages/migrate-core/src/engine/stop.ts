/** How a step of several transactions ends before its end. */

import type { ErrorCode } from '../errors.ts';
import type { StepFailure } from './failure.ts';
import type { ReadyStep, StepResult } from './run-state.ts';

export function failed(step: ReadyStep, failure: StepFailure, extent: 'nothing' | 'partly'): Extract<StepResult, { kind: 'failed' }> {
  return { kind: 'failed', name: step.name, failure, extent };
}

/** What is wrong although the server refused nothing. */
export function ownFailure(code: ErrorCode, message: string, more: Partial<StepFailure> = {}): StepFailure {
  return { code, message, hint: null, position: null, statement: null, sqlState: null, data: null, cause: undefined, ...more };
}

/** Ends the loop over the segments. */
export class Stop extends Error {
  readonly result: StepResult;
  constructor(result: StepResult) {
    super('stop');
    this.result = result;
  }
}
