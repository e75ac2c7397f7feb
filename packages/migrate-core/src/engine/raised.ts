/** What an exception of PL/pgSQL says without the values that were put into its message. Pure. */

import type { ServerError } from '../session.ts';

/** What `RAISE` formats, in a body within dollars, or within quotes (then each quote is two). */
const FORMAT = /\braise\s+(?:(?:debug|log|info|notice|warning|exception)\s+)?(?:''((?:[^']|'''')+)''(?!')|'((?:[^']|'')*)'|(\$\w*\$)([^]*?)\3)/gi;
const MESSAGE = /\bmessage\s*:?=\s*'((?:[^']|'')*)'/gi;
/** `MESSAGE = format('…', …)`, which is how a message with an SQLSTATE of its own gets values. */
const FORMATTED = /\bmessage\s*:?=\s*(?:pg_catalog\s*\.\s*)?format\s*\(\s*'((?:[^']|'')*)'/gi;
const ASSERTED = /\bassert\b[^;]*,\s*'((?:[^']|'')*)'\s*;/gi;
const HINT = /\bhint\s*:?=\s*'((?:[^']|'')*)'/gi;

/** RAISE and ASSERT may use any SQLSTATE: the server's routine tells them from its own errors. What this library raises holds no data. */
export function isRaised({ code, routine }: ServerError): boolean {
  if (code?.startsWith('MG') === true) return false;
  return code === 'P0001' || code === 'P0004' || routine === 'exec_stmt_raise' || routine === 'exec_stmt_assert';
}

/**
 * The message as its author wrote it, with … for each value; `null` where no RAISE in `sql` makes such a message: it stands in a function or a trigger that was
 * made elsewhere, or is put together in a way that does not show.
 *
 * @param sql The migration's own text; it may hold many formats: the one that says most counts.
 */
export function raisedMessage(message: string, sql: string): string | null {
  if (message === 'assertion failed' || literals(sql, MESSAGE).includes(message) || literals(sql, ASSERTED).includes(message)) return message;
  let best: readonly string[] = [];
  for (const parts of [...literals(sql, FORMAT).map((one) => partsOf(one, RAISED)), ...literals(sql, FORMATTED).map((one) => partsOf(one, SPECIFIED))]) {
    if (fits(message, parts) && wordsOf(parts) > wordsOf(best)) best = parts;
  }
  return wordsOf(best) === 0 ? null : best.join('…');
}

/** The hint that an exception gives, where the migration's own text has it as it is. */
export function raisedHint(hint: string | undefined, sql: string): string | null {
  return hint !== undefined && literals(sql, HINT).includes(hint) ? hint : null;
}

function literals(sql: string, pattern: RegExp): string[] {
  return [...sql.matchAll(pattern)].map(([, first, second, , dollars]) => (first ?? second ?? dollars ?? '').replaceAll(/'{2,4}/g, `'`));
}

/** The pieces of what RAISE formats, and of what format() does (manual, 9.4.1). */
const RAISED = /%%|%|[^%]+/g;
const SPECIFIED = /%%|%(?:\d+\$)?-?(?:\d+|\*(?:\d+\$)?)?[sIL]|[^%]+/g;

/** What stands between the values. `%%` is a percent sign. */
function partsOf(format: string, pieces: RegExp): string[] {
  const parts = [''];
  for (const [piece] of format.matchAll(pieces)) {
    if (piece === '%%') parts[parts.length - 1] += '%';
    else if (piece.startsWith('%')) parts.push('');
    else parts[parts.length - 1] += piece;
  }
  return parts;
}

function fits(message: string, parts: readonly string[]): boolean {
  const [first = '', ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return message === first;
  if (!message.startsWith(first) || !message.endsWith(last)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = message.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= message.length - last.length;
}

/** How many letters there are: a format without any says nothing. */
function wordsOf(parts: readonly string[]): number {
  return parts.join('').match(/\p{L}/gu)?.length ?? 0;
}
