/** What a run over the tenants would do, group by group. Writes nothing. */

import { MigrationError, type ChosenConnection, type DetailedPlan, type PlanRequest } from '@org/migrate-core';

import { exit, exitCodeOf, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { planTarget } from '../render/document.ts';
import { renderSteps } from '../render/plan.ts';
import { heading, plural } from '../render/text.ts';
import { versionOf } from '../run.ts';
import { ServicesDocument } from './document.ts';
import { renderFailures, tenantNames } from './failures.ts';
import { planFleet, type FleetPlan, type PlannedGroup } from './groups.ts';
import { aboutTenants } from './hint.ts';
import { noTenants, tellError } from './run.ts';
import type { ServiceFleet } from './service-fleet.ts';

export interface TenantsPlan {
  readonly tenants: ServiceFleet;
  readonly request: PlanRequest;
  readonly connection: ChosenConnection;
  readonly plan: FleetPlan;
}

/** Throws `invalidOptions` for `steps` of a down where tenants stand at different versions. */
export async function readFleetPlan({ options }: Invocation, tenants: ServiceFleet, request: PlanRequest): Promise<TenantsPlan> {
  const connection = await tenants.service.connection();
  const plan = tenants.targets.length === 0 ? { groups: [], failures: [] } : await planFleet(tenants, request, options.concurrency);
  return { tenants, request, connection, plan };
}

/** @param sql Whether people are shown the SQL as well. Exits as the run would, where that can be told. */
export async function showFleetPlan(invocation: Invocation, tenants: ServiceFleet, request: PlanRequest, sql: 'whole' | 'none'): Promise<ExitCode> {
  const planned = await readFleetPlan(invocation, tenants, request);
  if (invocation.options.json === true) {
    const document = new ServicesDocument(invocation.output);
    document.begin(tenants.service.name);
    await addFleetPlan(document, planned, invocation.cwd);
    document.close();
    document.end();
  } else await tellFleetPlan(invocation, planned, sql);
  tellFleetErrors(invocation, planned);
  return exitCodeOfFleetPlan(invocation, planned);
}

export async function tellFleetPlan(
  { options, output }: Invocation,
  { tenants, request, connection, plan }: TenantsPlan,
  sql: 'whole' | 'none',
): Promise<void> {
  const { origin, targets } = tenants;
  output.line(heading(origin.label, connection, output.colours));
  output.line(targets.length === 0 ? `  ${await noTenants(tenants)}` : `  ${plural(targets.length, 'tenant')}; nothing is written`);
  for (const group of plan.groups) {
    const names = tenantNames(group.tenants, options.verbose === true ? 'all' : 'few');
    output.line(`  ${output.colours.bold(plural(group.tenants.length, 'tenant'))}: ${what(group, request)} (${names})`);
    if (group.plan === null) continue;
    for (const line of renderSteps(withOwnHints({ ...group, plan: group.plan }, origin.flags), sql, output.colours)) output.line(line);
  }
}

export function tellFleetErrors(invocation: Invocation, { tenants, plan }: TenantsPlan): void {
  const { options, output, cwd } = invocation;
  for (const { error } of plan.groups) if (error !== null) tellError(invocation, error);
  const extent = options.verbose === true ? 'all' : 'first';
  for (const line of renderFailures(plan.failures, { colours: output.colours, extent, cwd, flags: tenants.origin.flags })) output.log(line);
}

export function exitCodeOfFleetPlan({ stoppedBy }: Invocation, { tenants, request, plan }: TenantsPlan): ExitCode {
  const { groups, failures } = plan;
  const errors = groups.map(errorOf);
  const [first] = errors.filter((one) => one !== null);
  const bad = groups.reduce((sum, group, index) => sum + (errors[index] === null ? 0 : group.tenants.length), failures.length);
  if (bad === 0) return exit.done;
  if (bad < tenants.targets.length) return exit.someTenantsFailed;
  return first === undefined ? exit.failed : exitCodeOf(first, request.direction, stoppedBy());
}

/** A target for each group: who is in it stands in `tenants`. */
export async function addFleetPlan(
  document: ServicesDocument,
  { tenants: { service, origin }, request, connection, plan }: TenantsPlan,
  cwd: string,
): Promise<void> {
  for (const { tenants, plan: each, error } of plan.groups) {
    const failedVersion = error === null ? null : await versionOf(origin.source, error);
    const shared = planTarget({ service: service.name, direction: request.direction, connection, plan: each, error, failedVersion }, cwd);
    document.add({ ...shared, target: null, tenant: null, tenants: tenants.toSorted() });
  }
}

function withOwnHints({ plan, tenants }: PlannedGroup & { readonly plan: DetailedPlan }, flags: string): DetailedPlan {
  const problems = plan.plan.problems.map((one) => ({ ...one, message: aboutTenants(one.message, tenants, flags) }));
  return { ...plan, plan: { ...plan.plan, problems } };
}

function what({ plan }: PlannedGroup, { direction }: PlanRequest): string {
  if (plan === null) return 'cannot be planned';
  const verb = direction === 'up' ? 'apply' : 'undo';
  if (plan.plan.problems.some((one) => one.severity === 'error')) return `refused, ${plural(plan.steps.length, 'migration')} to ${verb}`;
  return plan.steps.length === 0 ? `nothing to ${verb}` : `${plural(plan.steps.length, 'migration')} to ${verb}`;
}

function errorOf({ plan, error }: PlannedGroup): MigrationError | null {
  if (error !== null) return error;
  const problems = plan?.plan.problems.filter((one) => one.severity === 'error') ?? [];
  return problems.length === 0 ? null : new MigrationError({ code: 'planRefused', message: 'refused', problems });
}
