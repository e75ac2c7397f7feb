/** `up`, `down`, `status` and `plan` over the tenants of one service. */

import type { PlanRequest } from '@org/migrate-core';

import { confirm } from '../confirm.ts';
import type { ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { plural } from '../render/text.ts';
import { Requirements } from '../requirements.ts';
import { limitsOf, onlyTenants, type Scope } from '../scope.ts';
import type { Selection } from '../selection.ts';
import { planFleet, refuseUnknownVersion } from './groups.ts';
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

/** @param what A clause: `undo the last migration`. */
export async function downTenants(invocation: Invocation, selection: Selection, scope: Scope, what: string): Promise<ExitCode> {
  const { options } = invocation;
  const { to, steps, only, atomic, dryRun } = options;
  const request = { direction: 'down', to, steps, only } as const;
  if (dryRun === true) return planTenants(invocation, selection, scope, request, 'whole');
  return withTenants(invocation, selection, scope, what, async (tenants) => {
    const plan = await planFleet(tenants, request, options.concurrency);
    refuseUnknownVersion(plan);
    const touched = plan.groups.filter((group) => (group.plan?.steps.length ?? 0) > 0).reduce((sum, group) => sum + group.tenants.length, 0);
    await confirmTouched(invocation, selection, tenants, touched, what, touched > 1 ? 'always' : 'severalOnly');
    const atomicity = atomic === true ? 'whole-plan' : 'per-migration';
    return finishFleet(invocation, tenants, 'down', (fleet) => fleet.down({ to, steps, only, atomicity, ...limitsOf(options) }));
  });
}

/** How many it touches is said before it asks. @param what A clause: `undo the last migration`. */
export async function confirmTouched(
  invocation: Invocation,
  selection: Selection,
  { service, targets }: ServiceFleet,
  touched: number,
  what: string,
  caution: 'always' | 'severalOnly',
): Promise<void> {
  if (touched === 0) return;
  const how = `${what} in ${touched === 1 ? 'one tenant' : plural(touched, 'tenant')}`;
  invocation.output.line(`This will ${how}${touched < targets.length ? ` of ${targets.length}` : ''}.`);
  await confirm(invocation, { ...selection, services: [service] }, caution, how);
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
