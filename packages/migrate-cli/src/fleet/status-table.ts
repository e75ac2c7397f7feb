/** Thousands of tenants in a few lines. */

import type { ChosenConnection, FleetStatus, LogEntry } from '@org/migrate-core';

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
}

export function renderFleetStatus({ service, connection, status, lastFailures }: FleetOverview, style: FailureStyle): string {
  const { colours, extent } = style;
  const { groups, failures, total } = status;
  const lines = [heading(service, connection, colours)];
  const one = ({ status: each }: FleetStatus['groups'][number]): string[] => [
    printable(each.current?.version ?? '–'),
    String(each.applied.length),
    each.pending.length === 0 ? '0' : colours.yellow(String(each.pending.length)),
    state(each, colours),
  ];
  if (groups.length > 0) {
    const rows =
      extent === 'all'
        ? groups.flatMap((group) => group.tenants.toSorted().map((tenant) => [printable(tenant), ...one(group)]))
        : groups.map((group) => [String(group.tenants.length), ...one(group), tenantNames(group.tenants, 'few')]);
    const last = extent === 'all' ? [] : ['which'];
    lines.push(table([extent === 'all' ? 'tenant' : 'tenants', 'version', 'applied', 'pending', 'state', ...last], rows, colours), '');
  }
  const behind = groups.filter((group) => group.status.pending.length > 0).reduce((sum, group) => sum + group.tenants.length, 0);
  const parts = [
    ...(behind > 0 ? [colours.yellow(`${behind} behind`)] : []),
    ...(lastFailures.length > 0 ? [colours.red(`${lastFailures.length} of them failed`)] : []),
    ...(failures.length > 0 ? [colours.red(`${failures.length} cannot be read`)] : []),
  ];
  lines.push(`${printable(service)}: ${plural(total, 'tenant')}, ${parts.length === 0 ? 'all current' : parts.join(', ')}`);
  for (const { status: each, tenants } of groups)
    if (each.problems.length > 0 || each.running !== null) lines.push('', ...renderTroubles(tenantNames(tenants, 'few'), each, colours));
  lines.push(...renderLast(lastFailures, style), ...renderFailures(failures, style));
  return lines.join('\n');
}

/** Those whose last run failed alike are told together. */
function renderLast(failures: readonly LastFailure[], { colours, extent }: FailureStyle): string[] {
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
