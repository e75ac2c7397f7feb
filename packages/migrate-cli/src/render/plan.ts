/** What would run, with its SQL. Pure. */

import type { DetailedPlan, PlannedStep } from '@org/migrate-core';

import type { Colours } from './colour.ts';
import type { ServicePlan } from './document.ts';
import { heading, plural, printable, printableText } from './text.ts';

/** @param sql `whole`: all of it; `none`: names only. */
export function renderPlan({ service, direction, connection, plan }: ServicePlan, sql: 'whole' | 'none', colours: Colours): string {
  if (plan === null) return '';
  const { steps, target, found } = plan;
  const errors = plan.plan.problems.filter((one) => one.severity === 'error');
  const lines = [
    heading(service, connection, colours),
    steps.length === 0 && errors.length === 0
      ? `  nothing to ${direction === 'up' ? 'apply' : 'undo'} on ${printable(target.name)} (${plural(found, 'migration')} in the source)`
      : `  ${plural(steps.length, 'migration')} to ${direction === 'up' ? 'apply' : 'undo'} on ${printable(target.name)}; nothing is written`,
  ];
  return [...lines, ...renderSteps(plan, sql, colours)].join('\n');
}

/** The steps, and what is wrong with them. */
export function renderSteps({ steps, ignored, notices, plan }: DetailedPlan, sql: 'whole' | 'none', colours: Colours): string[] {
  const lines = steps.flatMap((step) => renderStep(step, sql, colours));
  for (const { name, message } of notices) lines.push(`  ${colours.cyan('i')} ${printableText(`${name}: ${message}`)}`);
  for (const { path, reason } of ignored) lines.push(`  ${colours.yellow('!')} not a migration: ${printable(path)} (${printable(reason)})`);
  for (const { severity, message } of plan.problems)
    lines.push(`  ${severity === 'error' ? colours.red('✗') : colours.yellow('!')} ${printableText(message).replaceAll('\n', '\n    ')}`);
  return lines;
}

function renderStep({ name, direction, mode, from, transaction, sql }: PlannedStep, show: 'whole' | 'none', colours: Colours): string[] {
  const notes = [
    ...(mode === 'resume' ? ['goes on where it was interrupted'] : []),
    ...(direction === 'down' && from === 'stored' ? ['by the down stored with it'] : []),
    transaction === 'one' ? 'in one transaction' : 'statement by statement',
  ];
  const lines = [`  ${direction === 'up' ? colours.green('↑') : colours.yellow('↓')} ${printable(name)} ${colours.dim(`(${notes.join(', ')})`)}`];
  if (show === 'none') return lines;
  const text = sql === null ? '-- known only when it runs: it asks the database' : printableText(sql).trim();
  return [...lines, ...text.split('\n').map((line) => `    ${colours.dim('|')} ${line.trimEnd()}`.trimEnd())];
}
