/** What other sessions are doing: who holds the lock, who blocks whom, what an earlier run left running. Reads only. */

import { lockKey } from './guard.ts';
import type { HistoryTables } from './history.ts';
import type { Blocker } from './report.ts';
import type { Row, Session } from './session.ts';
import { tokens } from './source/lexer.ts';
import { literal } from './sql.ts';

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

/** The active statement of a run, and whom it waits for. A killed client's statement goes on in the server: this finds it. */
export async function readRunning(
  session: Session,
  runId: string,
): Promise<{ readonly process: Blocker; readonly name: string; readonly blockers: readonly Blocker[] } | null> {
  const rows = await session.read(
    `SELECT ${COLUMNS}, a.query AS tagged FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = pg_catalog.current_database() AND a.state = 'active' AND a.pid <> pg_catalog.pg_backend_pid() AND pg_catalog.strpos(a.query, ${literal(`/*migrate run=${runId} `)}) = 1`,
  );
  const row = rows[0];
  if (row === undefined) return null;
  const process = blocker(row);
  return { process, name: TAG.exec(row['tagged'] ?? '')?.[2] ?? '', blockers: await readBlockers(session, process.pid) };
}

/** Whom a backend waits for. Ask while it waits: afterwards nobody knows. */
export async function readBlockers(session: Session, pid: number): Promise<Blocker[]> {
  const rows = await session.read(
    `SELECT ${COLUMNS} FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY (pg_catalog.pg_blocking_pids(${pid})) ORDER BY a.xact_start`,
  );
  return rows.map(blocker);
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
    query: withoutLiterals(row['query'] ?? ''),
  };
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
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}
