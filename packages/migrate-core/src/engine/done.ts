/** What a run has done so far, and how much of it may be told: only what is on disk. */

import type { HistoryRow } from '../history.ts';
import type { StepReport } from '../report.ts';

export interface DoneStep {
  readonly step: StepReport;
  readonly direction: 'up' | 'down';
}

export class Done {
  #steps: (DoneStep & { told: boolean })[] = [];

  add(step: StepReport, direction: 'up' | 'down'): void {
    this.#steps.push({ step, direction, told: false });
  }

  has(name: string): boolean {
    return this.#steps.some((one) => one.step.name === name);
  }

  get allTold(): boolean {
    return this.#steps.every((one) => one.told);
  }

  /** Names of what was committed and is maybe not on disk. */
  get untold(): readonly string[] {
    return this.#steps.filter((one) => !one.told).map((one) => one.step.name);
  }

  /** Told, and so durable. */
  told(direction: 'up' | 'down'): readonly StepReport[] {
    return this.#steps.filter((one) => one.told && one.direction === direction).map((one) => one.step);
  }

  /** Everything is on disk: hands out what was not told yet. */
  tell(): readonly DoneStep[] {
    const fresh = this.#steps.filter((one) => !one.told);
    for (const one of fresh) one.told = true;
    return fresh;
  }

  /**
   * After a loss: what the history says of this run. A crash of the server may have taken back commits that were not on disk;
   * others may have come through although nobody heard of them. `undoing` are the names that a down was to undo.
   */
  correct(rows: readonly HistoryRow[], runId: string, undoing: readonly string[]): void {
    const applied = rows.filter((row) => row.state === 'applied');
    const isApplied = (name: string): boolean => applied.some((row) => row.name === name);
    this.#steps = this.#steps.filter((one) => one.told || (one.direction === 'up') === isApplied(one.step.name));
    for (const { name, version, durationMs, runId: writer } of applied) {
      if (writer === runId && !this.#steps.some((one) => one.direction === 'up' && one.step.name === name)) this.add({ name, version, durationMs }, 'up');
    }
    for (const name of undoing) {
      if (!rows.some((row) => row.name === name) && !this.has(name)) this.add({ name, version: name, durationMs: 0 }, 'down');
    }
  }
}
