/** Thousands of tenants in a few lines. */

import type { ChosenConnection, FleetGroup, FleetStatus, LogEntry } from '@org/migrate-core';

import type { Colours } from '../render/colour.ts';
import { renderTroubles, state, table } from '../render/table.ts';
import { heading, plural, printable } from '../render/text.ts';
import { renderFailures, tenantNames, type FailureStyle } from './failures.ts';

export interface LastFailure {
  readonly tenant: string;
  readonly entry: LogEntry;
}

export interface FleetOverview {
  readonly service: string;
  readonly connection: ChosenConnection;
  readonly status: FleetStatus;
  readonly lastFailures: readonly LastFailure[];
  /** Behind as well, but too many to look for their last failures. */
  readonly notAsked: number;
}

export function renderFleetStatus({ service, connection, status, lastFailures, notAsked }: FleetOverview, style: FailureStyle): string {
  const { colours, extent } = style;
  const { groups, failures, total } = status;
  const lines = [heading(service, connection, colours)];
  if (groups.length > 0) lines.push(...(extent === 'all' ? eachTenant(groups, colours) : [eachGroup(groups, colours)]), '');
  const behind = groups.filter((group) => group.status.pending.length > 0).reduce((sum, group) => sum + group.tenants.length, 0);
  const parts = [
    ...(behind > 0 ? [colours.yellow(`${behind} behind`)] : []),
    ...(lastFailures.length > 0 ? [colours.red(`${lastFailures.length} of them failed`)] : []),
    ...(failures.length > 0 ? [colours.red(`${failures.length} cannot be read`)] : []),
  ];
  lines.push(`${printable(service)}: ${plural(total, 'tenant')}, ${parts.length === 0 ? 'all current' : parts.join(', ')}`);
  if (notAsked > 0) lines.push(colours.dim(`  whether their last run failed was not looked up for ${notAsked} of those behind; --tenant tells it`));
  for (const { status: each, tenants } of groups)
    if (each.problems.length > 0 || each.running !== null) lines.push('', ...renderTroubles(tenantNames(tenants, 'few'), each, colours));
  lines.push(...renderLast(lastFailures, style), ...renderFailures(failures, style));
  return lines.join('\n');
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
  const alike = new Map<string, { readonly entry: LogEntry; readonly tenants: string[] }>();
  for (const { tenant, entry } of failures) {
    const key = `${entry.name}\n${entry.detail}`;
    const known = alike.get(key);
    if (known === undefined) alike.set(key, { entry, tenants: [tenant] });
    else known.tenants.push(tenant);
  }
  return [...alike.values()].flatMap(({ entry, tenants }) => [
    '',
    `${colours.red('✗')} ${tenantNames(tenants, extent)}: ${printable(entry.name)} failed at ${entry.at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')}`,
    ...(entry.detail === null ? [] : [`  ${printable(entry.detail)}`]),
  ]);
}
