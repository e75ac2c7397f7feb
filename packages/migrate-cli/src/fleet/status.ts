/** Where the tenants of a service stand: how many at which version, which are behind, which failed and why. Reads only. */

import {
  MigrationError,
  sourceNames,
  type ChosenConnection,
  type FleetGroup,
  type FleetStatus,
  type FleetTarget,
  type LogEntry,
  type Migrator,
  type Status,
  type Tenant,
  type TenantSpares,
  type TenantStrays,
} from '@org/migrate-core';

import { inDatabase } from '../connect.ts';
import { exit, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { statusTarget, type Copied, type ServiceStatus } from '../render/document.ts';
import { renderStatus } from '../render/table.ts';
import type { Colours } from '../render/colour.ts';
import { printableText } from '../render/text.ts';
import { ServicesDocument, targetName } from './document.ts';
import type { FailureStyle } from './failures.ts';
import { targetsOf } from './groups.ts';
import { aboutTenants } from './hint.ts';
import type { ServiceFleet } from './service-fleet.ts';
import { unfinished } from './standing.ts';
import { renderFleetStatus, renderLast, withOwnHints, type LastFailure } from './status-table.ts';

/** Of more tenants that are behind, the last failure is not looked for: each is a query. */
const MOST_ASKED = 500;

/** Where the tenants of one service stand, or why that could not be learned. */
export interface FleetOverview {
  readonly service: string;
  readonly tenants: ServiceFleet | null;
  readonly connection: ChosenConnection | null;
  readonly status: FleetStatus | null;
  readonly error: MigrationError | null;
  readonly lastFailures: readonly LastFailure[];
  /** Behind as well, but too many to look for their last failures. */
  readonly notAsked: number;
  /** What the registry and the server do not agree on; `null` without a registry. */
  readonly strays: TenantStrays | null;
  /** Places made ahead; `null` without a registry. */
  readonly spares: TenantSpares | null;
}

export interface KnownOverview extends FleetOverview {
  readonly tenants: ServiceFleet;
  readonly connection: ChosenConnection;
  readonly status: FleetStatus;
}

export async function readOverview({ options }: Invocation, tenants: ServiceFleet): Promise<KnownOverview> {
  const connection = await tenants.service.connection();
  const tenancy = tenants.origin.registry?.tenancy;
  const [status, strays, spares] = await Promise.all([
    tenants.fleet().status({ concurrency: options.concurrency }),
    tenancy?.strays() ?? null,
    tenancy?.spares() ?? null,
  ]);
  const { failures, left } = await lastFailures(tenants, status);
  return { service: tenants.service.name, tenants, connection, status, error: null, lastFailures: failures, notAsked: left, strays, spares };
}

export async function showFleetStatus(invocation: Invocation, tenants: ServiceFleet): Promise<ExitCode> {
  const { options, output, cwd } = invocation;
  if (options.tenant !== undefined) return showTenants(invocation, tenants, await tenants.service.connection());
  const overview = await readOverview(invocation, tenants);
  if (options.json === true) {
    const document = new ServicesDocument(output);
    document.begin(tenants.service.name);
    addOverview(document, overview);
    document.close(registryKeys(overview));
    document.end();
  } else output.line(renderFleetStatus(overview, styleOf(invocation, tenants, cwd)));
  return exitCodeOfOverview(invocation, overview);
}

export function styleOf({ options, output }: Invocation, { origin }: ServiceFleet, cwd: string): FailureStyle {
  return { colours: output.colours, extent: options.verbose === true ? 'all' : 'first', cwd, flags: origin.flags };
}

/** Named ones are looked at one by one, with each migration’s state. */
async function showTenants(invocation: Invocation, tenants: ServiceFleet, connection: ChosenConnection): Promise<ExitCode> {
  const { options, output } = invocation;
  const { service, targets } = tenants;
  const names = sourceNames(await tenants.origin.source.list());
  const known = await tenants.fleet().status({ concurrency: options.concurrency });
  const { failures: last } = await lastFailures(tenants, known);
  const failed = new Map(known.failures.map((one) => [one.tenant, one.failed]));
  const readable = targets.filter((one) => !failed.has(one.tenant));
  const read = new Map(await tenants.each(readable, async (migrator, { tenant }) => [tenant, await look(migrator)] as const));
  const found = targets.map(({ tenant, schema = 'public', database }): ServiceStatus => {
    const base = { service: tenant, connection: database === undefined ? connection : inDatabase(connection, database), schema, names };
    const seen = read.get(tenant);
    if (seen !== undefined) return { ...base, status: withOwnHints(seen.status, [tenant], tenants.origin.flags), error: null, copied: seen.copied };
    const { code = 'internal', message = '', hint = null } = failed.get(tenant) ?? {};
    return { ...base, status: null, error: new MigrationError({ code, message, hint: hint ?? undefined }) };
  });
  if (options.json === true) {
    const document = new ServicesDocument(output);
    document.begin(service.name);
    for (const [index, one] of found.entries())
      document.add({ ...statusTarget(one), ...placeOf(targets[index], connection), ...failureKey(last, one.service) });
    document.close();
    document.end();
  } else {
    for (const [index, one] of found.entries()) {
      if (index > 0) output.line();
      output.line(renderStatus(one, output.colours));
      for (const line of renderUnreadable(one, tenants.origin.flags, output.colours)) output.line(line);
      const mine = last.filter((each) => each.tenant === one.service);
      for (const line of renderLast(mine, { colours: output.colours, extent: 'all' })) output.line(line);
    }
  }
  return exitCodeOfOverview(invocation, { status: known, tenants: null });
}

/** Why nothing is told of this tenant, and what to do about it. */
function renderUnreadable({ service: tenant, error }: ServiceStatus, flags: string, colours: Colours): string[] {
  if (error === null) return [];
  const told = (text: string): string => printableText(aboutTenants(text, [tenant], flags));
  return [`  ${colours.red('✗')} ${told(error.message)}`, ...(error.hint === null ? [] : [`    ${colours.cyan('→')} ${told(error.hint)}`])];
}

interface Look {
  readonly status: Status;
  readonly copied: Copied | null;
}

/** A copy has the template's history, and in its log who it is a copy of; what is applied to it itself, or marked as applied between those, is younger. */
async function look(migrator: Migrator): Promise<Look> {
  const status = await migrator.status();
  const [clone] = await migrator.log(1, ['clone']);
  if (clone === undefined) return { status, copied: null };
  const names = new Set(status.applied.filter((one) => one.seq < clone.seq && one.appliedAt <= clone.at).map((one) => one.name));
  return { status, copied: { template: clone.detail?.replace(/^cloned from /, '') ?? null, at: clone.at, names } };
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
    return entry?.action === 'failed' ? [{ tenant, entry, end: endOf(entry) }] : [];
  });
  return { failures: found.flat(), left: Math.max(0, behind.length - MOST_ASKED) };
}

/** By the code that stands before the message in the log. */
function endOf({ detail }: LogEntry): LastFailure['end'] {
  return detail?.startsWith('aborted: ') === true ? 'stopped' : 'failed';
}

/** A target for each tenant. */
export function addOverview(document: ServicesDocument, { tenants, connection, status, lastFailures: last }: KnownOverview): void {
  const targets = new Map(tenants.targets.map((target) => [target.tenant, target]));
  for (const { tenants: ids, status: each } of status.groups) {
    const shared = statusTarget({ service: '', connection, schema: '', names: [], status: each, error: null }) as SharedTarget;
    for (const tenant of ids.toSorted())
      document.add({
        ...(tenant === each.target.tenant ? shared : withoutTimes(shared)),
        ...placeOf(targets.get(tenant), connection),
        ...failureKey(last, tenant),
      });
  }
  for (const { tenant, failed } of status.failures) {
    const problem = { code: failed?.code ?? 'internal', version: null, message: failed?.message ?? '' };
    document.add({ ...placeOf(targets.get(tenant), connection), current: null, applied: [], pending: [], problems: [problem] });
  }
}

/** What else the registry tells, behind the targets. */
export function registryKeys({ tenants, strays, spares }: Pick<FleetOverview, 'tenants' | 'strays' | 'spares'>): Readonly<Record<string, unknown>> {
  const registry = tenants?.origin.registry ?? null;
  if (registry === null) return {};
  const { others, leftOut } = registry;
  const ids = (status: Tenant['status']): string[] => others.filter((one) => one.status === status).map((one) => one.id);
  return {
    registry: {
      provisioning: ids('provisioning'),
      failed: others.filter((one) => one.status === 'failed').map(({ id, failure }) => ({ tenant: id, message: failure })),
      archived: ids('archived').length,
      unknown: strays?.unknown ?? [],
      absent: strays?.absent.map((one) => one.id) ?? [],
      spares: { wanted: spares?.wanted ?? 0, ready: spares?.ready ?? 0 },
      leftOut: leftOut === null ? null : { mode: leftOut.kind, count: leftOut.count, message: leftOut.message, hint: leftOut.hint },
    },
  };
}

/** There only when the newest line of the tenant’s log is a failure, or tells that it was stopped. */
function failureKey(last: readonly LastFailure[], tenant: string): object {
  const { entry, end } = last.find((one) => one.tenant === tenant) ?? {};
  if (entry === undefined) return {};
  return end === 'stopped' ? { lastStop: { name: entry.name, at: entry.at } } : { lastFailure: { name: entry.name, message: entry.detail, at: entry.at } };
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

export function exitCodeOfOverview({ options }: Invocation, { status, tenants }: Pick<FleetOverview, 'tenants'> & Pick<KnownOverview, 'status'>): ExitCode {
  const { groups, failures, total } = status;
  if (failures.length > 0) return failures.length === total ? exit.failed : exit.someTenantsFailed;
  if (options.exitCode !== true) return exit.done;
  const half = unfinished(tenants?.origin.registry?.others ?? []);
  if (half > 0 && total === 0) return exit.failed;
  const broken = (group: FleetGroup): boolean => group.status.problems.some((one) => one.severity === 'error' && one.code !== 'outOfOrder');
  if (groups.some(broken)) return groups.every(broken) ? exit.failed : exit.someTenantsFailed;
  if (half > 0) return exit.someTenantsFailed;
  return groups.some((group) => isBehind(group.status)) ? exit.pending : exit.done;
}
