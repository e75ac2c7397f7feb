/** What `connect` threw, in the library's own words where it was the network or the server that refused. Pure. */

import { MigrationError } from './errors.ts';

/** `pg` has no code for these. */
const WITHOUT_CODE = /^(?:Connection terminated|timeout expired)/;

/** A `connection` error with the server's SQLSTATE, if it gave one; everything else, which is the caller's own, as it is. */
export function refusedConnection(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof MigrationError) return error;
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  const server = typeof code === 'string' && severity !== undefined;
  if (!server && !(typeof code === 'string' && /^E[A-Z_]+$/.test(code)) && !WITHOUT_CODE.test(error.message)) return error;
  // A name with several addresses fails with an error for each, and without words of its own.
  const inner = error instanceof AggregateError ? (error.errors as readonly unknown[]).find((one) => one instanceof Error) : undefined;
  const words = error.message === '' && inner instanceof Error ? inner.message : error.message;
  return new MigrationError({
    code: 'connection',
    message: `cannot connect: ${words}`,
    hint: server ? undefined : 'look at whether the server runs, and at the host and port that connect uses',
    sqlState: server ? code : undefined,
    cause: error,
  });
}
