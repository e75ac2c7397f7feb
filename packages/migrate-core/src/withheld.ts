/** What the server says, without what it quotes of rows. Pure. */

import { isRaised, raisedMessage } from './engine/raised.ts';
import type { ServerError } from './session.ts';

/** Where an expression may have made the name of a setting that the message quotes. */
const OF_SETTINGS = /^(?:find_option|GetConfigOption|assignable_custom_variable_name)/;

/**
 * The server's message without values of rows. Class 22 (data exception) quotes the value that did not fit; what an exception of PL/pgSQL says is its author's.
 *
 * @param sql The migration's own text, whose words are no data; empty where there is none.
 */
export function withoutData(error: ServerError, sql: string): string {
  if (isRaised(error)) return raisedMessage(error.message, sql) ?? WITHHELD;
  if (OF_SETTINGS.test(error.routine ?? '')) return error.message.replace(/"([^]*)"/, (found, name: string) => (sql.includes(name) ? found : '"…"'));
  // From the first quote to the last: the value may hold quotes itself.
  // A query that a function put together may have a value where a name should be.
  const mayQuote = error.code?.startsWith('22') === true || error.internalQuery !== undefined;
  return mayQuote ? error.message.replace(/"[^]*"/, '"…"') : error.message;
}

const WITHHELD = 'an exception that a function or trigger raises; its words are withheld, since they may hold data';

/** What a server's error tells beside its message that is never a row's. */
const TOLD = ['code', 'severity', 'schema', 'table', 'column', 'dataType', 'constraint', 'position', 'file', 'line', 'routine'] as const;

/**
 * A cause as it may be printed: whoever prints an error prints its cause as well, Node.js when nobody catches it, a logger when it is asked to. Of a
 * server's error without DETAIL, HINT, context and what its message quotes; everything else as it is.
 */
export function printableCause(cause: unknown): unknown {
  if (!(cause instanceof Error) || typeof (cause as ServerError).severity !== 'string') return cause;
  const error = cause as ServerError;
  const copy = new Error(withoutData(error, ''));
  const [, frames = ''] = /((?:\n\s+at .*)+)\s*$/.exec(error.stack ?? '') ?? [];
  copy.stack = `${error.name}: ${copy.message}${frames}`;
  Object.defineProperty(copy, 'name', { value: error.name, enumerable: false });
  for (const field of TOLD) {
    const value = (error as unknown as Record<string, unknown>)[field];
    if (value !== undefined) Object.assign(copy, { [field]: value });
  }
  return copy;
}
