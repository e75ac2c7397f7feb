/** What tenants' migrations require of other services is waited for once, and not by each tenant for itself. */

import { setTimeout as sleep } from 'node:timers/promises';

import { findVersion, type Requirement } from '@org/migrate-core';

import type { Invocation } from '../invocation.ts';
import { duration, printable } from '../render/text.ts';
import type { ServiceFleet } from './service-fleet.ts';

const LOOK_AGAIN_MS = 1_000;

/** As long as `--lock-wait` says; without it not at all. What is not met then is each tenant's failure to tell. */
export async function waitForRequirements({ options, output, signal }: Invocation, tenants: ServiceFleet): Promise<void> {
  const { lockWait } = options;
  if (lockWait === undefined) return;
  const until = performance.now() + lockWait;
  const needs = await pendingRequirements(tenants);
  let unmet = await firstUnmet(tenants, needs);
  if (unmet !== null)
    output.line(`${output.colours.yellow('…')} waiting for ${printable(`${unmet.service}@${unmet.version}`)}, for ${duration(lockWait)} at most`);
  while (unmet !== null && performance.now() < until && !signal.aborted) {
    await sleep(Math.min(LOOK_AGAIN_MS, until - performance.now()), undefined, { signal }).catch(() => undefined);
    unmet = await firstUnmet(tenants, needs);
  }
}

async function pendingRequirements(tenants: ServiceFleet): Promise<readonly Requirement[]> {
  const { migrations } = await tenants.origin.source.list();
  const requiring = new Map(migrations.filter((one) => one.directives.requires.length > 0).map((one) => [one.name, one.directives.requires]));
  if (requiring.size === 0) return [];
  const { groups } = await tenants.fleet().status();
  const pending = new Set(groups.flatMap((group) => group.status.pending.map((one) => one.name)));
  return [...requiring].flatMap(([name, requires]) => (pending.has(name) ? requires : []));
}

async function firstUnmet({ requirements }: ServiceFleet, needs: readonly Requirement[]): Promise<Requirement | null> {
  const known = new Map<string, readonly string[]>();
  for (const need of needs) {
    const applied = known.get(need.service) ?? (await requirements?.(need.service)) ?? [];
    known.set(need.service, applied);
    if (findVersion(need.version, applied).kind !== 'found') return need;
  }
  return null;
}
