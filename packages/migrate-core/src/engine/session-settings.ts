/** Settings for a statement that runs by itself: it cannot carry SET LOCAL, so the session carries them, and is put back at once. */

import type { Setting } from '../migration.ts';
import type { Session } from '../session.ts';
import { doBlock, literal } from '../sql.ts';

export interface SessionSettings {
  /** Around everything that is done for the statement: they decide which objects a name means. One by one, as all of these. */
  readonly path: Swap;
  /** Around the statement alone: the history is not written with these. */
  readonly rest: Swap;
  /** Names of what the statement does without. */
  readonly leftOut: readonly string[];
  /** The name of one without which it would do something else. */
  readonly refused: string | null;
}

export interface Swap {
  readonly set: readonly string[];
  readonly reset: readonly string[];
}

const NO_SWAP: Swap = { set: [], reset: [] };

/** These decide what a statement works on, or as whom. */
const DECISIVE = /^(?:search_path|role|session_authorization)$/;

/** Behind a pooler the statement may go to another session than its settings, and somebody else would get them: there is no safe way to have any. */
export async function sessionSettings(
  session: Session,
  ours: { readonly searchPath: string | null; readonly statementTimeoutMs: number | null; readonly lockTimeoutMs: number | null },
  own: readonly Setting[],
): Promise<SessionSettings> {
  const { searchPath, statementTimeoutMs, lockTimeoutMs } = ours;
  const settings = [
    ...(searchPath === null ? [] : [{ name: 'search_path', session: `SET search_path = ${searchPath}` }]),
    ...(statementTimeoutMs === null ? [] : [{ name: 'statement_timeout', session: `SET statement_timeout = '${statementTimeoutMs}ms'` }]),
    ...(lockTimeoutMs === null ? [] : [{ name: 'lock_timeout', session: `SET lock_timeout = '${lockTimeoutMs}ms'` }]),
    ...own,
  ];
  const names = [...new Set(settings.map((setting) => setting.name))];
  if (settings.length === 0) return { path: NO_SWAP, rest: NO_SWAP, leftOut: [], refused: null };
  if (!(await session.isDirect()))
    return {
      path: NO_SWAP,
      rest: NO_SWAP,
      leftOut: names.filter((name) => name !== 'lock_timeout' || own.some((one) => one.name === name)),
      refused: names.find((name) => DECISIVE.test(name)) ?? null,
    };
  const before = await valuesOf(session, names);
  const swap = (those: (name: string) => boolean): Swap => ({
    set: settings.filter((setting) => those(setting.name)).map((setting) => setting.session),
    reset: names.filter(those).map((name) => restore(name, before.get(name) ?? null)),
  });
  return { path: swap((name) => name === 'search_path'), rest: swap((name) => name !== 'search_path'), leftOut: [], refused: null };
}

/** What the session has now: on a connection that was given these are its owner's. */
async function valuesOf(session: Session, names: readonly string[]): Promise<ReadonlyMap<string, string | null>> {
  const columns = names.map((name, index) => `pg_catalog.current_setting(${literal(name)}, true) AS "${index}"`);
  const [row] = await session.read(`SELECT ${columns.join(', ')}`);
  return new Map(names.map((name, index) => [name, row?.[String(index)] ?? null]));
}

function restore(name: string, value: string | null): string {
  if (name === 'session_authorization') return 'RESET SESSION AUTHORIZATION';
  return `SELECT pg_catalog.set_config(${literal(name)}, ${literal(value ?? '')}, false)`;
}

/** What the session was set to, by whoever opened it. */
export async function readOwnSettings(session: Session): Promise<ReadonlyMap<string, string>> {
  const rows = await session.read(`SELECT name, pg_catalog.current_setting(name) AS value FROM pg_catalog.pg_settings WHERE source = 'session'`);
  return new Map(rows.map((row) => [row['name'] ?? '', row['value'] ?? '']));
}

/** Puts the session's settings back to these, inside the transaction that may have changed them. */
export function restoreSettings(own: ReadonlyMap<string, string>): string {
  const names = [...own.keys()];
  const known = `ARRAY[${names.map(literal).join(', ')}]::pg_catalog.text[]`;
  const back = [...own].map(([name, value]) => `PERFORM pg_catalog.set_config(${literal(name)}, ${literal(value)}, false);`).join(' ');
  return doBlock(
    `DECLARE r pg_catalog.text; BEGIN FOR r IN SELECT s.name FROM pg_catalog.pg_settings s WHERE s.source::pg_catalog.text = 'session'::pg_catalog.text AND NOT s.name::pg_catalog.text = ANY (${known}) AND NOT s.name::pg_catalog.text = ANY (ARRAY['role', 'session_authorization', 'seed', 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable']::pg_catalog.text[]) AND s.context::pg_catalog.text IN ('user', 'superuser') LOOP EXECUTE 'RESET ' || pg_catalog.quote_ident(r); END LOOP; ${back} END`,
  );
}
