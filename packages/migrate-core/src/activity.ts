/** What other sessions are doing: who holds the lock, who blocks whom, what an earlier run left running. Reads only. */

import { inShort, readAgenda, underWay, wholeInShort, type Agenda } from './engine/agenda.ts';
import { lockKey } from './guard.ts';
import type { HistorySnapshot, HistoryTables } from './history.ts';
import type { Blocker, WantedLock } from './report.ts';
import type { Row, Session } from './session.ts';
import { tokens } from './source/lexer.ts';
import { inComment, literal } from './sql.ts';
import type { Status } from './status.ts';

const COLUMNS = `a.pid, a.usename, a.application_name, a.state,
 (EXTRACT(epoch FROM pg_catalog.clock_timestamp() - COALESCE(a.xact_start, a.query_start)) * 1000::numeric)::bigint AS age_ms, a.query`;

/** Who holds the migration lock of these tables; `null` when nobody does. */
export async function readLockHolder(
  session: Session,
  tables: HistoryTables,
): Promise<(Blocker & { readonly runId: string | null; readonly migration: string | null }) | null> {
  const key = BigInt.asUintN(64, lockKey(tables));
  const rows = await session.read(
    `SELECT ${COLUMNS} FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = ${key >> 32n}::pg_catalog.oid AND l.objid = ${key & 0xffffffffn}::pg_catalog.oid
 AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`,
  );
  const row = rows[0];
  if (row === undefined) return null;
  // A prepared transaction holds its locks without a process.
  if (row['pid'] == null) return { ...blocker({ ...row, query: 'a prepared transaction (pg_prepared_xacts)' }), runId: null, migration: null };
  const mark = TAG.exec(row['query'] ?? '');
  return { ...blocker(row), runId: mark?.[1] ?? null, migration: mark?.[2] ?? null };
}

/** The comment in front of every statement of a run (`tag` in guard.ts). */
const TAG = /^\/\*migrate run=(\S+) v=(\S*)\*\//;

/** What a backend waits for. */
export interface Wait {
  /** `null` when it waits for none, or for the end of a transaction. */
  readonly lock: WantedLock | null;
  readonly blockers: readonly Blocker[];
}

export interface Running extends Wait {
  readonly process: Blocker;
  /** The first migration of what was sent. */
  readonly name: string;
  /** All of them; `null` for a single statement, which `process` shows. */
  readonly agenda: Agenda | null;
}

/** The active statement of a run, and whom it waits for. A killed client's statement goes on in the server: this finds it. */
export async function readRunning(session: Session, runId: string): Promise<Running | null> {
  const rows = await session.read(
    `SELECT ${COLUMNS} FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = pg_catalog.current_database() AND a.state = 'active' AND a.pid <> pg_catalog.pg_backend_pid() AND pg_catalog.strpos(a.query, ${literal(`/*migrate run=${runId} `)}) = 1`,
  );
  const row = rows[0];
  if (row === undefined) return null;
  const process = blocker(row);
  const [tag = '', , name = ''] = TAG.exec(row['query'] ?? '') ?? [];
  return { process, name, agenda: readAgenda((row['query'] ?? '').slice(tag.length)), ...(await readWait(session, process.pid)) };
}

/**
 * The migration that runs on a target just now; `null` when none does.
 *
 * @param available The source's, whose names a comment may hold only in part.
 */
export async function readUnderWay(
  session: Session,
  tables: HistoryTables,
  { generation, applied }: HistorySnapshot,
  available: readonly { readonly name: string }[],
): Promise<Status['running']> {
  const named = (tagged: string): string => [...applied, ...available].find((one) => inComment(one.name) === tagged)?.name ?? tagged;
  const holder = await readLockHolder(session, tables);
  if (holder === null) return null;
  // Where the server does not show its name, the history may tell what that run has begun.
  const begun = applied.find((row) => row.state !== 'applied' && row.runId === holder.runId)?.name ?? '';
  // The lock's holder may be the idle guardian of a run whose statement is elsewhere.
  const found = holder.runId === null ? null : await readRunning(session, holder.runId);
  if (found === null) {
    const { runId: _, migration, ...process } = holder;
    const query = process.query === migration ? '' : process.query;
    return { name: named(migration ?? '') || begun, process: { ...process, query }, ...(await readWait(session, process.pid)) };
  }
  const { process, name, agenda, lock, blockers } = found;
  if (agenda === null) return { name: named(name) || begun, process, lock, blockers };
  const steps = underWay(agenda, generation);
  return { name: named(steps[0]?.name ?? ''), process: { ...process, query: cut(inShort(steps, 'unnamed')) }, lock, blockers };
}

/**
 * Statements of runs that are gone, by the migration that they were begun for: the server goes on with what a killed client has sent.
 *
 * @param running The migration of a run that is there.
 */
export async function readLeftBehind(session: Session, { applied }: HistorySnapshot, running: string | null): Promise<ReadonlyMap<string, Blocker>> {
  const left = new Map<string, Blocker>();
  for (const { name, state, runId } of applied) {
    if (state === 'applied' || name === running) continue;
    const found = await readRunning(session, runId);
    if (found !== null) left.set(name, found.process);
  }
  return left;
}

/** Whom a backend waits for, and why. Ask while it waits: afterwards nobody knows. */
async function readWait(session: Session, pid: number): Promise<Wait> {
  const rows = await session.read(
    `SELECT ${COLUMNS} FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY (pg_catalog.pg_blocking_pids(${pid})) ORDER BY a.xact_start`,
  );
  return { blockers: rows.map(blocker), lock: rows.length === 0 ? null : await readWantedLock(session, pid) };
}

async function readWantedLock(session: Session, pid: number): Promise<WantedLock | null> {
  const [row] = await session.read(
    `SELECT l.locktype, l.mode, n.nspname, c.relname FROM pg_catalog.pg_locks l
 JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE l.pid = ${pid} AND NOT l.granted AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`,
  );
  if (row === undefined) return null;
  const { locktype, mode, nspname, relname } = row;
  return { mode: mode ?? '', on: `${locktype === 'tuple' ? 'a row of ' : ''}${nspname === 'public' ? '' : `${nspname}.`}${relname}` };
}

/** Cancels the active statements of a run. Answers how many there were. */
export async function cancelRun(session: Session, runId: string): Promise<number> {
  const rows = await session.read(
    `SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = pg_catalog.current_database() AND a.state = 'active' AND a.pid <> pg_catalog.pg_backend_pid() AND pg_catalog.strpos(a.query, ${literal(`/*migrate run=${runId} `)}) = 1`,
  );
  return rows.length;
}

function blocker(row: Row): Blocker {
  const age = row['age_ms'];
  return {
    pid: Number(row['pid']),
    user: row['usename'] ?? null,
    application: row['application_name'] ?? '',
    state: row['state'] ?? null,
    ageMs: age === null || age === undefined ? null : Number(age),
    query: shown(row['query'] ?? ''),
  };
}

/** Of a run's message the beginning is ours, and says nothing: what it holds is shown in its stead. */
function shown(query: string): string {
  const [tag = '', , name = ''] = TAG.exec(query) ?? [];
  const rest = query.slice(tag.length);
  const agenda = readAgenda(rest);
  if (agenda !== null) return cut(wholeInShort(agenda));
  return tag !== '' && rest.startsWith('BEGIN ') ? name : withoutLiterals(query);
}

/** A query as people may see it: no strings, no numbers (they are patients' data), one line, at most 200 characters. */
export function withoutLiterals(query: string): string {
  let text = '';
  let end = 0;
  for (const token of tokens(query)) {
    if (token.start > end) text += ' ';
    end = token.end;
    if (token.kind === 'lineComment' || token.kind === 'blockComment') text += ' ';
    else if (token.kind === 'string') text += "'…'";
    else text += token.kind === 'number' ? '?' : query.slice(token.start, token.end);
  }
  return cut(text);
}

function cut(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}
