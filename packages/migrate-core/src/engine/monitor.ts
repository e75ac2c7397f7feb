/**
 * The second connection of a run: it names blockers while they block (afterwards nobody knows them), and cancels.
 * Opened only when a statement takes long or has to be cancelled; its own failure never fails the run.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { cancelRun, readRunning, type Wait } from '../activity.ts';
import type { Blocker } from '../report.ts';
import { Session, type Connect, type MessageResult } from '../session.ts';

/** A statement that ends before this is watched by nobody, unless it would give up before. */
export const FIRST_LOOK_MS = 700;
const NEXT_LOOK_MS = 1_000;
const CLOSE_MS = 500;
const CANCEL_AGAIN_MS = 250;
const CANCEL_ANSWER_MS = 1_500;
const CANCEL_LATE_MS = 5_000;
const CANCEL_LATE_LIMIT_MS = 2_500;
/** A server that does not answer a cancel for this long is left; it notices the closed socket by itself. */
const CANCEL_LIMIT_MS = 6_000;

/** Why the watching ends. Without one, each abort would make an error. */
const ENDED = 'ended';

export interface Watch {
  readonly firstLookMs: number;
  /** @param session The second connection. */
  readonly onBlocked: (wait: Wait, session: Session) => Promise<void>;
  /** Cancel a statement that was blocked for so long without a break; `null` where `lock_timeout` does that. */
  readonly blockedLimitMs: number | null;
}

export class Monitor {
  readonly #connect: Connect;
  readonly #runId: string;
  #session: Promise<Session> | null = null;
  /** Who was in the way of the last statement that was blocked. */
  blockers: readonly Blocker[] = [];
  /** Whether a statement was cancelled by us, because it was blocked for too long. */
  gaveUp = false;

  constructor(connect: Connect, runId: string) {
    this.#connect = connect;
    this.#runId = runId;
  }

  /** Sends a message on `main` and looks after it until it ends. Most messages end before the first look. */
  async attend(main: Session, send: () => Promise<MessageResult>, watch: Watch, signal: AbortSignal | undefined): Promise<MessageResult> {
    this.blockers = [];
    const watching = new Beside((done) => this.#watch(watch, done));
    const first = setTimeout(() => watching.begin(), watch.firstLookMs);
    const stop = (): void => {
      clearTimeout(first);
      watching.stop();
    };
    const result = await this.during(main, () => send().finally(stop), signal);
    await watching.ended;
    return result;
  }

  /** Any other work on `main`, cancelled in the server when the signal says so. */
  async during<T>(main: Session, work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (signal === undefined) return work();
    const cancelling = new Beside((done) => this.#cancelUntil(main, done)).beginOnAbort(signal);
    try {
      return await work();
    } finally {
      cancelling.stop();
      await cancelling.ended;
    }
  }

  /** The connection, for reading what other sessions do. Throws when it cannot be had. */
  async session(): Promise<Session> {
    const current = this.#session === null ? null : await this.#session.catch(() => null);
    if (current !== null && current.lost === null) return current;
    this.#session = Session.open(this.#connect);
    return this.#session;
  }

  /** Cancels whatever statement of this run is active. */
  async cancel(): Promise<void> {
    await cancelRun(await this.session(), this.#runId);
  }

  async close(): Promise<void> {
    if (this.#session === null) return;
    // One that is still being opened closes itself when it comes.
    const opening = this.#session.then(
      (session) => session.close(),
      () => undefined,
    );
    await Promise.race([opening, sleep(CLOSE_MS, undefined, { ref: false })]);
  }

  async #watch(watch: Watch, done: AbortSignal): Promise<void> {
    let seen = '';
    let blockedSince: number | null = null;
    do {
      try {
        const session = await until(this.session(), done);
        if (session === null) return;
        const running = await readRunning(session, this.#runId);
        if (running === null || running.blockers.length === 0) {
          blockedSince = null;
          continue;
        }
        this.blockers = running.blockers;
        const key = running.blockers.map((one) => one.pid).join();
        if (key !== seen) await watch.onBlocked(running, session);
        seen = key;
        blockedSince ??= performance.now();
        if (watch.blockedLimitMs !== null && performance.now() - blockedSince > watch.blockedLimitMs) {
          this.gaveUp = true;
          await cancelRun(session, this.#runId);
        }
      } catch {
        // Not being able to look is no reason to stop; the statement itself will say what is wrong.
      }
    } while (await passed(NEXT_LOOK_MS, done));
  }

  /**
   * For what nobody attends to, such as a read that waits for a lock: some seconds after the abort, whatever still runs of this run is
   * cancelled. Cleaning up has that long.
   */
  cancelLate(main: () => Session, signal: AbortSignal | undefined): Beside {
    const cancelling = new Beside(async (done) => {
      if (await passed(CANCEL_LATE_MS, done)) await this.#cancelUntil(main(), done, CANCEL_LATE_LIMIT_MS);
    });
    return signal === undefined ? cancelling : cancelling.beginOnAbort(signal);
  }

  async #cancelUntil(main: Session, done: AbortSignal, limitMs = CANCEL_LIMIT_MS): Promise<void> {
    const until = performance.now() + limitMs;
    while (!done.aborted) {
      if (performance.now() > until) {
        await main.abandon();
        return;
      }
      // There may be no second connection to be had: that must not keep us from the limit.
      await Promise.race([this.cancel().catch(() => undefined), passed(CANCEL_ANSWER_MS, done)]);
      await passed(CANCEL_AGAIN_MS, done);
    }
  }
}

/** `null` when `done` came first: a connection may never be had. */
function until<T>(work: Promise<T>, done: AbortSignal): Promise<T | null> {
  return Promise.race([work, aborted(done).then(() => null)]);
}

/** `false` when `done` came first. With plain timers: this waits beside every message, and an error for each would cost more than building it. */
function passed(ms: number, done: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (done.aborted) return resolve(false);
    const onAbort = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      done.removeEventListener('abort', onAbort);
      resolve(true);
    }, ms);
    done.addEventListener('abort', onAbort, { once: true });
  });
}

/** Resolves when it is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Work beside other work, which mostly ends before this begins: then not even its signal is made. */
class Beside {
  readonly #work: (done: AbortSignal) => Promise<void>;
  #done: AbortController | null = null;
  #working: Promise<void> = Promise.resolve();
  #ignore: () => void = () => undefined;

  constructor(work: (done: AbortSignal) => Promise<void>) {
    this.#work = work;
  }

  begin(): void {
    this.#done = new AbortController();
    this.#working = this.#work(this.#done.signal);
  }

  beginOnAbort(signal: AbortSignal): this {
    const begin = (): void => this.begin();
    if (signal.aborted) begin();
    else {
      signal.addEventListener('abort', begin, { once: true });
      this.#ignore = () => signal.removeEventListener('abort', begin);
    }
    return this;
  }

  /** Once it has ended; at once where it never began. */
  get ended(): Promise<void> {
    return this.#working;
  }

  stop(): void {
    this.#ignore();
    this.#done?.abort(ENDED);
  }
}
