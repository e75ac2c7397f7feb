/** Where the tenants of a service stand: how many at which version, which are behind, which failed and why. Reads only. */

import { MigrationError, type ChosenConnection, type FleetGroup, type FleetStatus, type FleetTarget, type Status } from '@org/migrate-core';

import { inDatabase } from '../connect.ts';
import { exit, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { statusTarget, type ServiceStatus } from '../render/document.ts';
import { renderStatus } from '../render/table.ts';
import { printable } from '../render/text.ts';
import { FleetDocument, targetName } from './document.ts';
import { targetsOf } from './groups.ts';
import type { ServiceFleet } from './service-fleet.ts';
import { renderFleetStatus, renderLast, type LastFailure } from './status-table.ts';

/** Of more tenants that are behind, the last failure is not looked for: each is a query. */
const MOST_ASKED = 500;

export async function showFleetStatus(invocation: Invocation, tenants: ServiceFleet): Promise<ExitCode> {
  const { options, output, cwd } = invocation;
  const { service } = tenants;
  const connection = await service.connection();
  if (options.tenant !== undefined) return showTenants(invocation, tenants, connection);
  const status = await tenants.fleet().status({ concurrency: options.concurrency });
  const { failures, left } = await lastFailures(tenants, status);
  if (options.json === true) writeDocument(invocation, tenants, status, connection, failures);
  else {
    const extent = options.verbose === true ? 'all' : 'first';
    output.line(
      renderFleetStatus({ service: service.name, connection, status, lastFailures: failures, notAsked: left }, { colours: output.colours, extent, cwd }),
    );
  }
  return exitCode(invocation, status);
}

/** Named ones are looked at one by one, with each migration’s state. */
async function showTenants(invocation: Invocation, tenants: ServiceFleet, connection: ChosenConnection): Promise<ExitCode> {
  const { options, output } = invocation;
  const { service, targets } = tenants;
  const names = (await service.source.list()).migrations.map((one) => one.name);
  const known = await tenants.fleet().status({ concurrency: options.concurrency });
  const { failures: last } = await lastFailures(tenants, known);
  const failed = new Map(known.failures.map((one) => [one.tenant, one.failed]));
  const readable = targets.filter((one) => !failed.has(one.tenant));
  const read = new Map(await tenants.each(readable, async (migrator, { tenant }) => [tenant, await migrator.status()] as const));
  const found = targets.map(({ tenant, schema = 'public', database }): ServiceStatus => {
    const base = { service: tenant, connection: database === undefined ? connection : inDatabase(connection, database), schema, names };
    const status = read.get(tenant) ?? null;
    if (status !== null) return { ...base, status, error: null };
    const { code = 'internal', message = '', hint = null } = failed.get(tenant) ?? {};
    return { ...base, status, error: new MigrationError({ code, message, hint: hint ?? undefined }) };
  });
  if (options.json === true) {
    const document = new FleetDocument(output, service.name);
    for (const [index, one] of found.entries())
      document.add({ ...statusTarget(one), ...placeOf(targets[index], connection), ...failureKey(last, one.service) });
    document.end();
  } else {
    for (const [index, one] of found.entries()) {
      if (index > 0) output.line();
      output.line(renderStatus(one, output.colours));
      if (one.error !== null) output.line(`  ${output.colours.red('✗')} ${printable(one.error.message)}`);
      const mine = last.filter((each) => each.tenant === one.service);
      for (const line of renderLast(mine, { colours: output.colours, extent: 'all' })) output.line(line);
    }
  }
  return exitCode(invocation, known);
}

function placeOf(target: FleetTarget | undefined, { settings }: ChosenConnection): object {
  const { tenant = null, schema = 'public', database = settings.database } = target ?? {};
  return { target: targetName({ schema, database }, database), database, schema, tenant };
}

interface Looked {
  readonly failures: readonly LastFailure[];
  /** How many are behind and were not asked. */
  readonly left: number;
}

/** The newest line of the log of those that are behind, where it is a failure: the next run may fail at the same place. */
async function lastFailures(tenants: ServiceFleet, { groups }: FleetStatus): Promise<Looked> {
  // Those that few others stand with come first: a failure is what leaves a tenant behind alone.
  const behind = groups
    .toReversed()
    .filter(({ status }) => isBehind(status))
    .flatMap((group) => group.tenants);
  const found = await tenants.each(targetsOf(tenants, behind.slice(0, MOST_ASKED)), async (migrator, { tenant }) => {
    const [entry] = await migrator.log(1).catch(() => []);
    return entry?.action === 'failed' ? [{ tenant, entry }] : [];
  });
  return { failures: found.flat(), left: Math.max(0, behind.length - MOST_ASKED) };
}

function writeDocument(
  { output }: Invocation,
  tenants: ServiceFleet,
  { groups, failures }: FleetStatus,
  connection: ChosenConnection,
  last: readonly LastFailure[],
): void {
  const document = new FleetDocument(output, tenants.service.name);
  const targets = new Map(tenants.targets.map((target) => [target.tenant, target]));
  for (const { tenants: ids, status } of groups) {
    const shared = statusTarget({ service: '', connection, schema: '', names: [], status, error: null }) as SharedTarget;
    for (const tenant of ids)
      document.add({
        ...(tenant === status.target.tenant ? shared : withoutTimes(shared)),
        ...placeOf(targets.get(tenant), connection),
        ...failureKey(last, tenant),
      });
  }
  for (const { tenant, failed } of failures) {
    const problem = { code: failed?.code ?? 'internal', version: null, message: failed?.message ?? '' };
    document.add({ ...placeOf(targets.get(tenant), connection), current: null, applied: [], pending: [], problems: [problem] });
  }
  document.end();
}

/** There only when the newest line of the tenant’s log is a failure. */
function failureKey(last: readonly LastFailure[], tenant: string): object {
  const entry = last.find((one) => one.tenant === tenant)?.entry;
  return entry === undefined ? {} : { lastFailure: { name: entry.name, message: entry.detail, at: entry.at } };
}

interface SharedTarget {
  readonly applied: readonly object[];
  readonly running?: unknown;
}

/** When each was applied is in each tenant’s own history, which is read for those that are named. */
function withoutTimes({ running: _, applied, ...shared }: SharedTarget): object {
  return { ...shared, applied: applied.map((one) => ({ ...one, appliedAt: null, durationMs: null })) };
}

function isBehind(status: Status): boolean {
  return status.pending.length + status.interrupted.length > 0;
}

function exitCode({ options }: Invocation, { groups, failures, total }: FleetStatus): ExitCode {
  if (failures.length > 0) return failures.length === total ? exit.failed : exit.someTenantsFailed;
  if (options.exitCode !== true) return exit.done;
  const broken = ({ status }: FleetGroup): boolean => status.problems.some((one) => one.severity === 'error' && one.code !== 'outOfOrder');
  if (groups.some(broken)) return groups.every(broken) ? exit.failed : exit.someTenantsFailed;
  return groups.some((group) => isBehind(group.status)) ? exit.pending : exit.done;
}
