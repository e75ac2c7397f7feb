/** Settings for a statement that runs by itself: it cannot carry SET LOCAL, so the session carries them, and is put back at once. */

import type { Setting } from '../migration.ts';
import type { Session } from '../session.ts';
import { identifier } from '../sql.ts';

export interface SessionSettings {
  /** To be sent before and after the statement, one by one. */
  readonly set: readonly string[];
  readonly reset: readonly string[];
  /** Names of what the statement does without. */
  readonly leftOut: readonly string[];
  /** The name of one without which it would do something else. */
  readonly refused: string | null;
}

/** These decide what a statement works on, or as whom. */
const DECISIVE = /^(?:search_path|role|session_authorization)$/;

/** Behind a pooler the statement may go to another session than its settings, and somebody else would get them: there is no safe way to have any. */
export async function sessionSettings(
  session: Session,
  ours: { readonly searchPath: string | null; readonly statementTimeoutMs: number | null },
  own: readonly Setting[],
): Promise<SessionSettings> {
  const { searchPath, statementTimeoutMs } = ours;
  const settings = [
    ...(searchPath === null ? [] : [{ name: 'search_path', session: `SET search_path = ${searchPath}` }]),
    ...(statementTimeoutMs === null ? [] : [{ name: 'statement_timeout', session: `SET statement_timeout = '${statementTimeoutMs}ms'` }]),
    ...own,
  ];
  const names = settings.map((setting) => setting.name);
  if (settings.length === 0 || (await session.isDirect()))
    return { set: settings.map((setting) => setting.session), reset: names.map(reset), leftOut: [], refused: null };
  return { set: [], reset: [], leftOut: names, refused: names.find((name) => DECISIVE.test(name)) ?? null };
}

function reset(name: string): string {
  return `RESET ${name === 'session_authorization' ? 'SESSION AUTHORIZATION' : name.split('.').map(identifier).join('.')}`;
}
