/** Who did what, for people. */

import type { Colours } from './colour.ts';
import type { ServiceLog } from './document.ts';
import { table } from './table.ts';
import { duration, fit, heading, printable } from './text.ts';

export function renderLog({ service, connection, entries }: ServiceLog, colours: Colours): string {
  const title = heading(service, connection, colours);
  if (entries.length === 0) return `${title}\n  Nothing was ever done here.`;
  const rows = entries.map(({ at, action, name, by, from, durationMs, detail }) => [
    at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'),
    action === 'failed' ? colours.red(action) : action,
    printable(name),
    durationMs === null ? '' : duration(durationMs),
    printable(by),
    printable(from),
    detail === null ? '' : fit(printable(detail), 80),
  ]);
  return `${title}\n${table(['when', 'what', 'migration', 'took', 'by', 'from', ''], rows, colours)}`;
}
