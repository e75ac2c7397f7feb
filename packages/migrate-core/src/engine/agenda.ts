/**
 * What a message holds, said at its beginning: other sessions see no more than the first kilobyte of it (`track_activity_query_size`), which would be
 * our own statements. Pure.
 */

import type { LiveScript, Script, Statement } from '../migration.ts';
import { inComment } from '../sql.ts';

/** Characters: beside the tag, it leaves room for long names in what others see. */
const LONGEST = 500;
const NEXT_TRANSACTION = ' | ';
const SAME_TRANSACTION = ' + ';

export interface Planned {
  readonly name: string;
  readonly script: Script | LiveScript;
}

/** As others read it. */
export interface Agenda {
  /** The log's sequence number that the first of them will have; each has the next one. */
  readonly from: number;
  /** By transaction, in their order; the last ones may be missing. */
  readonly transactions: readonly (readonly AgendaStep[])[];
}

export interface AgendaStep {
  readonly name: string;
  /** Its statements in short; cut where they were too long. */
  readonly what: string;
}

/** A comment, to stand behind the tag. */
export function writeAgenda(from: number, transactions: readonly (readonly Planned[])[]): string {
  let text = '';
  for (const steps of transactions) {
    for (const [index, { name, script }] of steps.entries()) {
      if (text.length >= LONGEST) break;
      const between = text === '' ? '' : index === 0 ? NEXT_TRANSACTION : SAME_TRANSACTION;
      text += `${between}${inComment(name)}: ${script.kind === 'live' ? 'its module' : summaryOf(script.statements, LONGEST - text.length)}`;
    }
  }
  return `/*from=${from} ${text}*/`;
}

/** `null` where there is none. What others see of it may be cut anywhere. */
export function readAgenda(text: string): Agenda | null {
  const found = /^\/\*from=(\d+) ([^]*?)(?:\*\/|$)/.exec(text);
  if (found === null) return null;
  const transactions = (found[2] ?? '').split(NEXT_TRANSACTION).map((steps) =>
    steps.split(SAME_TRANSACTION).flatMap((one) => {
      const [, name, what = ''] = /^(\S+): ([^]*)$/.exec(one) ?? [];
      return name === undefined ? [] : [{ name, what }];
    }),
  );
  return { from: Number(found[1]), transactions };
}

/** The transaction that is under way: those before it are in the log. Empty where that is not shown any more. */
export function underWay({ from, transactions }: Agenda, generation: number): readonly AgendaStep[] {
  let done = generation - from + 1;
  return transactions.find((steps) => (done -= steps.length) < 0) ?? [];
}

/** Of steps that share a transaction; the first one's name is left out where it is told elsewhere. */
export function inShort(steps: readonly AgendaStep[], first: 'named' | 'unnamed'): string {
  return steps.map(({ name, what }, index) => (index === 0 && first === 'unnamed' ? what : `${name}: ${what}`)).join(SAME_TRANSACTION);
}

/** All of it. */
export function wholeInShort({ transactions }: Agenda): string {
  return transactions.map((steps) => inShort(steps, 'named')).join(NEXT_TRANSACTION);
}

function summaryOf(statements: readonly Statement[], limit: number): string {
  let text = '';
  for (const { summary } of statements) {
    if (text.length > limit) return `${text}; ...`;
    text += `${text === '' ? '' : '; '}${safe(summary)}`;
  }
  return text;
}

/** A quoted name may hold anything. */
function safe(summary: string): string {
  return summary.replaceAll(/\*\/|\/\*|[|+]|\s+/g, ' ');
}
