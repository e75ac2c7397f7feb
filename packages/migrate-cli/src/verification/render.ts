/** Findings for people. Pure. */

import type { TargetVerification, VerifyFinding } from '@org/migrate-core';

import type { Colours } from '../render/colour.ts';
import { plural, printable } from '../render/text.ts';

export interface Tally {
  services: number;
  errors: number;
  warnings: number;
  /** Services that could not be verified to the end. */
  unfinished: string[];
}

const FEW_TABLES = 3;

export function renderTarget(
  { findings, probe }: TargetVerification,
  { colours, verbose }: { readonly colours: Colours; readonly verbose: boolean },
): string[] {
  const lines = findings.flatMap((one) => renderFinding(one, colours, null));
  if (findings.length === 0) lines.push(`  ${colours.green('✓')} it is what its history says`);
  if (probe === null) return lines;
  const tables = probe.probed + probe.notProbed.length;
  if (tables === 0) return lines;
  const whole = probe.notProbed.length === 0 && findings.every((one) => one.code !== 'leak');
  lines.push(`  ${whole ? colours.green('✓') : colours.yellow('!')} row-level security tried with two tenants: ${probe.probed} of ${plural(tables, 'table')}`);
  const told = verbose ? probe.notProbed : probe.notProbed.slice(0, FEW_TABLES);
  for (const { table, reason } of told) lines.push(`    ${printable(table)}: ${printable(reason)}`);
  if (told.length < probe.notProbed.length) lines.push(`    and ${probe.notProbed.length - told.length} more; --verbose names them`);
  return lines;
}

/** @param who Whose finding it is, where it is several tenants'. */
export function renderFinding({ severity, message, hint }: VerifyFinding, colours: Colours, who: string | null): string[] {
  const [first = '', ...more] = printable(message).split('\n');
  return [
    `  ${severity === 'error' ? colours.red('✗') : colours.yellow('!')} ${who === null ? '' : `${colours.bold(who)}: `}${first}`,
    ...more.map((line) => `    ${line}`),
    ...(hint === null ? [] : [`    ${colours.cyan('→')} ${printable(hint)}`]),
  ];
}

export function renderSummary({ services, errors, warnings, unfinished }: Tally, colours: Colours): string {
  const counts = [
    ...(errors > 0 ? [colours.red(plural(errors, 'error'))] : []),
    ...(warnings > 0 ? [colours.yellow(plural(warnings, 'warning'))] : []),
    ...(unfinished.length > 0 ? [`not finished: ${printable(unfinished.join(', '))}`] : []),
  ];
  return `${plural(services, 'service')} verified: ${counts.length === 0 ? colours.green('nothing found') : counts.join(', ')}.`;
}
