/** What a run over the selected services would do, in its order. Writes nothing. */

import type { ChosenConnection, PlanRequest } from '@org/migrate-core';
import { MigrationError } from '@org/migrate-core';

import { toMigrationError } from './connect-error.ts';
import { exit, exitCodeOf, type ExitCode } from './exit.ts';
import type { Invocation } from './invocation.ts';
import type { ServicePlan } from './render/document.ts';
import { renderError } from './render/error.ts';
import { renderPlan } from './render/plan.ts';
import { Requirements } from './requirements.ts';
import { migratorOptions } from './run.ts';
import { refuseDisorder, type Selection } from './selection.ts';

/** @param sql Whether people are shown the SQL as well. Exits as the run would: 0, or the code of the first problem. */
export async function planServices(invocation: Invocation, selection: Selection, request: PlanRequest, sql: 'whole' | 'none'): Promise<ExitCode> {
  refuseDisorder(selection);
  const { options, output, cwd } = invocation;
  const { direction } = request;
  const requirements = new Requirements(selection, (text) => output.log(text));
  const plans: ServicePlan[] = [];
  for (const service of direction === 'up' ? selection.services : selection.services.toReversed()) {
    invocation.signal.throwIfAborted();
    let connection: ChosenConnection | null = null;
    try {
      connection = await service.connection();
      const plan = await service.migrator(migratorOptions(invocation, service, requirements)).plan(request);
      requirements.foresee(service.name, plan.steps);
      plans.push({ service: service.name, direction, connection, plan, error: null });
    } catch (error) {
      plans.push({ service: service.name, direction, connection, plan: null, error: toMigrationError(error) });
    }
  }
  if (options.json === true) {
    const { planDocument } = await import('./render/document.ts');
    output.document(planDocument(plans, cwd));
  } else {
    for (const plan of plans) if (plan.error === null) output.line(renderPlan(plan, sql, output.colours));
  }
  const errors = plans.flatMap(({ error }) => (error === null ? [] : [error]));
  for (const error of errors)
    output.log(renderError(error, { colours: output.colours, verbose: options.verbose === true, showData: options.showData === true, cwd }));
  const refused = plans.flatMap(({ plan }) => plan?.plan.problems.filter((one) => one.severity === 'error') ?? []);
  const [first] = errors;
  if (first !== undefined) return exitCodeOf(first, direction, invocation.stoppedBy());
  if (refused.length === 0) return exit.done;
  // A plan waits for nobody: what is not met is a problem, not a wait that was given up.
  return exitCodeOf(new MigrationError({ code: 'planRefused', message: 'refused', problems: refused }), direction, invocation.stoppedBy());
}
