/** `up`, `down`, `status` and `plan` over the tenants of one service. */

import type { PlanRequest } from '@org/migrate-core';

import { confirm, effects } from '../confirm.ts';
import type { ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { plural } from '../render/text.ts';
import { Requirements } from '../requirements.ts';
import { limitsOf, onlyTenants, type Scope } from '../scope.ts';
import type { Selection } from '../selection.ts';
import { someOf } from '../undone-names.ts';
import { planFleet, refuseUnknownVersion, type FleetPlan } from './groups.ts';
import { refuseSlip } from './part.ts';
import { registryOrigin } from './registry-list.ts';
import { finishFleet, tellNoTenants } from './run.ts';
import { ServiceFleet } from './service-fleet.ts';
import { queryOrigin, serviceOfTenants, tenantQuery } from './tenant-list.ts';

export async function upTenants(invocation: Invocation, selection: Selection, scope: Scope): Promise<ExitCode> {
  const { to, steps, order, atomic, dryRun } = invocation.options;
  const atomicity = atomic === true ? 'whole-plan' : 'per-migration';
  if (dryRun === true) return planTenants(invocation, selection, scope, { direction: 'up', to, steps, order }, 'whole');
  return withTenants(invocation, selection, scope, 'apply', async (tenants) => {
    if (to !== undefined) await refuseSlip(tenants, to);
    return finishFleet(invocation, tenants, 'up', (fleet) => fleet.up({ to, steps, atomicity, ...limitsOf(invocation.options) }));
  });
}

/** @param what A clause, for when it is not said whose: `undo the last migration`. */
export async function downTenants(invocation: Invocation, selection: Selection, scope: Scope, what: string): Promise<ExitCode> {
  const { options } = invocation;
  const { to, steps, only, atomic, dryRun } = options;
  const request = { direction: 'down', to, steps, only } as const;
  if (dryRun === true) return planTenants(invocation, selection, scope, request, 'whole');
  return withTenants(invocation, selection, scope, what, async (tenants) => {
    const plan = await planFleet(tenants, request, options.concurrency);
    refuseUnknownVersion(plan);
    const touched = touchedBy(plan);
    await confirmTouched(invocation, selection, tenants, touched.tenants, `undo ${touched.names}`, effects.down);
    const atomicity = atomic === true ? 'whole-plan' : 'per-migration';
    return finishFleet(invocation, tenants, 'down', (fleet) => fleet.down({ to, steps, only, atomicity, ...limitsOf(options) }));
  });
}

/** What it does and how many it touches is said, and asked. Nothing where it touches none. @param what A clause: `undo 0008_add_room`. */
export async function confirmTouched(
  invocation: Invocation,
  selection: Selection,
  { service, targets }: ServiceFleet,
  touched: number,
  what: string,
  effect: string,
): Promise<void> {
  if (touched === 0) return;
  const some = touched === 1 ? 'one' : `${touched}`;
  const where = touched < targets.length ? `${some} of ${plural(targets.length, 'tenant')}` : `${some} ${touched === 1 ? 'tenant' : 'tenants'}`;
  await confirm(invocation, { ...selection, services: [service] }, 'always', { what: `${what} in ${where}`, effect, announced: 'first' });
}

/** How many tenants a plan of a down would touch, and the migrations it undoes in any of them: the first few and their number. */
export function touchedBy({ groups }: FleetPlan): { readonly tenants: number; readonly names: string } {
  const undone = new Set<string>();
  let tenants = 0;
  // The longest way first: the others are parts of it, or differ.
  for (const group of groups.toSorted((a, b) => (b.plan?.steps.length ?? 0) - (a.plan?.steps.length ?? 0))) {
    const steps = group.plan?.steps ?? [];
    if (steps.length === 0) continue;
    tenants += group.tenants.length;
    for (const step of steps) if (step.direction === 'down') undone.add(step.name);
  }
  return { tenants, names: someOf([...undone]) };
}

export function planTenants(invocation: Invocation, selection: Selection, scope: Scope, request: PlanRequest, sql: 'whole' | 'none'): Promise<ExitCode> {
  return withTenants(invocation, selection, scope, 'plan', async (tenants) => {
    const { showFleetPlan } = await import('./plan.ts');
    return showFleetPlan(invocation, tenants, request, sql);
  });
}

export async function statusOfTenants(invocation: Invocation, selection: Selection, scope: Scope): Promise<ExitCode> {
  const tenants = await tenantsOf(invocation, selection, scope, 'look');
  // Those that are not whole are worth seeing as well.
  if (tenants.targets.length === 0 && (tenants.origin.registry?.others ?? []).length === 0) return tellNoTenants(invocation, tenants);
  const { showFleetStatus } = await import('./status.ts');
  return showFleetStatus(invocation, tenants);
}

/** The tenants that the command line means, if there are any. @param what A clause, for when it does not say whose. */
export async function withTenants(
  invocation: Invocation,
  selection: Selection,
  scope: Scope,
  what: string,
  work: (tenants: ServiceFleet) => Promise<ExitCode>,
): Promise<ExitCode> {
  const tenants = await tenantsOf(invocation, selection, scope, what);
  return tenants.targets.length === 0 ? tellNoTenants(invocation, tenants) : work(tenants);
}

async function tenantsOf(invocation: Invocation, selection: Selection, scope: Scope, what: string): Promise<ServiceFleet> {
  const { output } = invocation;
  const asked = (service: ServiceFleet['service']) => ({ requirements: new Requirements(selection, (text) => output.log(text)).hooks(service).requirements });
  if (scope.kind === 'services') {
    const service = onlyTenants(scope, what);
    return new ServiceFleet(invocation, service, await registryOrigin(invocation, service), asked(service));
  }
  const query = tenantQuery(invocation.options);
  const service = serviceOfTenants(selection, query);
  return new ServiceFleet(invocation, service, await queryOrigin(invocation, service, query), asked(service));
}
