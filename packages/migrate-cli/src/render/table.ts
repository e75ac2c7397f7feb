/** Tables for people. */

import type { ProblemCode, Status } from '@org/migrate-core';
import Table from 'cli-table3';

import { countOf, standingIn, tellStanding, unfinished } from '../fleet/standing.ts';
import type { TenantsResult } from '../fleet/part.ts';
import type { FleetOverview } from '../fleet/status.ts';
import type { RunPart, ServiceResult } from '../run.ts';
import type { Colours } from './colour.ts';
import type { ServiceStatus } from './document.ts';
import { describe } from './story.ts';
import { duration, heading, plural, printable, printableText, time } from './text.ts';

/** Rules only under the heading: a grid of lines is hard to read, and harder to copy from. */
const CHARACTERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

export function table(head: readonly string[], rows: readonly (readonly string[])[], colours: Colours): string {
  const made = new Table({
    head: head.map((text) => colours.dim(text)),
    chars: CHARACTERS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  made.push(...rows.map((row) => [...row]));
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** The end of a run over several services: a row for each, and one for its tenants. */
export function renderResults(parts: readonly RunPart[], colours: Colours): string {
  const rows = parts.map((part) => (part.kind === 'shared' ? resultRow(part.result, colours) : tenantsRow(part.result, colours)));
  return `\n${table(['service', 'target', 'version', 'result'], rows, colours)}`;
}

function resultRow({ service, report, error, begun, current, database }: ServiceResult, colours: Colours): string[] {
  const done = [
    ...(report?.undone.length ? [`${report.undone.length} undone`] : []),
    ...(report?.applied.length ? [`${report.applied.length} applied`] : []),
  ].join(', ');
  const state = !begun
    ? colours.yellow('not run')
    : error !== null
      ? colours.red(error.code === 'aborted' ? 'stopped' : 'failed')
      : done === ''
        ? 'nothing to do'
        : colours.green(done);
  return [
    printable(service),
    printable(report?.target.name || database || '–'),
    printable(current ?? '–'),
    error !== null && done !== '' ? `${state}, ${done}` : state,
  ];
}

function tenantsRow({ service, begun, total, report, error, standing }: TenantsResult, colours: Colours): string[] {
  const { applied = 0, undone = 0, failed = 0, interrupted = 0, notRun = 0 } = report?.counts ?? {};
  const parts = [
    ...(applied > 0 ? [colours.green(`${applied} migrated`)] : []),
    ...(undone > 0 ? [colours.green(`${undone} undone`)] : []),
    ...(failed > 0 ? [colours.red(`${failed} failed`)] : []),
    ...(interrupted > 0 ? [colours.red(`${interrupted} stopped`)] : []),
    ...(notRun > 0 ? [colours.yellow(`${notRun} not run`)] : []),
  ];
  const state = !begun ? colours.yellow('not run') : error !== null ? colours.red('failed') : parts.length === 0 ? 'nothing to do' : parts.join(', ');
  return [`${printable(service)} tenants`, begun && error === null ? plural(total, 'tenant') : '–', standing === null ? '–' : tellStanding(standing), state];
}

/** A service's own database, and its tenants where they are meant. */
export interface StatusRow {
  /** `null` where only tenants are meant. */
  readonly shared: ServiceStatus | null;
  readonly tenants: FleetOverview | null;
}

/** One row for each service, and one for its tenants. */
export function renderStatuses(services: readonly StatusRow[], colours: Colours): string {
  const rows = services.flatMap(({ shared, tenants }) => [
    ...(shared === null ? [] : [statusRow(shared, colours)]),
    ...(tenants === null ? [] : [overviewRow(tenants, colours)]),
  ]);
  const lines = [table(['service', 'target', 'version', 'applied', 'pending', 'state', 'connection from'], rows, colours)];
  for (const { message, hint, services: names } of told(services)) {
    lines.push('', `${colours.red('✗')} ${printable(names.join(', '))}: ${printableText(message)}`);
    if (hint !== null) lines.push(`  ${colours.cyan('→')} ${printableText(hint)}`);
  }
  for (const { shared } of services) {
    const status = shared?.status ?? null;
    if (shared !== null && status !== null && (status.problems.length > 0 || status.running !== null))
      lines.push('', ...renderTroubles(shared.service, status, colours));
  }
  return lines.join('\n');
}

function statusRow({ service, status, error, connection }: ServiceStatus, colours: Colours): string[] {
  const name = printable(service);
  const from = colours.dim(connection?.source ?? '–');
  if (status === null) {
    const why = error?.code === 'connection' ? 'cannot connect' : 'cannot tell';
    return [name, printable(connection?.settings.database ?? '–'), '–', '–', '–', colours.red(why), from];
  }
  const pending = status.pending.length === 0 ? '0' : colours.yellow(String(status.pending.length));
  return [name, printable(status.target.name), printable(status.current?.version ?? '–'), String(status.applied.length), pending, state(status, colours), from];
}

function overviewRow({ service, tenants, connection, status, error, lastFailures }: FleetOverview, colours: Colours): string[] {
  const name = `${printable(service)} tenants`;
  const from = colours.dim(connection?.source ?? '–');
  if (status === null) return [name, '–', '–', '–', '–', colours.red(error?.code === 'connection' ? 'cannot connect' : 'cannot tell'), from];
  const { groups, failures, total } = status;
  const behind = groups.filter(({ status: each }) => each.pending.length + each.interrupted.length > 0).reduce((sum, group) => sum + group.tenants.length, 0);
  const bad = failures.length + countOf(lastFailures, 'failed');
  const half = unfinished(tenants?.origin.registry?.others ?? []);
  const troubled = groups
    .filter((group) => group.status.problems.some((one) => one.severity === 'error'))
    .reduce((sum, group) => sum + group.tenants.length, 0);
  const word = bad > 0 ? colours.red(`${bad} failed`) : troubled > 0 ? colours.red(`${troubled} with problems`) : behind > 0 ? colours.yellow('pending') : null;
  const applied = [...new Set(groups.map((group) => group.status.applied.length))].toSorted((a, b) => a - b);
  return [
    name,
    plural(total, 'tenant'),
    tellStanding(standingIn(status)),
    applied.length === 0 ? '–' : applied.length === 1 ? String(applied[0]) : `${applied[0]} to ${applied.at(-1)}`,
    behind === 0 ? '0' : colours.yellow(`${behind} behind`),
    half > 0 && bad === 0 ? colours.red(`${half} not whole`) : total === 0 ? 'none yet' : (word ?? colours.green('current')),
    from,
  ];
}

/** A server that is not there is no news the second time. */
function told(services: readonly StatusRow[]): { message: string; hint: string | null; services: string[] }[] {
  const errors = new Map<string, { message: string; hint: string | null; services: string[] }>();
  for (const { service, error } of services.flatMap((one) => [one.shared, one.tenants].filter((part) => part !== null))) {
    if (error === null) continue;
    const known = errors.get(error.message);
    if (known === undefined) errors.set(error.message, { message: error.message, hint: error.hint, services: [service] });
    else if (!known.services.includes(service)) known.services.push(service);
  }
  return [...errors.values()];
}

export function state({ pending, problems, running }: Status, colours: Colours): string {
  if (running !== null) return colours.cyan('running now');
  const errors = problems.filter((one) => one.severity === 'error').length;
  if (errors > 0) return colours.red(plural(errors, 'problem'));
  if (problems.some((one) => one.code === 'interrupted')) return colours.yellow('interrupted');
  return pending.length > 0 ? colours.yellow('pending') : colours.green('current');
}

/** One service that could be reached: each migration's state, in source order. */
export function renderStatus({ service, connection, status, names, copied = null }: ServiceStatus, colours: Colours): string {
  const lines = [heading(service, connection, colours)];
  if (status === null) return lines.join('\n');
  const marks = new Map(status.problems.map((problem) => [problem.name, problem.code]));
  const rowOf = new Map([...status.applied, ...status.interrupted].map((row) => [row.name, row]));
  const pending = new Set(status.pending.map((one) => one.name));
  const unknown = [...rowOf.keys()].filter((name) => !names.includes(name));
  const rows = [...names, ...unknown].flatMap((name) => {
    const mark = marks.get(name);
    const row = rowOf.get(name);
    if (row !== undefined) {
      const applied = copied?.names.has(name) === true ? 'applied in template' : 'applied';
      const how =
        row.state !== 'applied'
          ? status.running?.name === name
            ? colours.cyan('running now')
            : colours.yellow('interrupted')
          : mark === undefined
            ? colours.green(applied)
            : colours.red(`${applied}, ${MARKS[mark]}`);
      const took = row.state === 'applied' ? duration(row.durationMs) : '';
      return [[printable(name), how, time(row.appliedAt), took, printable(row.appliedBy)]];
    }
    return pending.has(name) ? [[printable(name), mark === undefined ? colours.yellow('pending') : colours.red(`pending, ${MARKS[mark]}`), '', '', '']] : [];
  });
  const version = status.current === null ? 'nothing applied' : `version ${printable(status.current.version)}`;
  if (rows.length > 0) lines.push(table(['migration', 'state', 'applied at', 'took', 'by'], rows, colours), '');
  lines.push(`${printable(service)}: ${version}, ${status.applied.length} applied, ${status.pending.length} pending`);
  if (copied !== null && copied.names.size > 0)
    lines.push(
      colours.dim(
        `  ${copied.names.size} of them came with the template that ${printable(service)} was copied from, at ${time(copied.at)}: when they were applied, how long it took and by whom is told of the template`,
      ),
    );
  if (status.problems.length > 0 || status.running !== null) lines.push('', ...renderTroubles(service, status, colours));
  return lines.join('\n');
}

/** What is behind a state, in a word or two; the whole of it stands below the table. */
const MARKS: Readonly<Record<ProblemCode, string>> = {
  changed: 'file changed',
  outOfOrder: 'out of order',
  unknownApplied: 'not in this build',
  renamed: 'file renamed',
  interrupted: 'interrupted',
  duplicate: 'duplicate',
  invalidMigration: 'unreadable',
  unmetRequirement: 'requirement',
  irreversible: 'no down',
  foreignHistory: 'not ours',
  unknownVersion: 'unknown',
  historyLost: 'history lost',
  madeSchema: 'schema made',
};

export function renderTroubles(service: string, { problems, running }: Status, colours: Colours): string[] {
  const lines = problems.flatMap(({ severity, message }) => {
    const [first = '', ...more] = printableText(message).split('\n');
    return [`${severity === 'error' ? colours.red('✗') : colours.yellow('!')} ${printable(service)}: ${first}`, ...more.map((line) => `  ${line}`)];
  });
  if (running !== null) {
    const { name, process, lock, blockers } = running;
    lines.push(`${colours.cyan('▶')} ${printable(service)}: ${printable(name) || 'a migration'} runs now in ${describe(process, lock)}`);
    // A lock that several hold is one wait.
    if (blockers.length > 0) lines.push(`  ${colours.yellow('…')} it waits for ${blockers.map((one) => describe(one)).join('; ')}`);
  }
  return lines;
}
