/** From what the server said to an error that a person can act on, without the data that PostgreSQL puts into it. */

import { MigrationError, type ErrorCode } from '../errors.ts';
import { named } from './leftover.ts';
import type { Message, Piece } from './message.ts';
import { again, type Told } from './next-command.ts';
import { isRaised, raisedHint } from './raised.ts';
import { positionIn } from '../position.ts';
import type { Blocker, Failure, Report } from '../report.ts';
import type { ServerError } from '../session.ts';
import { withoutData } from '../withheld.ts';

/** A step's failure, before it becomes an error with a report. */
export interface StepFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
  readonly position: Failure['position'];
  readonly statement: string | null;
  readonly sqlState: string | null;
  /** DETAIL, context, failing row: holds patients' data. */
  readonly data: string | null;
  readonly cause: unknown;
}

/** SQLSTATEs after which the same transaction may succeed when tried again (PostgreSQL manual, appendix A). */
const RETRYABLE = new Set(['55P03', '40P01', '40001', '53200']);

/**
 * Whether to try the whole transaction again. 23505 in the catalogue and "tuple concurrently updated" are how
 * IF NOT EXISTS and OR REPLACE lose a race with another service in the same database.
 */
export function isRetryable(error: ServerError): boolean {
  if (RETRYABLE.has(error.code ?? '')) return true;
  if (error.code === '23505') return error.schema === 'pg_catalog';
  return error.code === 'XX000' && /tuple concurrently (updated|deleted)/.test(error.message);
}

/** How IF NOT EXISTS and CREATE SCHEMA of the history's own tables lose a race with another tenant that makes the shared ones. */
const CREATED_MEANWHILE = new Set(['23505', '42710', '42P06', '42P07']);

/** The guard lost such a race: by now the tables are there. */
export function wasCreatedMeanwhile(error: ServerError, piece: Piece | null): boolean {
  return piece?.role === 'guard' && CREATED_MEANWHILE.has(error.code ?? '');
}

/** The server refuses this statement in a transaction block, or a procedure wants to commit. */
export function needsNoTransaction(error: ServerError): boolean {
  return error.code === '25001' || error.code === '2D000';
}

/** The hint as PostgreSQL, or the migration's own text, words it. */
function hintOf(error: ServerError, sql: string): string | null {
  return isRaised(error) ? raisedHint(error.hint, sql) : (error.hint ?? null);
}

/** What `withoutData` and `hintOf` leave out, and what is nothing but data. */
function dataOf(error: ServerError, sql: string): string | undefined {
  const hint = error.hint !== undefined && hintOf(error, sql) === null;
  const parts = [
    error.code?.startsWith('22') === true || withoutData(error, sql) !== error.message ? error.message : undefined,
    error.detail === undefined ? undefined : `DETAIL: ${error.detail}`,
    hint ? `HINT: ${error.hint}` : undefined,
    error.where === undefined ? undefined : `CONTEXT: ${error.where}`,
  ];
  const text = parts.filter((part) => part !== undefined).join('\n');
  return text === '' ? undefined : text;
}

const LONGEST_STATEMENT = 2_000;

export function describeFailure(error: ServerError, message: Message, piece: Piece | null, blockers: readonly Blocker[]): StepFailure {
  const offset = piece === null ? null : message.offsetInScript(piece, error.position);
  const origin = piece?.origin ?? null;
  const sql = origin?.script.sql ?? '';
  const statement = origin?.script.statements[origin.index];
  const where =
    piece?.role === 'commit'
      ? ` at COMMIT${error.constraint === undefined ? '' : ` (deferred constraint ${error.constraint}${error.table === undefined ? '' : ` of ${error.table}`})`}`
      : piece?.role === 'record'
        ? ' while writing the history'
        : '';
  const waiting = error.code === '55P03';
  const invalid = piece?.role === 'validity' && error.code === '22P02' ? statement?.passesOver : undefined;
  if (statement !== undefined && origin !== null && invalid !== undefined) {
    const index = named({ schema: invalid.table.schema, name: invalid.index });
    return {
      code: 'migrationFailed',
      message: `the index ${index} is there already and INVALID, and IF NOT EXISTS passes over it: a CREATE INDEX CONCURRENTLY that failed has left it, no query uses it, and nothing was checked`,
      hint: `build it with: REINDEX INDEX ${index}, or take it away with: DROP INDEX ${index}; then run again`,
      position: positionIn(origin.script, statement.start),
      statement: cut(statement.written ?? statement.text),
      sqlState: null,
      data: null,
      cause: error,
    };
  }
  return {
    code: waiting ? 'lockTimeout' : 'migrationFailed',
    message: `${withoutData(error, sql)}${where}${origin?.script.madeBy === undefined ? '' : `, in the SQL that ${origin.script.madeBy} makes`}`,
    hint: waiting ? lockHint(blockers) : (hintFor(error, piece) ?? hintOf(error, sql)),
    position: origin === null || offset === null ? null : positionIn(origin.script, offset),
    statement: statement === undefined ? null : cut(statement.written ?? statement.text),
    sqlState: error.code ?? null,
    data: dataOf(error, sql) ?? null,
    cause: error,
  };
}

/** One line about a session. */
export function describeBlocker(one: Blocker): string {
  const age = one.ageMs === null ? '' : `, for ${(one.ageMs / 1000).toFixed(1)} s`;
  const who = [one.user, one.application].filter((part) => part !== null && part !== '').join(', ');
  return `pid ${one.pid} (${who}${who === '' ? '' : ', '}${one.state ?? 'unknown'}${age}): ${one.query.replace(/[\s;]+$/, '')}`;
}

/** Of a statement that ended because the caller wanted it. @param extent How much of its migration is done. */
export function stoppedFailure(failure: StepFailure, extent: 'nothing' | 'partly', step: Told): StepFailure {
  const verb = step.direction === 'up' ? 'apply' : 'undo';
  return {
    ...failure,
    code: 'aborted',
    message: 'stopped on request; the statement was cancelled and rolled back',
    hint:
      extent === 'partly'
        ? `the next \`${again(step)}\` goes on where it stopped`
        : `run \`${again(step)}\`${step.direction === 'up' ? ' again' : ''} to ${verb} it`,
  };
}

/**
 * What to do about a statement that was cancelled in the server, where nothing is wrong with its file, and about a down that fails, where nothing else is told: its
 * down may be corrected, as long as its up stays as it is. Others stay as they are.
 *
 * @param by Who cancelled it where it was not a person: we, after waiting.
 */
export function withNextCommand(failure: StepFailure, step: Told, by: 'others' | { readonly blockers: readonly Blocker[] }): StepFailure {
  if (failure.sqlState !== '57014') {
    const silent = failure.hint === null && failure.code === 'migrationFailed' && failure.position?.file != null;
    return step.direction === 'down' && silent ? { ...failure, hint: `correct its down, then undo it with: ${again(step)}` } : failure;
  }
  if (by !== 'others') return { ...failure, hint: lockHint(by.blockers) };
  if (failure.message.includes('statement timeout')) return failure;
  // In another language of the server's the two cannot be told apart.
  const who = failure.message.includes('user request') ? 'somebody cancelled it in the server' : 'somebody, or a statement_timeout, cancelled it in the server';
  return { ...failure, hint: `${who}, and nothing is wrong with the file: \`${again(step)}\` runs it again` };
}

function lockHint(blockers: readonly Blocker[]): string {
  if (blockers.length === 0) return 'somebody held a lock on the table all the time; look with: migrate status, then run again';
  return `held by ${blockers.map(describeBlocker).join('; ')}. End that session or wait for it, then run again`;
}

function hintFor(error: ServerError, piece: Piece | null): string | null {
  if (piece?.role === 'record' && (error.code === '42P01' || error.code === '42703'))
    return 'the migration drops or alters a table of the history itself, and was rolled back: keep the history in a table of another name, with --table';
  switch (error.code) {
    case '42501':
      return /row-level security/.test(error.message)
        ? 'migrations run with row_security = off, so that no policy filters a data change in silence: the migrator needs BYPASSRLS (ALTER ROLE … BYPASSRLS) or a superuser, and a migration that changes to another role with SET ROLE loses that'
        : 'the migrator’s role lacks a privilege: connect as the owner of these objects';
    case '25006':
      return 'it ran read-only: default_transaction_read_only is on for this role or database, and holds for what runs outside of our transactions. ALTER ROLE … SET default_transaction_read_only = off (or ALTER DATABASE …), then run again';
    case '3F000':
      return /no schema has been selected/.test(error.message)
        ? 'the search_path of this role or database names no schema that is there: ALTER ROLE … SET search_path = … (or ALTER DATABASE …), or name the schema in the file; then run again'
        : null;
    case '2BP01':
      return 'something else depends on it; undo that first, or leave it as it is';
    case '55P04':
      return 'a new enum value cannot be used in the transaction that adds it: put its use into a migration of its own';
    default:
      return null;
  }
}

function cut(text: string): string {
  return text.length > LONGEST_STATEMENT ? `${text.slice(0, LONGEST_STATEMENT)}…` : text;
}

export function failureError(failure: StepFailure, at: { readonly migration: string; readonly target: string; readonly report: Report }): MigrationError {
  return new MigrationError({
    code: failure.code,
    message: `${at.migration} failed on ${at.target}: ${failure.message}`,
    hint: failure.hint ?? undefined,
    migration: at.migration,
    target: at.target,
    position: failure.position ?? undefined,
    statement: failure.statement ?? undefined,
    sqlState: failure.sqlState ?? undefined,
    data: failure.data ?? undefined,
    cause: failure.cause,
    report: at.report,
  });
}

/** As the report tells it: without the data. */
export function failureOf(step: { readonly name: string; readonly version: string }, failure: StepFailure): Failure {
  const { code, message, hint, position, statement, sqlState } = failure;
  return { name: step.name, version: step.version, code, message, hint, position, statement, sqlState };
}
