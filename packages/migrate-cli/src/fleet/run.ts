/** One `up` or `down` over the tenants of a service. */

import { MigrationError, type Fleet, type FleetEvent, type FleetReport, inQuotes } from '@org/migrate-core';

import { toMigrationError } from '../connect-error.ts';
import { emptyFolder } from '../empty-folder.ts';
import { exit, exitCodeOf, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { errorKeys } from '../render/document.ts';
import { renderError, styleOf } from '../render/error.ts';
import { plural, printable } from '../render/text.ts';
import { resultTarget, ServicesDocument } from './document.ts';
import { leftOutLines } from './registry-list.ts';
import type { ServiceFleet } from './service-fleet.ts';
import { registryKeys } from './status.ts';
import { sparesLine } from './spares.ts';
import { FleetStory } from './story.ts';
import { waitForRequirements } from './wait.ts';

/** @param hear For work that goes through the tenants by itself: the fleet tells of its own. */
export type FleetWork = (fleet: Fleet, hear: (event: FleetEvent) => void) => Promise<FleetReport>;

export interface FleetOutcome {
  /** `null` with an error: nothing could be begun, or what goes on could not be learned any more. */
  readonly report: FleetReport | null;
  readonly error: MigrationError | null;
  /** 0 all done, 4 some failed and the rest are done, 1 all failed or the rest was not begun, 130 and 143 by a signal. */
  readonly code: ExitCode;
}

/** Tells the story, and adds each tenant to the document. An error is in the outcome, and not told yet. */
export async function runFleet(
  invocation: Invocation,
  tenants: ServiceFleet,
  direction: 'up' | 'down',
  document: ServicesDocument | null,
  work: FleetWork,
): Promise<FleetOutcome> {
  const { service, targets, origin } = tenants;
  const connection = await service.connection();
  if (direction === 'up') await waitForRequirements(invocation, tenants);
  const story = new FleetStory(invocation, targets.length, direction, origin.flags);
  story.connected(origin.label, connection);
  for (const line of leftOutLines(origin.registry?.leftOut ?? null, invocation.output.colours)) invocation.output.line(`  ${line}`);
  const hear = (event: FleetEvent): void => {
    story.hear(event);
    if (event.type === 'result') document?.add(resultTarget(event.result, connection.settings.database, invocation.cwd));
  };
  try {
    const report = await work(tenants.fleet(hear), hear);
    story.ended(report);
    if (story.foundNone) invocation.output.line(`  ${await emptyFolder(origin.registry === null ? service.migrations : null, invocation)}`);
    return { report, error: null, code: exitCodeOfFleet(report, direction, invocation) };
  } catch (thrown) {
    story.broken();
    const error = toMigrationError(thrown);
    return { report: null, error, code: exitCodeOf(error, direction, invocation.stoppedBy()) };
  }
}

/** For a command that is about one service's tenants and nothing else: its document, whole. */
export async function finishFleet(invocation: Invocation, tenants: ServiceFleet, direction: 'up' | 'down', work: FleetWork): Promise<ExitCode> {
  const { options, output } = invocation;
  const document = options.json === true ? new ServicesDocument(output) : null;
  document?.begin(tenants.service.name);
  const { report, error, code } = await runFleet(invocation, tenants, direction, document, work);
  if (error !== null) {
    if (document?.begun !== true) throw error;
    // The document has begun, and has to be whole: what happened stands behind the targets that are done.
    tellError(invocation, error);
  }
  document?.close(endOf(report, error));
  document?.end();
  return code;
}

/** What a document says of a service's tenants behind the last of them. */
export function endOf(report: FleetReport | null, error: MigrationError | null): Readonly<Record<string, unknown>> {
  return error === null ? { stopped: report?.stopped ?? null } : { error: errorKeys(error) };
}

export function tellError(invocation: Invocation, error: MigrationError): void {
  invocation.output.log(renderError(error, styleOf(invocation)));
}

function exitCodeOfFleet({ counts, failures, stopped }: FleetReport, direction: 'up' | 'down', { stoppedBy }: Invocation): ExitCode {
  const unfinished = failures.length + counts.notRun;
  if (unfinished === 0) return exit.done;
  const by = stoppedBy();
  if (by !== null && (stopped === 'signal' || counts.interrupted > 0)) return by === 'SIGTERM' ? exit.terminated : exit.interrupted;
  const done = counts.applied + counts.undone + counts.upToDate;
  if (counts.notRun > 0) return exit.failed;
  if (stopped === 'connection' && failures.every((one) => one.failed?.code === 'connection')) return exit.failed;
  if (done > 0) return exit.someTenantsFailed;
  // All of them for the same reason: the code that one of them alone would have had.
  const codes = new Set(failures.map((one) => one.failed?.code ?? 'internal'));
  const [code] = codes;
  return codes.size === 1 && (code === 'lockTimeout' || code === 'unmetRequirement')
    ? exitCodeOf(new MigrationError({ code, message: '' }), direction, by)
    : exit.failed;
}

/** Whom nothing has to be done for: a service whose first customer is still to come is no failure. */
export async function tellNoTenants(invocation: Invocation, tenants: ServiceFleet): Promise<ExitCode> {
  const { options, output } = invocation;
  const { registry } = tenants.origin;
  const spares = (await registry?.tenancy.spares()) ?? null;
  if (options.json === true) {
    const document = new ServicesDocument(output);
    document.begin(tenants.service.name);
    const said = (registry?.leftOut ?? null) !== null || (spares?.wanted ?? 0) > 0;
    document.close(said ? registryKeys({ tenants, strays: null, spares }) : {});
    document.end();
  }
  output.line(`${output.colours.yellow('!')} ${await noTenants(tenants)}`);
  for (const line of sparesLine(spares, output.colours)) output.line(line);
  return exit.done;
}

/** A sentence. */
export async function noTenants({ service, origin }: ServiceFleet): Promise<string> {
  const { display } = await service.connection();
  if (origin.registry === null) return `No tenant: the query returns nothing on ${printable(display)}, so there is nothing to do.`;
  if (service.input.definition.tenancy?.query !== undefined)
    return `${printable(service.name)} has no tenant: the query of its own registry (tenancy.query) returns nobody, so there is nothing to do.`;
  const { leftOut } = origin.registry;
  if (leftOut !== null)
    return `${printable(service.name)} has no tenant of the mode that is configured, so there is nothing to do: ${leftOut.message}. To have them: ${leftOut.hint}`;
  const unfinished = origin.registry.others.filter((one) => one.status !== 'archived');
  const [first] = unfinished;
  if (first === undefined)
    return `${printable(service.name)} has no tenant yet, so there is nothing to do. The first one is made with: migrate tenants create ID`;
  return `${printable(service.name)} has no active tenant, so there is nothing to do; ${plural(unfinished.length, 'tenant')} ${unfinished.length === 1 ? 'is' : 'are'} not whole. Go on with: migrate tenants create ${printable(inQuotes(first.id))}`;
}
