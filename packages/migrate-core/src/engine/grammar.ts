/** Asks the server whether it can read the migrations: before anything runs, and without running anything. */

import { MigrationError } from '../errors.ts';
import type { LiveScript, Script } from '../migration.ts';
import { positionIn } from '../position.ts';
import type { ServerError, Session } from '../session.ts';
import { PARSER_VERSION } from '../source/parser.ts';
import { doBlock } from '../sql.ts';
import { Message } from './message.ts';
import type { ReadyStep } from './run-state.ts';

/** The server keeps a block several times while it compiles it. Characters. */
const LARGEST_PART = 2_000_000;

/** Whether only its words have told what it is. */
export function isUnread(script: Script | LiveScript): boolean {
  return script.kind === 'sql' && script.unread === true;
}

/**
 * Whether the server can read what nobody has parsed: as the body of a block that ends before its first statement. PL/pgSQL gives each statement to the server's own
 * grammar when it compiles a block (`check_sql_expr` in PostgreSQL's pl_gram.y); nothing runs, and no error is written to the server's log. `false`: there is a
 * mistake, or it cannot be asked in this way.
 */
export async function canBeRead(session: Session, steps: readonly ReadyStep[]): Promise<boolean> {
  const texts = steps.flatMap(({ script }) => (script.kind === 'sql' ? script.statements.map(({ text }) => `${text}\n;\n`) : []));
  for (let from = 0; from < texts.length;) {
    let part = '';
    do part += texts[from++] ?? '';
    while (from < texts.length && part.length < LARGEST_PART);
    const result = await session.run(`SET LOCAL check_function_bodies = on;\n${doBlock(`BEGIN RETURN;\n${part}END`)}`);
    if (result.kind === 'lost') throw lost(result.error);
    if (result.kind === 'failed') return false;
  }
  return true;
}

/**
 * What this server may read in another way than the parser here: what that refused or did not take, and everything where the server is of another version.
 * `SELECT 1/0` in front: a syntax error anywhere is answered before anything runs (42601 with its position), and without one the division fails (22012) and nothing
 * has run either.
 *
 * @throws MigrationError `invalidMigration` with the place of the first syntax error; `connection` when the server is lost meanwhile.
 */
export async function refuseUnreadable(session: Session, { serverVersion }: { readonly serverVersion: number }, steps: readonly ReadyStep[]): Promise<void> {
  // The same server needs no second opinion of what it has parsed.
  const sameGrammar = Math.trunc(serverVersion / 10_000) === PARSER_VERSION;
  const parsed = steps.flatMap((step) => (step.script.kind === 'sql' ? [{ step, script: step.script }] : []));
  const doubtful = sameGrammar ? parsed.filter(({ script }) => isDoubtful(script)) : parsed;
  if (doubtful.length === 0) return;
  const message = new Message().add('guard', 'SELECT 1/0');
  const owners = doubtful.flatMap(({ step, script }) => {
    script.statements.forEach((statement, index) => message.add('statement', statement.text, { script, index }));
    return script.statements.map(() => step);
  });
  const result = await session.run(message.text);
  if (result.kind === 'lost') throw lost(result.error);
  if (result.kind === 'done' || result.error.code !== '42601') return;
  const offset = Number(result.error.position ?? '1');
  const index = message.pieceIndexAt(offset);
  const piece = message.pieces[index];
  const step = owners[index - 1];
  if (piece?.origin == null || step === undefined) return;
  const at = message.offsetInScript(piece, result.error.position) ?? 0;
  // The server stops at its first one; of the others the parser here knows.
  const others = doubtful.filter((one) => one.step !== step && one.script.syntaxError !== undefined).map((one) => syntaxErrorLine(one.step.name, one.script));
  throw new MigrationError({
    code: 'invalidMigration',
    message: [`${step.name}: ${result.error.message}`, ...others].join('\n'),
    hint: 'nothing was run: every pending migration is parsed first. Correct the file and run again',
    migration: step.name,
    position: positionIn(piece.origin.script, at),
    statement: piece.sql,
    sqlState: '42601',
    cause: result.error,
  });
}

function isDoubtful({ syntaxError, statements, unread }: Script): boolean {
  return unread === true || syntaxError !== undefined || statements.some((one) => one.kind === 'Unparsed');
}

function lost(error: ServerError): MigrationError {
  return new MigrationError({
    code: 'connection',
    message: `the connection was lost while the server parsed the migrations: ${error.message}`,
    cause: error,
  });
}

function syntaxErrorLine(name: string, script: Script): string {
  const at = positionIn(script, script.syntaxError?.start ?? 0);
  return `${at.file === null ? name : `${at.file}:${at.line}:${at.column}`}: ${script.syntaxError?.message} (by the grammar of PostgreSQL ${PARSER_VERSION})`;
}
