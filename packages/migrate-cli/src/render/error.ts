/** An error for people: what and where, the line with a caret, what to type next. Never data, unless asked. Pure. */

import { inQuotes, type MigrationError, type Report, type SourcePosition } from '@org/migrate-core';

import type { Invocation } from '../invocation.ts';
import type { About } from '../located.ts';
import type { Options } from '../options.ts';
import { shown } from '../workspace.ts';
import type { Colours } from './colour.ts';
import { printable, printableText } from './text.ts';

export interface ErrorStyle {
  readonly colours: Colours;
  /** Adds the stack trace. */
  readonly verbose: boolean;
  /** Adds DETAIL and the failing row. */
  readonly showData: boolean;
  readonly cwd: string;
  /** Makes the commands that an error names such as are for the place that was typed. */
  readonly located: (text: string) => string;
  /** How far an up was to go, and how: typed again, it is to do no more. */
  readonly bounds: Bounds;
}

type Bounds = Pick<Options, 'to' | 'steps' | 'atomic' | 'order'>;

/** @param about The service whose error it is; left out for one of none, or of tenants. */
export function styleOf({ output, options, cwd }: Pick<Invocation, 'output' | 'options' | 'cwd'>, about?: About): ErrorStyle {
  const located = (text: string): string => output.located(text, about);
  return { colours: output.colours, verbose: options.verbose === true, showData: options.showData === true, cwd, located, bounds: options };
}

const WIDEST_LINE = 140;

export function renderError(error: MigrationError, { colours, verbose, showData, cwd, located, bounds }: ErrorStyle): string {
  const state = error.sqlState === null || error.message.includes(error.sqlState) ? '' : colours.dim(` (SQLSTATE ${error.sqlState})`);
  const [first = '', ...more] = printableText(located(error.message)).split('\n');
  const lines = [`${colours.red('✗')} ${colours.bold(first)}${state}`, ...more.map((line) => `  ${line}`)];
  if (error.position !== null) lines.push(...excerpt(error.position, colours, cwd));
  else if (error.statement !== null) lines.push('', ...firstLines(error.statement).map((line) => `  ${colours.dim('|')} ${line}`), '');
  if (error.data !== null) {
    if (showData)
      lines.push(
        ...printableText(error.data)
          .split('\n')
          .map((line) => `  ${line}`),
      );
    else lines.push(colours.dim('  PostgreSQL’s details are withheld, since they may hold patients’ data; --show-data prints them.'));
  }
  const next =
    error.hint ??
    (error.code === 'migrationFailed' && error.position?.file != null ? `correct ${shown(error.position.file, cwd)}, then run again: migrate up` : null);
  if (next !== null) lines.push(`  ${colours.cyan('→')} ${printableText(located(bounded(next, bounds, error.report)))}`);
  if (verbose && error.stack !== undefined) lines.push(colours.dim(printableText(frames(error.stack))));
  return lines.join('\n');
}

/** `migrate up` is `migrate up --to 0005 --atomic` where that was typed. Of steps some are done: what is left of them ends at a migration. */
function bounded(text: string, { to, steps, atomic, order }: Bounds, report: Report | null): string {
  const last = to ?? (steps === undefined ? undefined : (report?.notRun.at(-1) ?? report?.failed?.name));
  const flags = [
    ...(last === undefined ? [] : [` --to ${inQuotes(last)}`]),
    ...(atomic === true ? [' --atomic'] : []),
    ...(order === undefined ? [] : [` --order ${order}`]),
  ].join('');
  return text.replaceAll(/\bmigrate up\b(?! --)/g, (command) => `${command}${flags}`);
}

/** Only where, not the message again: a driver's own message may quote a row. */
function frames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
}

export function excerpt(position: SourcePosition, colours: Colours, cwd: string): string[] {
  const place =
    position.file === null ? `line ${position.line}, column ${position.column}` : `${shown(position.file, cwd)}:${position.line}:${position.column}`;
  const where = `  ${colours.cyan(printable(place))}`;
  if (position.text === '') return [where, ''];
  const characters = Array.from(position.text.replaceAll('\t', ' '));
  // A line of a minified file would fill the screen and push the caret out of sight.
  const from = position.column > WIDEST_LINE - 20 ? position.column - Math.floor(WIDEST_LINE / 2) : 0;
  const text = printable(characters.slice(from, from + WIDEST_LINE).join(''));
  const before = printable(characters.slice(from, position.column - 1).join(''));
  const number = String(position.line);
  return [
    where,
    '',
    `  ${colours.dim(`${number} |`)} ${text.trimEnd()}`,
    `  ${' '.repeat(number.length)} ${colours.dim('|')} ${' '.repeat(before.length)}${colours.red('^')}`,
    '',
  ];
}

export function firstLines(statement: string): string[] {
  const lines = printableText(statement).split('\n');
  return lines.length > 8 ? [...lines.slice(0, 8), '…'] : lines;
}
