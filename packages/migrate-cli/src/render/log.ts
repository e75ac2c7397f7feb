/** Who did what, for people. */

import type { ChosenConnection, LogEntry } from '@org/migrate-core';

import type { Colours } from './colour.ts';
import type { ServiceLog } from './document.ts';
import { table } from './table.ts';
import { duration, fit, heading, printable, printableText, time } from './text.ts';

export function renderLog({ service, connection, entries }: ServiceLog, colours: Colours): string {
  const title = heading(service, connection, colours);
  if (entries.length === 0) return `${title}\n  Nothing was ever done here.`;
  const rows = entries.map((entry) => row(entry, colours));
  return `${title}\n${table(HEAD, rows, colours)}`;
}

/** The newest over all tenants. */
export function renderTenantsLog(label: string, connection: ChosenConnection, entries: readonly TenantLogEntry[], colours: Colours): string {
  const title = heading(label, connection, colours);
  if (entries.length === 0) return `${title}\n  Nothing was ever done here.`;
  const rows = entries.map(({ tenant, ...entry }) => [printable(tenant), ...row(entry, colours)]);
  return `${title}\n${table(['tenant', ...HEAD], rows, colours)}`;
}

export interface TenantLogEntry extends LogEntry {
  readonly tenant: string;
}

const HEAD = ['when', 'what', 'migration', 'took', 'by', 'from', ''];

function row({ at, action, name, by, from, durationMs, detail }: LogEntry, colours: Colours): string[] {
  return [
    time(at),
    action === 'failed' ? colours.red(action) : action,
    printable(name),
    durationMs === null ? '' : duration(durationMs),
    printable(by),
    printable(from),
    detail === null ? '' : fit(printableText(detail), 80),
  ];
}
