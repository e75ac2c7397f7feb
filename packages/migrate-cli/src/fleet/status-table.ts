/** Thousands of tenants in a few lines. */

import { inQuotes } from '@org/migrate-core';
import type { FleetGroup, FleetStatus, LogEntry, Status, TenantStrays } from '@org/migrate-core';

import type { Colours } from '../render/colour.ts';
import { renderTroubles, state, table } from '../render/table.ts';
import { heading, plural, printable, printableText, time } from '../render/text.ts';
import { renderFailures, tenantNames, type FailureStyle } from './failures.ts';
import { aboutTenants } from './hint.ts';
import { leftOutLines } from './registry-list.ts';
import type { TenantRegistry } from './service-fleet.ts';
import { sparesLine } from './spares.ts';
import { countOf, unfinished } from './standing.ts';
import type { KnownOverview } from './status.ts';

const MOST_STRAYS = 5;

export interface LastFailure {
  readonly tenant: string;
  readonly entry: LogEntry;
  /** `stopped`: by a signal, and nothing is wrong with it. */
  readonly end: 'failed' | 'stopped';
}

export function renderFleetStatus(
  { service, tenants, connection, status, lastFailures, notAsked, strays, spares }: KnownOverview,
  style: FailureStyle,
): string {
  const { colours, extent } = style;
  const { groups, failures, total } = status;
  const lines = [heading(tenants.origin.label, connection, colours)];
  if (groups.length > 0) lines.push(...(extent === 'all' ? eachTenant(groups, colours) : [eachGroup(groups, colours)]), '');
  const behind = groups.filter(({ status: each }) => each.pending.length + each.interrupted.length > 0).reduce((sum, group) => sum + group.tenants.length, 0);
  const troubled = groups
    .filter((group) => group.status.problems.some((one) => one.severity === 'error'))
    .reduce((sum, group) => sum + group.tenants.length, 0);
  const failed = countOf(lastFailures, 'failed');
  const stopped = countOf(lastFailures, 'stopped');
  const half = unfinished(tenants.origin.registry?.others ?? []);
  const parts = [
    ...(behind > 0 ? [colours.yellow(`${behind} behind`)] : []),
    ...(failed > 0 ? [colours.red(`${failed} of them failed`)] : []),
    ...(stopped > 0 ? [colours.yellow(`${stopped} of them ${stopped === 1 ? 'was' : 'were'} stopped`)] : []),
    ...(failures.length > 0 ? [colours.red(`${failures.length} cannot be read`)] : []),
    ...(troubled > 0 ? [colours.red(`${troubled} with problems`)] : []),
    ...(half > 0 ? [colours.red(`${half} more not whole`)] : []),
  ];
  const leftOut = tenants.origin.registry?.leftOut ?? null;
  const none = half > 0 ? 'no active tenant' : leftOut === null ? 'no tenant yet' : 'no tenant of the mode that is configured';
  const said =
    total === 0
      ? `${none}${half > 0 ? `, ${colours.red(`${half} not whole`)}` : ''}`
      : `${plural(total, 'tenant')}, ${parts.length === 0 ? 'all current' : parts.join(', ')}`;
  lines.push(`${printable(service)}: ${said}`);
  lines.push(...sparesLine(spares, colours));
  if (notAsked > 0) lines.push(colours.dim(`  whether their last run failed was not looked up for ${notAsked} of those behind; --tenant tells it`));
  lines.push(...renderTroublesOfTenants({ status, lastFailures, failures }, style), ...renderRegistry(tenants.origin.registry, strays, colours));
  return lines.join('\n');
}

/** What is wrong with whom. */
export function renderTroublesOfTenants(
  { status, lastFailures, failures }: Pick<KnownOverview, 'status' | 'lastFailures'> & Pick<FleetStatus, 'failures'>,
  style: FailureStyle,
): string[] {
  const lines: string[] = [];
  for (const { status: each, tenants } of status.groups)
    if (each.problems.length > 0 || each.running !== null)
      lines.push('', ...renderTroubles(tenantNames(tenants, 'few'), withOwnHints(each, tenants, style.flags), style.colours));
  return [...lines, ...renderLast(lastFailures, style), ...renderFailures(failures, style)];
}

/** Commands that a problem names, as they are typed for these tenants. */
export function withOwnHints(status: Status, tenants: readonly string[], flags: string): Status {
  return { ...status, problems: status.problems.map((one) => ({ ...one, message: aboutTenants(one.message, tenants, flags) })) };
}

/** Tenants that are not migrated with the others, and places that are nobody's. */
export function renderRegistry(registry: TenantRegistry | null, strays: TenantStrays | null, colours: Colours): string[] {
  const others = registry?.others ?? [];
  const leftOut = leftOutLines(registry?.leftOut ?? null, colours);
  const lines: string[] = leftOut.length === 0 ? [] : ['', ...leftOut];
  const failed = others.filter((one) => one.status === 'failed');
  for (const { id, failure } of failed.slice(0, MOST_STRAYS))
    lines.push(
      '',
      `${colours.red('✗')} ${printable(id)}: making it failed${failure === null ? '' : `: ${printableText(failure)}`}`,
      `  ${colours.cyan('→')} go on with: migrate tenants create ${printable(inQuotes(id))}`,
    );
  if (failed.length > MOST_STRAYS) lines.push(`  and ${failed.length - MOST_STRAYS} more; migrate tenants list shows them`);
  const half = others.filter((one) => one.status === 'provisioning').map((one) => one.id);
  if (half.length > 0)
    lines.push('', `${colours.yellow('…')} ${tenantNames(half, 'few')}: being made, or cut off while being made; migrate tenants create goes on with it`);
  const unknown = strays?.unknown ?? [];
  if (unknown.length > 0)
    lines.push(
      '',
      `${colours.yellow('!')} ${tenantNames(unknown, 'few')}: ${unknown.length === 1 ? 'has a history' : 'have histories'} of this service, and the registry knows no such place`,
    );
  return lines;
}

function eachGroup(groups: readonly FleetGroup[], colours: Colours): string {
  const rows = groups.map(({ tenants, status }) => [
    String(tenants.length),
    printable(status.current?.version ?? '–'),
    String(status.applied.length),
    status.pending.length === 0 ? '0' : colours.yellow(String(status.pending.length)),
    state(status, colours),
    tenantNames(tenants, 'few'),
  ]);
  return table(['tenants', 'version', 'applied', 'pending', 'state', 'which'], rows, colours);
}

/** By hand: thousands of rows would keep the maker of tables busy for seconds. */
function eachTenant(groups: readonly FleetGroup[], colours: Colours): readonly string[] {
  const width = groups.reduce((most, { tenants }) => tenants.reduce((more, tenant) => Math.max(more, printable(tenant).length), most), 0);
  return groups.flatMap(({ tenants, status }) => {
    const at = status.current === null ? 'nothing applied' : `version ${printable(status.current.version)}`;
    const rest = `${at}, ${status.applied.length} applied, ${status.pending.length} pending: ${state(status, colours)}`;
    return tenants.toSorted().map((tenant) => `  ${printable(tenant).padEnd(width)}  ${rest}`);
  });
}

/** Those whose last run failed alike are told together. */
export function renderLast(failures: readonly LastFailure[], { colours, extent }: Pick<FailureStyle, 'colours' | 'extent'>): string[] {
  const alike = new Map<string, { readonly entry: LogEntry; readonly end: LastFailure['end']; readonly tenants: string[] }>();
  for (const { tenant, entry, end } of failures) {
    const key = `${entry.name}\n${entry.detail}`;
    const known = alike.get(key);
    if (known === undefined) alike.set(key, { entry, end, tenants: [tenant] });
    else known.tenants.push(tenant);
  }
  return [...alike.values()].flatMap(({ entry, end, tenants }) => [
    '',
    `${end === 'failed' ? colours.red('✗') : colours.yellow('…')} ${tenantNames(tenants, extent)}: ${printable(entry.name)} ${end === 'failed' ? 'failed' : 'was stopped'} at ${time(entry.at)}`,
    ...(entry.detail === null || end === 'stopped' ? [] : [`  ${printableText(entry.detail)}`]),
  ]);
}
