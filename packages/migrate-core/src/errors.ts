/** The one error class of the library. Pure. */

import type { Problem } from './plan.ts';
import type { Report } from './report.ts';
import { withoutPasswords } from './secrets.ts';
import { printableCause } from './withheld.ts';

/** Every way in which the library gives up. A closed union: switch on it. */
export type ErrorCode =
  /** An option, a name or a request is not acceptable; nothing was touched. */
  | 'invalidOptions'
  /** A migration's file cannot be read, parsed or loaded; nothing was touched. */
  | 'invalidMigration'
  /** The plan has problems (see `problems`); nothing was touched. */
  | 'planRefused'
  /** A migration's SQL failed; what was done before it stands, see `report`. */
  | 'migrationFailed'
  /** The history table of this name is another tool's. */
  | 'foreignHistory'
  /** Somebody else held the lock, or the tables, longer than the limit. */
  | 'lockTimeout'
  /** Another service did not reach the version needed within the limit. */
  | 'unmetRequirement'
  /** The server could not be reached, or refused the connection. */
  | 'connection'
  /** Stopped by the caller's signal; the record is true. */
  | 'aborted'
  /** The schema is not what the history says. */
  | 'verificationFailed'
  /** A promise of this library was broken: please report it. */
  | 'internal';

/** Where in a migration's text something is wrong. `line` and `column` count from 1, columns in code points. */
export interface SourcePosition {
  readonly file: string | null;
  readonly line: number;
  readonly column: number;
  /** The text of that line; empty where only its place is known, as of a module that was compiled. */
  readonly text: string;
}

export interface MigrationErrorOptions {
  readonly code: ErrorCode;
  /** What was wrong and where. One paragraph. */
  readonly message: string;
  /** What to type or do next. */
  readonly hint?: string | undefined;
  readonly migration?: string | undefined;
  readonly target?: string | undefined;
  readonly position?: SourcePosition | undefined;
  /** The failing statement, without its data where the server's answer held any. */
  readonly statement?: string | undefined;
  readonly sqlState?: string | undefined;
  /** PostgreSQL's DETAIL or the failing row. Holds patients' data: shown only when the user asks for it. */
  readonly data?: string | undefined;
  readonly report?: Report | undefined;
  /** Of a refused plan: every problem, not only the first. */
  readonly problems?: readonly Problem[] | undefined;
  /** A server's error is kept without DETAIL and the row that failed, since who prints an error prints its cause: they are in `data`. */
  readonly cause?: unknown;
}

/** Thrown for every broken promise; expected outcomes are values. Message and hint may repeat what was typed: a password in it is hidden. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly code: ErrorCode;
  readonly hint: string | null;
  readonly migration: string | null;
  readonly target: string | null;
  readonly position: SourcePosition | null;
  readonly statement: string | null;
  readonly sqlState: string | null;
  /** Not enumerable, so that no logger prints it by accident. */
  declare readonly data: string | null;
  readonly report: Report | null;
  readonly problems: readonly Problem[];

  constructor(options: MigrationErrorOptions) {
    const cause = printableCause(options.cause);
    super(withoutPasswords(options.message), cause === undefined ? undefined : { cause });
    this.code = options.code;
    this.hint = options.hint === undefined ? null : withoutPasswords(options.hint);
    this.migration = options.migration ?? null;
    this.target = options.target ?? null;
    this.position = options.position ?? null;
    this.statement = options.statement ?? null;
    this.sqlState = options.sqlState ?? null;
    this.report = options.report ?? null;
    this.problems = options.problems ?? [];
    Object.defineProperty(this, 'data', { value: options.data ?? null, enumerable: false });
  }
}

/** What an error says, for another one that says more. */
export function optionsOf(error: MigrationError): MigrationErrorOptions {
  const { code, message, hint, migration, sqlState, problems, position, statement, cause } = error;
  return {
    code,
    message,
    hint: hint ?? undefined,
    migration: migration ?? undefined,
    sqlState: sqlState ?? undefined,
    position: position ?? undefined,
    statement: statement ?? undefined,
    problems,
    cause,
  };
}
