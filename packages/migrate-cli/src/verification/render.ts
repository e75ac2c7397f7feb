/** Findings for people. Pure. */

import type { ProbeReport, TargetVerification, VerifyFinding } from '@org/migrate-core';

import type { Colours } from '../render/colour.ts';
import { plural, printable, printableText } from '../render/text.ts';

export interface Tally {
  services: number;
  errors: number;
  warnings: number;
  /** Services that could not be verified to the end. */
  unfinished: string[];
}

const FEW_TABLES = 3;

export interface Style {
  readonly colours: Colours;
  /** Names every table that was not tried. */
  readonly verbose: boolean;
}

/** With the commands that it names as `told` has them. */
export function worded(finding: VerifyFinding, told: (text: string) => string): VerifyFinding {
  return { ...finding, message: told(finding.message), hint: finding.hint === null ? null : told(finding.hint) };
}

export function renderTarget({ findings, probe }: TargetVerification, style: Style): string[] {
  const { colours } = style;
  const lines = findings.flatMap((one) => renderFinding(one, colours, null));
  if (findings.length === 0) lines.push(`  ${colours.green('✓')} it is what its history says`);
  return [...lines, ...renderTried(probe === null ? [] : [probe], findings.some((one) => one.code === 'leak') ? 'leaks' : 'holds', style)];
}

/** How far row-level security was tried, over all targets; nothing where it was not. */
export function renderTried(probes: readonly ProbeReport[], result: 'holds' | 'leaks', { colours, verbose }: Style): string[] {
  const notProbed = probes.flatMap((one) => one.notProbed);
  const probed = probes.reduce((sum, one) => sum + one.probed, 0);
  const tables = probed + notProbed.length;
  if (tables === 0) return [];
  const mark = notProbed.length === 0 && result === 'holds' ? colours.green('✓') : colours.yellow('!');
  const lines = [`  ${mark} row-level security tried with two tenants: ${probed} of ${plural(tables, 'table')}`];
  const told = verbose ? notProbed : notProbed.slice(0, FEW_TABLES);
  for (const { table, reason } of told) lines.push(`    ${printable(table)}: ${printable(reason)}`);
  if (told.length < notProbed.length) lines.push(`    and ${notProbed.length - told.length} more; --verbose names them`);
  return lines;
}

/** @param who Whose finding it is, where it is several tenants'. */
export function renderFinding({ severity, object, message, hint }: VerifyFinding, colours: Colours, who: string | null): string[] {
  const [first = '', ...more] = printableText(inOneLine(message, object)).split('\n');
  return [
    `  ${severity === 'error' ? colours.red('✗') : colours.yellow('!')} ${who === null ? '' : `${colours.bold(who)}: `}${first}`,
    ...more.map((line) => `    ${line}`),
    ...(hint === null ? [] : [`    ${colours.cyan('→')} ${printableText(hint)}`]),
  ];
}

/** The object's own name may hold a line break; the message's breaks stay. */
function inOneLine(message: string, object: string | null): string {
  return object === null || object === '' ? message : message.replaceAll(object, () => printable(object));
}

export function renderSummary({ services, errors, warnings, unfinished }: Tally, colours: Colours): string {
  const counts = [
    ...(errors > 0 ? [colours.red(plural(errors, 'error'))] : []),
    ...(warnings > 0 ? [colours.yellow(plural(warnings, 'warning'))] : []),
    ...(unfinished.length > 0 ? [`not finished: ${printable(unfinished.join(', '))}`] : []),
  ];
  return `${plural(services, 'service')} verified: ${counts.length === 0 ? colours.green('nothing found') : counts.join(', ')}.`;
}
