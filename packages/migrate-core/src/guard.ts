/**
 * The guard: the lock and the check that the plan still holds, as the first statements of a message's own transaction.
 * Nothing of it outlives the transaction, so a crash strands nothing, and neither does a pooler in transaction mode.
 */

import { hash } from 'node:crypto';

import type { HistorySnapshot, HistoryTables } from './history.ts';
import { createTablesBody, createUnused, newestNumber } from './history-tables.ts';
import type { Message, Piece } from './engine/message.ts';
import type { Script } from './migration.ts';
import type { Run } from './record.ts';
import type { ServerError } from './session.ts';
import { doBlock, inComment, literal } from './sql.ts';

/** The advisory lock's key: from the history table's schema and name, so two services or two tenants never wait for each other. */
export function lockKey(tables: HistoryTables): bigint {
  return hash('sha256', `migrate\0${tables.schema}\0${tables.table}`, 'buffer').readBigInt64BE(0);
}

/** What the guard's DO block raises. Not standard codes, so that nothing else can be taken for them. */
export const GUARD = {
  /** Somebody else holds the lock. */
  lockHeld: 'MG001',
  /** The history is not the one the plan was made on. */
  movedOn: 'MG002',
  /** A row that this run owned is gone or belongs to another run. */
  rowGone: 'MG003',
} as const;

/** Statement of a DO block: the lock of this history, until the transaction's end, or the failure `GUARD.lockHeld`. */
export function takeLockOrFail(tables: HistoryTables): string {
  return `IF NOT pg_catalog.pg_try_advisory_xact_lock(${lockKey(tables)}) THEN RAISE EXCEPTION USING ERRCODE = '${GUARD.lockHeld}', MESSAGE = 'migrate: the lock is held'; END IF;`;
}

export interface GuardInput {
  readonly tables: HistoryTables;
  readonly snapshot: HistorySnapshot;
  /** The log's newest sequence number that the plan knows of. */
  readonly generation: number;
  readonly lock: 'take' | 'held-by-other-connection';
}

/** Settings of one migration's transaction, by name. They end with it. */
export type Settings = Readonly<Record<string, string>>;

/** The comment by which everybody finds the statements of a run in `pg_stat_activity`. */
export function tag(run: Run, name: string): string {
  return `/*migrate run=${run.id} v=${inComment(name)}*/`;
}

/** Explicit, since `default_transaction_isolation` and `default_transaction_read_only` would break the guard. */
export function begin(isolation: Script['isolation'] = 'read committed'): string {
  return `BEGIN ISOLATION LEVEL ${isolation.toUpperCase()} READ WRITE`;
}

/**
 * The DO block. It runs each of its statements with a fresh snapshot (READ COMMITTED), so that the second test sees
 * what the previous holder of the lock committed.
 */
export function guard(input: GuardInput, settings: Settings): string {
  return doBlock(['DECLARE r record; BEGIN', taking(input, settings), unmoved(input), 'END'].join('\n'));
}

function applying(settings: Settings): string[] {
  return Object.entries(settings).map(([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, true)`);
}

/** Statements of a DO block: the settings, the lock, and the tables where they are missing. */
function taking({ tables, snapshot, lock }: GuardInput, settings: Settings): string {
  const apply = applying(settings);
  return [
    apply.length > 0 ? `PERFORM ${apply.join(', ')};` : '',
    lock === 'take' ? takeLockOrFail(tables) : '',
    snapshot.tables === 'present' ? '' : createTablesBody(tables, snapshot.serverVersion),
  ]
    .filter((line) => line !== '')
    .join('\n');
}

/** Statement of a DO block: the failure `GUARD.movedOn` where the log has moved on. */
function unmoved({ tables, generation }: GuardInput): string {
  return `IF ${newestNumber(tables)} <> ${generation} THEN RAISE EXCEPTION USING ERRCODE = '${GUARD.movedOn}', MESSAGE = 'migrate: the history has moved on'; END IF;`;
}

/**
 * The guard as plain SELECTs, for tables that are there: a DO block is compiled anew each time, which for a hundred small
 * migrations is a sixth of the server's work. A cast that fails (22P02) is how a SELECT says no; each is a statement of its own, so
 * that the second one sees what the previous holder of the lock committed.
 */
export function addGuard(message: Message, input: GuardInput, settings: Settings): void {
  if (input.snapshot.tables === 'absent' || input.snapshot.tables === 'partial') {
    message.add('guard', guard(input, settings));
    return;
  }
  const { tables, generation } = input;
  const apply = applying(settings);
  const lock = `(CASE WHEN pg_catalog.pg_try_advisory_xact_lock(${lockKey(tables)}) THEN '1' ELSE 'migrate: the lock is held' END)::int`;
  if (input.snapshot.tables === 'unused') {
    // What they grant would have to be taken back: a stored down is code.
    const granting = `(CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_default_acl WHERE defaclobjtype = 'r') THEN '${GRANTING}' ELSE '1' END)::int`;
    message.add('lock', `SELECT ${[...apply, lock, granting].join(', ')}`);
    // That they are not there is the check that nobody was here since the survey.
    for (const statement of createUnused(tables, input.snapshot.serverVersion)) message.add('create', statement);
    return;
  }
  message.add('lock', `SELECT ${[...apply, lock].join(', ')}`);
  message.add('generation', `SELECT (CASE WHEN ${newestNumber(tables)} = ${generation} THEN '1' ELSE 'migrate: the history has moved on' END)::int`);
}

const GRANTING = 'migrate: there are default privileges';
const UNLIKE_SURVEY = new Set(['42P07', '42710', '23505', '3F000']);

/** What the guard said, if it was the guard that failed. */
export function guardAnswer(error: ServerError, piece: Piece | null): 'lockHeld' | 'movedOn' | null {
  if (error.code === GUARD.lockHeld) return 'lockHeld';
  if (error.code === GUARD.movedOn || error.code === GUARD.rowGone) return 'movedOn';
  // A table of that name (its row type), or no schema: not what the survey saw.
  if (piece?.role === 'create' && UNLIKE_SURVEY.has(error.code ?? '')) return 'movedOn';
  if (error.code !== '22P02') return null;
  if (piece?.role === 'lock') return error.message.includes(GRANTING) ? 'movedOn' : 'lockHeld';
  return piece?.role === 'generation' ? 'movedOn' : null;
}

/** Settings of every migration's transaction. */
export function transactionSettings(
  snapshot: HistorySnapshot,
  options: {
    readonly lockTimeoutMs: number;
    readonly statementTimeoutMs: number | null;
    readonly searchPath: string | null;
    readonly durability: 'flush' | 'later';
  },
): Settings {
  const settings: Record<string, string> = {
    lock_timeout: `${options.lockTimeoutMs}ms`,
    // Under FORCE, a policy would silently filter an owner's backfill and validate dangling keys: fail loudly instead.
    row_security: 'off',
  };
  // The server notices a client that died in the middle of a statement. Only where the platform can tell.
  if (snapshot.platform === 'linux') settings['client_connection_check_interval'] = '500ms';
  if (options.statementTimeoutMs !== null) settings['statement_timeout'] = `${options.statementTimeoutMs}ms`;
  if (options.searchPath !== null) settings['search_path'] = options.searchPath;
  // The log is sequential: a later flush makes all earlier commits durable with it.
  if (options.durability === 'later') settings['synchronous_commit'] = 'off';
  else if (snapshot.synchronousCommit === 'off') settings['synchronous_commit'] = 'on';
  return settings;
}

/**
 * The first message of a second connection that keeps the lock while non-transactional statements run elsewhere: it
 * stays idle in this transaction. READ COMMITTED and idle it holds no snapshot, so CREATE INDEX CONCURRENTLY does not wait for it.
 */
export function holdLock(input: GuardInput, run: Run, name: string): string {
  const settings: Record<string, string> = {
    idle_in_transaction_session_timeout: '0',
    tcp_keepalives_idle: '10',
    tcp_keepalives_interval: '5',
    tcp_keepalives_count: '3',
  };
  if (input.snapshot.serverVersion >= 170_000) settings['transaction_timeout'] = '0';
  const look = doBlock(`BEGIN ${unmoved(input)} END`);
  // What is taken behind a savepoint is given back with it (manual, 13.3.1): nobody waits for this connection because it has read the history, and least of all this run.
  return `${tag(run, name)}${begin()};\n${doBlock(`DECLARE r record; BEGIN\n${taking(input, settings)}\nEND`)};\nSAVEPOINT look;\n${look};\nROLLBACK TO SAVEPOINT look`;
}
