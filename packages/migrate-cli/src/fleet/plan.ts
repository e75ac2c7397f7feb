/** What a run over the tenants would do, group by group. Writes nothing. */

import { MigrationError, type ChosenConnection, type PlanRequest } from '@org/migrate-core';

import { exit, exitCodeOf, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { planTarget } from '../render/document.ts';
import { renderError } from '../render/error.ts';
import { renderSteps } from '../render/plan.ts';
import { heading, plural } from '../render/text.ts';
import { FleetDocument } from './document.ts';
import { renderFailures, tenantNames } from './failures.ts';
import { planFleet, type PlannedGroup } from './groups.ts';
import type { ServiceFleet } from './service-fleet.ts';

/** @param sql Whether people are shown the SQL as well. Exits as the run would, where that can be told. */
export async function showFleetPlan(invocation: Invocation, tenants: ServiceFleet, request: PlanRequest, sql: 'whole' | 'none'): Promise<ExitCode> {
  const { options, output, cwd, stoppedBy } = invocation;
  const { service, targets } = tenants;
  const connection = await service.connection();
  const { groups, failures } = await planFleet(tenants, request, options.concurrency);
  const style = { colours: output.colours, extent: options.verbose === true ? 'all' : 'first', cwd } as const;
  if (options.json === true) writeDocument(invocation, tenants, connection, request, groups);
  else {
    output.line(heading(service.name, connection, output.colours));
    output.line(`  ${plural(targets.length, 'tenant')}; nothing is written`);
    for (const group of groups) {
      output.line(
        `  ${output.colours.bold(plural(group.tenants.length, 'tenant'))}: ${what(group, request)} (${tenantNames(group.tenants, options.verbose === true ? 'all' : 'few')})`,
      );
      if (group.plan !== null) for (const line of renderSteps(group.plan, sql, output.colours)) output.line(line);
    }
  }
  for (const { error } of groups)
    if (error !== null)
      output.log(renderError(error, { colours: output.colours, verbose: options.verbose === true, showData: options.showData === true, cwd }));
  for (const line of renderFailures(failures, style)) output.log(line);
  const errors = groups.map(errorOf);
  const [first] = errors.filter((one) => one !== null);
  const bad = groups.reduce((sum, group, index) => sum + (errors[index] === null ? 0 : group.tenants.length), failures.length);
  if (bad === 0) return exit.done;
  if (bad < targets.length) return exit.someTenantsFailed;
  return first === undefined ? exit.failed : exitCodeOf(first, request.direction, stoppedBy());
}

function writeDocument(
  { output, cwd }: Invocation,
  { service }: ServiceFleet,
  connection: ChosenConnection,
  { direction }: PlanRequest,
  groups: readonly PlannedGroup[],
): void {
  const document = new FleetDocument(output, service.name);
  for (const { tenants, plan, error } of groups)
    document.add({
      ...planTarget({ service: service.name, direction, connection, plan, error }, cwd),
      target: null,
      tenant: null,
      tenants: tenants.toSorted(),
    });
  document.end();
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
