/** What a run over the selected services would do, in its order. Writes nothing. */

import type { ChosenConnection, PlanRequest } from '@org/migrate-core';
import { MigrationError } from '@org/migrate-core';

import { toMigrationError } from './connect-error.ts';
import { exit, exitCodeOf, type ExitCode } from './exit.ts';
import type { TenantsPlan } from './fleet/plan.ts';
import type { Invocation, Output } from './invocation.ts';
import { locatedProblems, type About } from './located.ts';
import { errorKeys, type ServicePlan } from './render/document.ts';
import { renderError, styleOf } from './render/error.ts';
import { renderPlan } from './render/plan.ts';
import { Requirements } from './requirements.ts';
import { migratorOptions, versionOf } from './run.ts';
import type { Scope } from './scope.ts';
import { refuseDisorder, type Selection } from './selection.ts';
import type { Service } from './service.ts';

type Part =
  | { readonly kind: 'shared'; readonly plan: ServicePlan }
  | { readonly kind: 'tenants'; readonly plan: TenantsPlan }
  | { readonly kind: 'broken'; readonly error: MigrationError };

/** @param sql Whether people are shown the SQL as well. Exits as the run would: 0, or the code of the first problem. */
export async function planServices(invocation: Invocation, selection: Selection, scope: Scope, request: PlanRequest, sql: 'whole' | 'none'): Promise<ExitCode> {
  refuseDisorder(selection);
  const { direction } = request;
  const { shared = selection.services, tenants = [] } = scope.kind === 'services' ? scope : {};
  const requirements = new Requirements(selection, (text) => invocation.output.log(text));
  const services = direction === 'up' ? selection.services : selection.services.toReversed();
  const parts = new Map<string, Part[]>();
  for (const service of services) {
    invocation.signal.throwIfAborted();
    const found: Part[] = [];
    if (shared.includes(service)) found.push({ kind: 'shared', plan: await planShared(invocation, service, requirements, request) });
    if (tenants.includes(service)) found.push(await planOfTenants(invocation, service, requirements, request));
    if (found.length > 0) parts.set(service.name, found);
  }
  await tell(invocation, selection, parts, sql);
  return exitCodeOfParts(invocation, [...parts.values()].flat(), direction);
}

async function planShared(invocation: Invocation, service: Service, requirements: Requirements, request: PlanRequest): Promise<ServicePlan> {
  const { direction } = request;
  let connection: ChosenConnection | null = null;
  try {
    connection = await service.connection();
    const plan = await service.migrator(migratorOptions(invocation, service, requirements)).plan(request);
    requirements.foresee(service.name, plan.steps);
    return { service: service.name, direction, connection, plan, error: null, failedVersion: null };
  } catch (thrown) {
    const error = toMigrationError(thrown);
    return { service: service.name, direction, connection, plan: null, error, failedVersion: await versionOf(service.source, error) };
  }
}

async function planOfTenants(invocation: Invocation, service: Service, requirements: Requirements, request: PlanRequest): Promise<Part> {
  try {
    const [{ readFleetPlan }, { ServiceFleet }, { registryOrigin }] = await Promise.all([
      import('./fleet/plan.ts'),
      import('./fleet/service-fleet.ts'),
      import('./fleet/registry-list.ts'),
    ]);
    const asked = { requirements: requirements.hooks(service).requirements };
    const tenants = new ServiceFleet(invocation, service, await registryOrigin(invocation, service), asked);
    return { kind: 'tenants', plan: await readFleetPlan(invocation, tenants, request) };
  } catch (error) {
    return { kind: 'broken', error: toMigrationError(error) };
  }
}

async function tell(invocation: Invocation, selection: Selection, parts: ReadonlyMap<string, readonly Part[]>, sql: 'whole' | 'none'): Promise<void> {
  const { options, output, cwd } = invocation;
  const all = [...parts.values()].flat();
  const plans = all.flatMap((part) => (part.kind === 'shared' ? [part.plan] : []));
  const fleets = all.some((part) => part.kind !== 'shared') ? await import('./fleet/plan.ts') : null;
  if (options.json === true) {
    const { planDocument, planTarget } = await import('./render/document.ts');
    if (fleets === null) output.document(planDocument(plans, cwd));
    else {
      const document = new (await import('./fleet/document.ts')).ServicesDocument(output);
      for (const [service, ofService] of parts) {
        document.begin(service);
        for (const part of ofService) {
          if (part.kind === 'shared') document.add(planTarget(part.plan, cwd));
          if (part.kind === 'tenants') await fleets.addFleetPlan(document, part.plan, cwd);
        }
        const broken = ofService.find((part) => part.kind === 'broken')?.error;
        document.close(broken === undefined ? {} : { error: errorKeys(broken) });
      }
      document.end();
    }
  } else {
    for (const part of all) {
      if (part.kind === 'shared' && part.plan.error === null) output.line(renderPlan(withLocated(part.plan, selection, output), sql, output.colours));
      if (part.kind === 'tenants') await fleets?.tellFleetPlan(invocation, part.plan, sql);
    }
  }
  for (const part of all) {
    const error = part.kind === 'broken' ? part.error : part.kind === 'shared' ? part.plan.error : null;
    if (error !== null) output.log(renderError(error, styleOf(invocation, part.kind === 'shared' ? aboutOf(part.plan, selection) : undefined)));
    if (part.kind === 'tenants') fleets?.tellFleetErrors(invocation, part.plan);
  }
}

function withLocated(shared: ServicePlan, selection: Selection, { located }: Output): ServicePlan {
  const detailed = shared.plan;
  const about = aboutOf(shared, selection);
  if (detailed === null) return shared;
  return { ...shared, plan: { ...detailed, plan: { ...detailed.plan, problems: locatedProblems(detailed.plan.problems, (text) => located(text, about)) } } };
}

function aboutOf({ service }: ServicePlan, { services }: Selection): About | undefined {
  return services.find((one) => one.name === service)?.about;
}

async function exitCodeOfParts(invocation: Invocation, parts: readonly Part[], direction: 'up' | 'down'): Promise<ExitCode> {
  const [first] = parts.flatMap((part) =>
    part.kind === 'broken' ? [part.error] : part.kind === 'shared' && part.plan.error !== null ? [part.plan.error] : [],
  );
  if (first !== undefined) return exitCodeOf(first, direction, invocation.stoppedBy());
  const refused = parts.flatMap((part) => (part.kind === 'shared' ? (part.plan.plan?.plan.problems.filter((one) => one.severity === 'error') ?? []) : []));
  // A plan waits for nobody: what is not met is a problem, not a wait that was given up.
  if (refused.length > 0)
    return exitCodeOf(new MigrationError({ code: 'planRefused', message: 'refused', problems: refused }), direction, invocation.stoppedBy());
  for (const part of parts) {
    if (part.kind !== 'tenants') continue;
    const code = (await import('./fleet/plan.ts')).exitCodeOfFleetPlan(invocation, part.plan);
    if (code !== exit.done) return code;
  }
  return exit.done;
}
