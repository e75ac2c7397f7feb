/** What a down would undo, by name: for the question whether it is meant. */

import type { PlanRequest } from '@org/migrate-core';

import { printable } from './render/text.ts';
import type { Service } from './service.ts';

/** More than these are counted. */
const MOST_NAMED = 3;

/** The first few of them, and their number where they are several. Empty for none. */
export function someOf(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMED).map(printable).join(', ');
  return names.length < 2 ? shown : `${shown}${names.length > MOST_NAMED ? ', …' : ''} (${names.length} migrations)`;
}

/**
 * In the order of undoing, with the services where they are several. Reads each database; `null` where there is nothing to undo, or where that cannot be
 * told: the run says why.
 */
export async function namesToUndo(services: readonly Service[], request: Extract<PlanRequest, { direction: 'down' }>): Promise<string | null> {
  const told: string[] = [];
  for (const service of services.toReversed()) {
    try {
      const {
        steps,
        plan: { problems },
      } = await service.migrator().plan(request);
      // What is refused undoes nothing, also not the steps that could.
      if (problems.some((one) => one.severity === 'error')) return null;
      if (steps.length > 0) told.push(`${someOf(steps.map((step) => step.name))}${services.length > 1 ? ` of ${service.name}` : ''}`);
    } catch {
      return null;
    }
  }
  return told.length === 0 ? null : told.join(', ');
}
