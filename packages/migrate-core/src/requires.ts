/** What a run needs of other services, and what other services need of what it would undo. Asks through callbacks. */

import { setTimeout as sleep } from 'node:timers/promises';

import { findVersion, type Requirement } from './migration.ts';
import type { AvailableMigration, Problem, Step } from './plan.ts';
import { inQuotes } from './shell.ts';

/** One service's applied migration that needs something of another service. */
export interface Dependant {
  readonly service: string;
  readonly name: string;
  readonly requires: readonly Requirement[];
  /** How many of the service's tenants have it; left out where it is the service's own. */
  readonly tenants?: number;
}

const LOOK_AGAIN_MS = 1_000;

/** Requirements of the steps that other services have not applied yet, after waiting for them up to `waitMs`. */
export async function unmetRequirements(input: {
  readonly steps: readonly Step[];
  readonly available: readonly AvailableMigration[];
  readonly ask: ((service: string) => Promise<readonly string[] | null>) | undefined;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}): Promise<Problem[]> {
  const requiring = input.available.filter((one) => one.requires.length > 0);
  if (requiring.length === 0) return [];
  const pending = new Set(input.steps.filter((step) => step.direction === 'up').map((step) => step.name));
  const needs = requiring.filter((one) => pending.has(one.name)).flatMap((one) => one.requires.map((requirement) => ({ migration: one, requirement })));
  if (needs.length === 0) return [];
  const until = performance.now() + input.waitMs;
  for (;;) {
    const problems: Problem[] = [];
    const known = new Map<string, readonly string[] | null>();
    for (const { migration, requirement } of needs) {
      const { service, version } = requirement;
      if (!known.has(service)) known.set(service, (await input.ask?.(service)) ?? null);
      const applied = known.get(service) ?? null;
      if (applied !== null && findVersion(version, applied).kind === 'found') continue;
      const state = applied === null ? `what ${service} has applied cannot be learned` : `${service} has applied ${applied.at(-1) ?? 'nothing'}`;
      problems.push({
        code: 'unmetRequirement',
        severity: 'error',
        name: migration.name,
        version: migration.version,
        message: `${migration.name} requires ${service}@${version}, but ${state}. Migrate ${service} first: migrate up --service ${inQuotes(service)}`,
      });
    }
    if (problems.length === 0 || performance.now() >= until || input.signal?.aborted === true) return problems;
    await sleep(LOOK_AGAIN_MS, undefined, { signal: input.signal }).catch(() => undefined);
  }
}

/** Applied migrations of other services that need a migration which these steps would undo. */
export async function brokenRequirements(input: {
  readonly service: string;
  readonly steps: readonly Step[];
  readonly applied: readonly string[];
  readonly ask: (() => Promise<readonly Dependant[]>) | undefined;
}): Promise<Problem[]> {
  const undone = new Map(input.steps.map((step) => [step.name, step]));
  if (undone.size === 0 || input.ask === undefined) return [];
  const problems: Problem[] = [];
  for (const dependant of await input.ask()) {
    for (const { service, version } of dependant.requires) {
      if (service !== input.service) continue;
      const needed = findVersion(version, input.applied);
      const step = needed.kind === 'found' ? undone.get(needed.name) : undefined;
      if (step === undefined) continue;
      problems.push({
        code: 'unmetRequirement',
        severity: 'error',
        name: step.name,
        version: step.version,
        message: `${step.name} cannot be undone: ${dependant.service} ${dependant.name}${where(dependant)} → requires ${service}@${version} → ${service} ${step.name}. Undo that first: migrate down --service ${inQuotes(dependant.service)}${dependant.tenants === undefined ? '' : ' --source tenant'} --only ${inQuotes(dependant.name)}`,
      });
    }
  }
  return problems;
}

function where({ tenants }: Dependant): string {
  return tenants === undefined ? '' : ` (in ${tenants} tenant${tenants === 1 ? '' : 's'})`;
}
