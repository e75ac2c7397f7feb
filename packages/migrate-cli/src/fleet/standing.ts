/** How many tenants stand at which version, and how many nowhere yet. */

import type { FleetStatus, Tenant } from '@org/migrate-core';

import { printable } from '../render/text.ts';
import type { ServiceFleet } from './service-fleet.ts';

/** The most frequent first; `null` is a tenant where nothing is applied. */
export type Standing = readonly { readonly version: string | null; readonly count: number }[];

const MOST_TOLD = 3;

/** After a run, of which others may have done a part. */
export async function standingNow(tenants: ServiceFleet): Promise<Standing> {
  return standingIn(await tenants.fleet().status());
}

export function standingIn({ groups }: Pick<FleetStatus, 'groups'>): Standing {
  const counts = new Map<string | null, number>();
  for (const { tenants, status } of groups) {
    const version = status.current?.version ?? null;
    counts.set(version, (counts.get(version) ?? 0) + tenants.length);
  }
  return [...counts].map(([version, count]) => ({ version, count })).toSorted((a, b) => b.count - a.count);
}

/** `13 at 0003, 1 at 0001`; all at one version: that version alone. */
export function tellStanding(standing: Standing): string {
  const [first, ...more] = standing;
  if (first === undefined) return '–';
  if (more.length === 0) return printable(first.version ?? '–');
  const told = standing.slice(0, MOST_TOLD).map(({ version, count }) => `${count} at ${version === null ? 'none' : printable(version)}`);
  return `${told.join(', ')}${standing.length > MOST_TOLD ? ', …' : ''}`;
}

/** How many last runs ended so. */
export function countOf(runs: readonly { readonly end: 'failed' | 'stopped' }[], end: 'failed' | 'stopped'): number {
  return runs.filter((one) => one.end === end).length;
}

/** How many are not whole: to be gone on with. */
export function unfinished(others: readonly Tenant[]): number {
  return others.filter((one) => one.status === 'failed' || one.status === 'provisioning').length;
}
