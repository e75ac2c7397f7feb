/** What to type behind a migration that was stopped or has failed. Pure. */

import type { ReadyStep } from './run-state.ts';
import { inQuotes } from '../shell.ts';

/** The step that a failure is about. */
export type Told = Pick<ReadyStep, 'name' | 'direction'>;

/**
 * What applies, or undoes, this one again. An up would apply what a down has undone, and the same down could undo more than was meant: what is done does not count
 * any more.
 */
export function again({ name, direction }: Told): string {
  return direction === 'up' ? 'migrate up' : `migrate down --only ${inQuotes(name)}`;
}

/** After a run that was stopped between two migrations. @param rest What it would have gone on with; empty where that is not known. */
export function goOn(direction: 'up' | 'down', [next, ...others]: readonly string[]): string {
  if (direction === 'up') return 'run `migrate up` again to go on';
  if (next === undefined) return 'see what is applied with: migrate status';
  const more = others.length === 0 ? '' : `, and so on, down to ${others.at(-1)}`;
  return `go on with: migrate down --only ${inQuotes(next)}${more}`;
}
