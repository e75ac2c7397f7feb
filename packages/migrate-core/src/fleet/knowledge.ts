/** What one tenant's run found out, for the others in the same state. */

import type { Known } from '../engine/run-options.ts';
import { mayBeEmptied } from '../history.ts';
import type { Report } from '../report.ts';
import { digestOf } from './digest.ts';
import { keyOf, type Surveyed } from './survey.ts';

interface Lesson {
  readonly known: Known;
  /** Of the history when it is done. */
  readonly after: string;
}

/** How a tenant is migrated without reading its history first. */
export interface Shortcut {
  readonly known: Known;
  readonly after: string;
}

export class Knowledge {
  readonly #lessons = new Map<string, Lesson>();

  /** Whether the shortcut of this tenant only waits for its log's newest number. */
  has({ target, state }: Surveyed): boolean {
    return state !== null && this.#lessons.has(keyOf({ target, state }));
  }

  /** `null`: its run has to look for itself. */
  shortcut({ target, state }: Surveyed): Shortcut | null {
    if (state === null) return null;
    const lesson = this.#lessons.get(keyOf({ target, state }));
    if (lesson === undefined) return null;
    const { known, after } = lesson;
    if (state.kind === 'unused') return { known: { ...known, snapshot: { ...known.snapshot, tables: 'unused', generation: 0 } }, after };
    if (state.kind !== 'history' || state.tables === 'doubtful' || state.generation === null) return null;
    // Somebody may have emptied it, which its log tells.
    if (mayBeEmptied({ applied: known.snapshot.applied, generation: state.generation })) return null;
    return { known: { ...known, snapshot: { ...known.snapshot, tables: 'present', generation: state.generation } }, after };
  }

  /** Only from what went well: scripts that tenants share are there then. */
  learn({ target, state }: Surveyed, known: Known, report: Report): void {
    if (state === null || state.kind === 'noSchema' || report.outcome !== 'applied' || report.applied.length !== known.plan.steps.length) return;
    const { snapshot } = known;
    const { steps } = known.prepared;
    if (snapshot.strangers !== null || snapshot.applied.some((row) => row.state !== 'applied')) return;
    // Undoing follows the order in which a tenant got its migrations, and may rest on what is stored there.
    if (steps.some((step) => step.direction === 'down' || step.mode === 'resume' || step.script.kind === 'live')) return;
    // It may have been migrated between the survey and its visit.
    const found = snapshot.tables === 'absent' ? 'unused' : digestOf(snapshot.applied);
    if (found !== (state.kind === 'history' ? state.digest : state.kind)) return;
    const after = digestOf([...snapshot.applied, ...steps.map((step) => step.record)]);
    this.#lessons.set(keyOf({ target, state }), { known, after });
  }
}
