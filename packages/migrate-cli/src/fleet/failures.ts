/** What failed, and for whom: tenants that failed alike are told together. Pure. */

import type { Failure, TenantResult } from '@org/migrate-core';

import type { Colours } from '../render/colour.ts';
import { excerpt, firstLines } from '../render/error.ts';
import { plural, printable, printableText } from '../render/text.ts';
import { stateOf } from './document.ts';
import { aboutTenants } from './hint.ts';

export interface FailureStyle {
  readonly colours: Colours;
  /** Every tenant and every failure; else the first ones, and how many more there are. */
  readonly extent: 'all' | 'first';
  readonly cwd: string;
  /** Adds what the server says about each tenant's row. */
  readonly showData?: boolean | undefined;
  /** What the command line named the tenants with, besides `--tenant`: for commands that a hint names. */
  readonly flags: string;
}

const MOST_TENANTS = 10;
const FEW_TENANTS = 3;
const MOST_FAILURES = 10;

interface Alike {
  /** Whose own name stands in the message that is told of all of them; `null` when it names none. */
  readonly example: string | null;
  readonly failed: Failure | null;
  readonly tenants: string[];
  readonly data: Map<string, string>;
}

export function renderFailures(failures: readonly TenantResult[], style: FailureStyle): string[] {
  const alike = together(failures);
  const told = style.extent === 'all' ? alike : alike.slice(0, MOST_FAILURES);
  const lines = told.flatMap((one) => ['', ...withoutEnd(renderOne(one, style))]);
  const rest = alike.slice(told.length).reduce((sum, one) => sum + one.tenants.length, 0);
  if (rest > 0) lines.push('', `  and ${plural(rest, 'more tenant')} that failed otherwise; --verbose shows all, --json too`);
  return lines;
}

/** An excerpt ends with an empty line, and so does what comes next begin. */
function withoutEnd(lines: readonly string[]): readonly string[] {
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

/** The most frequent first; of equal ones, as they came. */
function together(failures: readonly TenantResult[]): readonly Alike[] {
  const times = new Map<string, number>();
  for (const { failed } of failures) times.set(failed?.message ?? '', (times.get(failed?.message ?? '') ?? 0) + 1);
  const groups = new Map<string, Alike>();
  for (const { tenant, schema, database, failed, data } of failures) {
    const own = failed?.message ?? '';
    // A message that names the tenant's own schema would make each of them another failure. What several have word for word names none of them.
    const message = times.get(own) === 1 ? [schema, database].reduce((text: string, name) => (name === null ? text : text.replaceAll(name, '…')), own) : own;
    const key = JSON.stringify([failed?.name, failed?.sqlState, failed?.code, message, failed?.statement]);
    const group = groups.get(key) ?? { failed, tenants: [], example: message === own ? null : tenant, data: new Map<string, string>() };
    groups.set(key, group);
    group.tenants.push(tenant);
    if (data !== undefined) group.data.set(tenant, data);
  }
  return [...groups.values()].toSorted((a, b) => b.tenants.length - a.tenants.length);
}

function renderOne({ failed, tenants, example, data }: Alike, { colours, extent, cwd, flags, showData }: FailureStyle): string[] {
  const who = `${tenantNames(tenants, extent)}${example === null || tenants.length === 1 ? '' : ` (told of ${printable(example)})`}`;
  if (failed === null) return [`${colours.red('✗')} ${colours.bold(who)}: stopped half way`];
  const sqlState = stateOf(failed.sqlState);
  const state = sqlState === null || failed.message.includes(sqlState) ? '' : colours.dim(` (SQLSTATE ${sqlState})`);
  // What names one of them names it as its own: its commands are for that one.
  const whom = example === null ? tenants : [example];
  const [first = '', ...more] = printableText(aboutTenants(failed.message, whom, flags)).split('\n');
  const lines = [`${colours.red('✗')} ${colours.bold(who)}: ${first}${state}`, ...more.map((line) => `  ${line}`)];
  if (failed.position !== null) lines.push(...excerpt(failed.position, colours, cwd));
  else if (failed.statement !== null) lines.push('', ...firstLines(failed.statement).map((line) => `  ${colours.dim('|')} ${line}`), '');
  const shown = showData === true ? [...data].slice(0, extent === 'all' ? undefined : MOST_TENANTS) : [];
  for (const [tenant, text] of shown)
    lines.push(
      ...printableText(`${printable(tenant)}: ${text}`)
        .split('\n')
        .map((line) => `  ${line}`),
    );
  if (failed.hint !== null) lines.push(`  ${colours.cyan('→')} ${printableText(aboutTenants(failed.hint, whom, flags))}`);
  return lines;
}

/** `a, b, c and 1,994 more`. */
export function tenantNames(tenants: readonly string[], extent: FailureStyle['extent'] | 'few'): string {
  const sorted = tenants.toSorted();
  const named = extent === 'all' ? sorted : sorted.slice(0, extent === 'few' ? FEW_TENANTS : MOST_TENANTS);
  return `${printable(named.join(', '))}${named.length < sorted.length ? ` and ${sorted.length - named.length} more` : ''}`;
}
