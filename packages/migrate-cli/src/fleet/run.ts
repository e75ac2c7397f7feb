/** One `up` or `down` over the tenants of a service. */

import { MigrationError, type Fleet, type FleetEvent, type FleetReport } from '@org/migrate-core';

import { exit, exitCodeOf, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { errorKeys, FleetDocument, resultTarget } from './document.ts';
import type { ServiceFleet } from './service-fleet.ts';
import { FleetStory } from './story.ts';

export type FleetWork = (fleet: Fleet) => Promise<FleetReport>;

/** @returns 0 all done, 4 some failed and the rest are done, 1 all failed or the rest was not begun, 130 and 143 by a signal. */
export async function runFleet(invocation: Invocation, tenants: ServiceFleet, direction: 'up' | 'down', work: FleetWork): Promise<ExitCode> {
  const { options, output, cwd } = invocation;
  const { service, targets } = tenants;
  const connection = await service.connection();
  const document = options.json === true ? new FleetDocument(output, service.name) : null;
  const story = new FleetStory(invocation, targets.length, direction);
  story.connected(service.name, connection);
  const hear = (event: FleetEvent): void => {
    story.hear(event);
    if (event.type === 'result') document?.add(resultTarget(event.result, connection.settings.database, cwd));
  };
  try {
    const report = await work(tenants.fleet(hear));
    document?.end({ stopped: report.stopped });
    story.ended(report);
    return exitCodeOfFleet(report, direction, invocation);
  } catch (thrown) {
    story.broken();
    if (document?.begun !== true) throw thrown;
    // The document has begun, and has to be whole: what happened stands behind the targets that are done.
    const [{ toMigrationError }, { renderError }] = await Promise.all([import('../connect-error.ts'), import('../render/error.ts')]);
    const error = toMigrationError(thrown);
    document.end({ error: errorKeys(error) });
    output.log(renderError(error, { colours: output.colours, verbose: options.verbose === true, showData: options.showData === true, cwd }));
    return exitCodeOf(error, direction, invocation.stoppedBy());
  }
}

function exitCodeOfFleet({ counts, failures, stopped }: FleetReport, direction: 'up' | 'down', { stoppedBy }: Invocation): ExitCode {
  const unfinished = failures.length + counts.notRun;
  if (unfinished === 0) return exit.done;
  const by = stoppedBy();
  if (by !== null && (stopped === 'signal' || counts.interrupted > 0)) return by === 'SIGTERM' ? exit.terminated : exit.interrupted;
  const done = counts.applied + counts.undone + counts.upToDate;
  if (counts.notRun > 0) return exit.failed;
  if (done > 0) return exit.someTenantsFailed;
  // All of them for the same reason: the code that one of them alone would have had.
  const codes = new Set(failures.map((one) => one.failed?.code ?? 'internal'));
  const [code] = codes;
  return codes.size === 1 && code === 'lockTimeout' ? exitCodeOf(new MigrationError({ code, message: '' }), direction, by) : exit.failed;
}

/** Whom nothing has to be done for: a service whose first customer is still to come is no failure. */
export async function tellNoTenants(invocation: Invocation, tenants: ServiceFleet): Promise<ExitCode> {
  const { options, output } = invocation;
  const { service } = tenants;
  if (options.json === true) new FleetDocument(output, service.name).end();
  output.line(`${output.colours.yellow('!')} No tenant: the query returns nothing on ${(await service.connection()).display}, so there is nothing to do.`);
  return exit.done;
}
