/** After a connection died in the middle: a new one, and nothing said before no statement of ours lives and the history was read again. */

import { setTimeout as sleep } from 'node:timers/promises';

import { readRunning } from '../activity.ts';
import type { MigrationErrorOptions } from '../errors.ts';
import { readHistory, type HistorySnapshot, type HistoryTables } from '../history.ts';
import { Session, type Connect } from '../session.ts';

/** How long a server may be away. Milliseconds. */
export function reconnectLimitMs(signal: AbortSignal | undefined): number {
  // Whoever was told to stop cannot wait that long.
  return signal?.aborted === true ? 2_000 : 15_000;
}

const ORPHAN_POLL_MS = 200;

export interface Reconnected {
  readonly session: Session;
  readonly snapshot: HistorySnapshot;
}

/** `null` when the server was not to be reached within 15 s. What still runs of ours is waited for, and cancelled where the caller wants to stop. */
export async function reconnect(
  connect: Connect,
  tables: HistoryTables,
  runId: string,
  options: { readonly signal: AbortSignal | undefined; readonly cancel: () => Promise<unknown> },
): Promise<Reconnected | null> {
  const began = performance.now();
  for (let delay = 200; ; delay = Math.min(2_000, delay * 2)) {
    let session: Session | null = null;
    try {
      session = await Session.open(connect);
      while ((await readRunning(session, runId)) !== null) {
        if (options.signal?.aborted === true) await options.cancel();
        await sleep(ORPHAN_POLL_MS);
      }
      return { session, snapshot: await readHistory(session, tables) };
    } catch {
      await session?.close();
      if (performance.now() - began > reconnectLimitMs(options.signal)) return null;
      await sleep(delay);
    }
  }
}

/** @param lost Which connection was lost, in words. */
export function lostForGood(lost: string, cause: Error, signal: AbortSignal | undefined): MigrationErrorOptions {
  if (signal?.aborted === true) {
    const message = `stopped on request; ${lost} as well (${cause.message}): whether the running migration was applied is not known`;
    return { code: 'aborted', message, hint: 'run again; to look first: migrate status', cause };
  }
  const message = `${lost} (${cause.message}) and the server cannot be reached again: whether the running migration was applied is not known`;
  return { code: 'connection', message, hint: 'when the server is back, run again; to look first: migrate status', cause };
}
