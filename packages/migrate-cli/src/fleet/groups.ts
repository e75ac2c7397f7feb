/** Tenants with the same history have the same plan: it is made once for each group of them. Reads only. */

import {
  findVersion,
  MigrationError,
  sourceNames,
  type DetailedPlan,
  type FleetStatus,
  type FleetTarget,
  type PlanRequest,
  type TenantResult,
} from '@org/migrate-core';

import { toMigrationError } from '../connect-error.ts';
import type { ServiceFleet } from './service-fleet.ts';

export interface PlannedGroup {
  readonly tenants: readonly string[];
  /** Of one of them; `null` with an error. */
  readonly plan: DetailedPlan | null;
  readonly error: MigrationError | null;
}

export interface FleetPlan {
  /** The largest first. Empty when no tenant could be read. */
  readonly groups: readonly PlannedGroup[];
  readonly failures: readonly TenantResult[];
}

/** Throws `invalidOptions` for `steps` of a down where tenants stand at different versions. */
export async function planFleet(tenants: ServiceFleet, request: PlanRequest, concurrency: number | undefined): Promise<FleetPlan> {
  const status = await tenants.fleet().status({ concurrency });
  if (request.direction === 'down' && request.to === undefined && request.only === undefined) refuseDifferent(status);
  const wanted = request.direction === 'down' ? { ...request, elsewhere: await namesWith(tenants, status, request.to ?? request.only) } : request;
  const representatives = status.groups.map(({ tenants: [first = ''] }) => first);
  const plans = await tenants.each(targetsOf(tenants, representatives), async (migrator) => {
    try {
      return { plan: await migrator.plan(wanted), error: null };
    } catch (error) {
      return { plan: null, error: toMigrationError(error) };
    }
  });
  const groups = new Map<string, PlannedGroup>();
  for (const [index, group] of status.groups.entries()) {
    const { plan, error } = plans[index] ?? { plan: null, error: null };
    // What differs below the steps (a checksum that was accepted, a migration of another build) makes no other plan.
    const key = JSON.stringify([
      plan?.steps.map(({ name, direction, mode, from, sql }) => [name, direction, mode, from, sql?.replaceAll(plan.target.schema, '…')]),
      plan?.plan,
      error?.message,
    ]);
    const known = groups.get(key);
    groups.set(key, { tenants: [...(known?.tenants ?? []), ...group.tenants], plan, error });
  }
  return { groups: [...groups.values()].toSorted((a, b) => b.tenants.length - a.tenants.length), failures: status.failures };
}

/** Among which a version is looked for, as a fleet does it: a tenant that does not have it has nothing to undo. */
async function namesWith({ origin }: ServiceFleet, { groups }: FleetStatus, version: string | undefined): Promise<readonly string[] | undefined> {
  if (version === undefined) return undefined;
  const names = sourceNames(await origin.source.list());
  if (findVersion(version, names).kind !== 'none') return names;
  return [...new Set(groups.flatMap(({ status }) => [...status.applied, ...status.interrupted].map((row) => row.name)))];
}

/** In the order of the ids. */
export function targetsOf(tenants: ServiceFleet, ids: readonly string[]): readonly FleetTarget[] {
  const byId = new Map(tenants.targets.map((target) => [target.tenant, target]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

function refuseDifferent({ groups }: FleetStatus): void {
  const standing = new Map<string, number>();
  for (const { tenants, status } of groups) {
    if (status.applied.length + status.interrupted.length === 0) continue;
    const version = status.current?.version ?? 'none';
    standing.set(version, (standing.get(version) ?? 0) + tenants.length);
  }
  if (standing.size <= 1) return;
  const shown = [...standing].slice(0, 5).map(([version, count]) => `${count} at ${version}`);
  throw new MigrationError({
    code: 'invalidOptions',
    message: `The tenants stand at different versions (${shown.join(', ')}${standing.size > shown.length ? ', …' : ''}): so many steps back would be something else for each of them. Nothing was done.`,
    hint: 'say where all should stand with --to VERSION, or which of them with --tenant ID',
  });
}

/** A version that no tenant knows was a slip of the hand: told once, and not by thousands of failures. */
export function refuseUnknownVersion({ groups }: FleetPlan): void {
  const problems = groups.map(({ plan }) => plan?.plan.problems.find((one) => one.code === 'unknownVersion'));
  const [first] = problems;
  if (first === undefined || problems.some((one) => one === undefined)) return;
  throw new MigrationError({ code: 'planRefused', message: first.message, problems: [first] });
}
