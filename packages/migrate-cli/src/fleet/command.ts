/** `up`, `down`, `status` and `plan` over the tenants of a service. */

import { MigrationError, type PlanRequest } from '@org/migrate-core';

import { confirm } from '../confirm.ts';
import type { ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { plural } from '../render/text.ts';
import type { Selection } from '../selection.ts';
import { planFleet, refuseUnknownVersion } from './groups.ts';
import { runFleet, tellNoTenants } from './run.ts';
import { ServiceFleet } from './service-fleet.ts';
import { readTenants, serviceOfTenants, tenantQuery } from './tenant-list.ts';

export async function upTenants(invocation: Invocation, selection: Selection): Promise<ExitCode> {
  const { to, steps, order, atomic, dryRun } = invocation.options;
  const request = { direction: 'up', to, steps, order } as const;
  if (dryRun === true) return planTenants(invocation, selection, request, 'whole');
  return withTenants(invocation, selection, async (tenants) => {
    const [target] = tenants.targets;
    if (to !== undefined && target !== undefined) await refuseSlip(tenants, request);
    const atomicity = atomic === true ? 'whole-plan' : 'per-migration';
    return runFleet(invocation, tenants, 'up', (fleet) => fleet.up({ to, steps, atomicity, ...limits(invocation) }));
  });
}

/** @param what A clause: `undo the last migration`. */
export async function downTenants(invocation: Invocation, selection: Selection, what: string): Promise<ExitCode> {
  const { options, output } = invocation;
  const { to, steps, only, atomic, dryRun } = options;
  const request = { direction: 'down', to, steps, only } as const;
  if (dryRun === true) return planTenants(invocation, selection, request, 'whole');
  return withTenants(invocation, selection, async (tenants) => {
    const plan = await planFleet(tenants, request, options.concurrency);
    refuseUnknownVersion(plan);
    const touched = plan.groups.filter((group) => (group.plan?.steps.length ?? 0) > 0).reduce((sum, group) => sum + group.tenants.length, 0);
    if (touched > 0) {
      const how = `${what} in ${touched === 1 ? 'one tenant' : plural(touched, 'tenant')}`;
      output.line(`This will ${how}${touched < tenants.targets.length ? ` of ${tenants.targets.length}` : ''}.`);
      await confirm(invocation, selection, touched > 1 ? 'always' : 'severalOnly', how);
    }
    const atomicity = atomic === true ? 'whole-plan' : 'per-migration';
    return runFleet(invocation, tenants, 'down', (fleet) => fleet.down({ to, steps, only, atomicity, ...limits(invocation) }));
  });
}

export function planTenants(invocation: Invocation, selection: Selection, request: PlanRequest, sql: 'whole' | 'none'): Promise<ExitCode> {
  return withTenants(invocation, selection, async (tenants) => {
    const { showFleetPlan } = await import('./plan.ts');
    return showFleetPlan(invocation, tenants, request, sql);
  });
}

export function statusOfTenants(invocation: Invocation, selection: Selection): Promise<ExitCode> {
  return withTenants(invocation, selection, async (tenants) => {
    const { showFleetStatus } = await import('./status.ts');
    return showFleetStatus(invocation, tenants);
  });
}

async function withTenants(invocation: Invocation, selection: Selection, work: (tenants: ServiceFleet) => Promise<ExitCode>): Promise<ExitCode> {
  const query = tenantQuery(invocation.options);
  const service = serviceOfTenants(selection, query);
  const tenants = new ServiceFleet(invocation, service, await readTenants(invocation, service, query));
  return tenants.targets.length === 0 ? tellNoTenants(invocation, tenants) : work(tenants);
}

/** A version that the folder does not have would fail for every tenant: the first one tells. */
async function refuseSlip(tenants: ServiceFleet, request: PlanRequest): Promise<void> {
  const [plan] = await tenants.each(tenants.targets.slice(0, 1), (migrator) => migrator.plan(request).catch(() => null));
  const problem = plan?.plan.problems.find((one) => one.code === 'unknownVersion');
  if (problem !== undefined) throw new MigrationError({ code: 'planRefused', message: problem.message, problems: [problem] });
}

function limits({ options }: Invocation): {
  readonly concurrency?: number | undefined;
  readonly canary?: number | undefined;
  readonly maxFailures?: number | undefined;
} {
  const { concurrency, canary, maxFailures } = options;
  return { concurrency, canary, maxFailures };
}
