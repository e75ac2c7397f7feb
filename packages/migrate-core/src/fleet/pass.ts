/** One pass over the tenants: each that is behind is visited, side by side with others and with other processes. */

import { setTimeout as sleep } from 'node:timers/promises';

import pLimit from 'p-limit';

import { MigrationError } from '../errors.ts';
import { fleetDefaults, type FleetLimits, type FleetOptions } from '../fleet.ts';
import { reconnectLimitMs } from '../engine/reconnect.ts';
import type { Known } from '../engine/run-options.ts';
import type { Migrator } from '../migrator.ts';
import type { MigrationEvent, Report } from '../report.ts';
import { Session, type DatabaseClient } from '../session.ts';
import type { Shared } from '../sharing.ts';
import { isLost, type Outage } from './outage.ts';
import { Knowledge } from './knowledge.ts';
import { emptyResult, failureResult, type FleetCount, noSchema, resultOf, tracedError, type FleetStop, type TenantResult } from './report.ts';
import { flush, type Owed, type Slot, type Slots } from './slots.ts';
import type { Survey, Surveyed } from './survey.ts';
import type { FleetTarget } from './target.ts';
import { Upcoming } from './upcoming.ts';

const ASK_AGAIN_MS = 200;

/** A tenant that is done, and must not be told as long as a crash of the server could take it back. */
export interface Debt extends Owed {
  readonly target: FleetTarget;
  /** The digest of its history now. */
  readonly after: string;
}

export interface PassOptions {
  readonly slots: Slots<Debt>;
  readonly survey: Survey;
  readonly count: FleetCount;
  readonly outage: Outage;
  readonly limits: ReturnType<typeof completeLimits>;
  readonly origin: 'registry' | 'query' | undefined;
  readonly signal: AbortSignal | undefined;
  readonly lost: FleetOptions['lost'];
  readonly emit: (tenant: string, event: MigrationEvent) => void;
  /** Whether nothing is to be done for it. */
  readonly isDone: (surveyed: Surveyed) => boolean;
  readonly migrator: (target: FleetTarget, slot: Slot, shared: Omit<Shared, 'compiled'>, onEvent: (event: MigrationEvent) => void) => Migrator;
  readonly work: (migrator: Migrator) => Promise<Report>;
}

/** With the defaults. Throws `invalidOptions` for what cannot be. */
export function completeLimits(limits: FleetLimits): Required<{ readonly [Name in keyof FleetLimits]: number }> {
  const { concurrency = fleetDefaults.concurrency, canary = fleetDefaults.canary, maxFailures = Infinity } = limits;
  for (const [name, value, least] of [
    ['concurrency', concurrency, 1],
    ['canary', canary, 0],
    ['maxFailures', maxFailures, 1],
  ] as const) {
    if (value < least || Number.isNaN(value)) throw new MigrationError({ code: 'invalidOptions', message: `${name} must be at least ${least}, not ${value}` });
  }
  return { concurrency, canary, maxFailures };
}

export class Pass {
  readonly #options: PassOptions;
  readonly #knowledge = new Knowledge();
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #concurrency: number;
  /** Canaries that are still to go. */
  #canaries: number;
  readonly #upcoming: Upcoming;
  /** Whether any was visited. */
  #isBegun = false;
  /** Of this chunk, those whose outcome is not told. */
  #open = new Set<FleetTarget>();

  constructor(options: PassOptions) {
    const { concurrency, canary } = options.limits;
    this.#options = options;
    this.#concurrency = concurrency;
    this.#canaries = canary;
    this.#limit = pLimit(concurrency);
    this.#upcoming = new Upcoming({
      concurrency,
      knowledge: this.#knowledge,
      look: async (targets, depth) => this.#tellDone(await this.#look(targets, depth)),
    });
  }

  /**
   * Visits those of a chunk that are behind, in an order of its own: processes that begin together would all be at the same tenants. Each is looked at
   * shortly before its turn, when others may have done it already.
   */
  async visitAll(chunk: readonly FleetTarget[]): Promise<void> {
    const { count } = this.#options;
    this.#open = new Set(chunk);
    try {
      await this.#visitChunk(chunk);
    } catch (error) {
      // Before anything was begun it is everybody's error; afterwards what was done has to be told.
      if (!isLost(error) || (count.total === 0 && !this.#isBegun)) throw error;
      count.stopped ??= 'connection';
      await this.#settle();
      for (const target of this.#open) this.#add(target, { ...emptyResult(target), outcome: 'notRun' });
    }
  }

  async #visitChunk(chunk: readonly FleetTarget[]): Promise<void> {
    const busy: FleetTarget[] = [];
    this.#upcoming.begin(chunk);
    await this.#visitCanaries(busy);
    this.#upcoming.shuffle();
    // The first ones tell what is to be done for the others.
    if (!this.#isBegun) await this.#round(await this.#upcoming.next(this.#concurrency), 'leave', busy);
    await this.#visitRest(busy);
    // Somebody else was at these: most are done by now.
    await this.#round(this.#tellDone(await this.#look(busy)), 'wait', []);
    await this.#settle();
  }

  async #visitCanaries(busy: FleetTarget[]): Promise<void> {
    const { count } = this.#options;
    while (this.#canaries > 0) {
      const canaries = await this.#upcoming.next(this.#canaries);
      if (canaries.length === 0) return;
      this.#canaries -= canaries.length;
      await this.#round(canaries, 'wait', busy);
      await this.#settle();
      if (count.failures.length > 0) count.stopped ??= 'canary';
    }
  }

  /** The next ones are looked at when half of a round has begun: nobody waits for a look, or for the slowest of a round. */
  async #visitRest(busy: FleetTarget[]): Promise<void> {
    const halves: Promise<void>[] = [];
    let isWell = true;
    const begin = (surveyed: readonly Surveyed[]): void => {
      const half = this.#round(surveyed, 'leave', busy);
      half.catch(() => {
        isWell = false;
      });
      halves.push(half);
    };
    try {
      for (let now = await this.#upcoming.next(); now.length > 0 && isWell;) {
        begin(now.slice(0, now.length / 2));
        const next = this.#limit(() => this.#upcoming.next());
        begin(now.slice(now.length / 2));
        now = await next;
      }
    } finally {
      // Whatever ended it: nobody is at work any more.
      await Promise.allSettled(halves);
    }
    await Promise.all(halves);
  }

  #add(target: FleetTarget, result: TenantResult): void {
    this.#open.delete(target);
    this.#options.count.add(result);
  }

  /** Once something was begun, a server that is away is waited for. */
  async #look(targets: readonly FleetTarget[], depth: 'digest' | 'generation' = 'digest'): Promise<readonly Surveyed[]> {
    const { survey, count, outage } = this.#options;
    if (targets.length === 0) return [];
    // Beside those who are at work it has the connection of one.
    const isAlone = this.#limit.activeCount + this.#limit.pendingCount <= 1;
    const ask = (): Promise<readonly Surveyed[]> => survey.look(targets, depth, isAlone ? 'all' : 'one');
    if (count.total === 0 && !this.#isBegun) return ask();
    let looked: readonly Surveyed[] | null = null;
    let cause: unknown = null;
    const look = async (): Promise<void> => {
      try {
        looked = await ask();
      } catch (error) {
        cause = error;
        throw error;
      }
    };
    if (count.stopped !== 'connection') await outage.isBack(look);
    if (looked !== null) return looked;
    throw cause instanceof Error ? cause : new MigrationError({ code: 'connection', message: 'the connection was lost' });
  }

  /** Answers those that are to be visited. */
  #tellDone(all: readonly Surveyed[]): Surveyed[] {
    const { isDone, origin } = this.#options;
    return all.filter((one) => {
      if (one.state?.kind === 'noSchema') this.#add(one.target, noSchema(one.target, origin, one.state.lost));
      else if (isDone(one)) this.#add(one.target, { ...emptyResult(one.target), outcome: 'upToDate' });
      else return true;
      return false;
    });
  }

  async #round(surveyed: readonly Surveyed[], whenBusy: 'wait' | 'leave', busy: FleetTarget[]): Promise<void> {
    await this.#limit.map(surveyed, (one) => this.#visit(one, whenBusy, busy));
  }

  #stop(): FleetStop | null {
    const { count, signal, limits } = this.#options;
    if (signal?.aborted === true) return 'signal';
    return count.failures.length >= limits.maxFailures ? 'maxFailures' : null;
  }

  async #visit(surveyed: Surveyed, whenBusy: 'wait' | 'leave', busy: FleetTarget[], way: 'shortest' | 'plain' = 'shortest'): Promise<void> {
    const { slots, count, outage } = this.#options;
    const { target } = surveyed;
    const { database = null } = target;
    let begun: 'begun' | 'notBegun' = 'notBegun' as 'begun' | 'notBegun';
    count.stopped ??= this.#stop();
    if (count.stopped !== null) return this.#add(target, { ...emptyResult(target), outcome: 'notRun' });
    this.#isBegun = true;
    try {
      await slots.use(database, async (slot) => {
        // It may have waited for a connection.
        count.stopped ??= this.#stop();
        if (count.stopped !== null) return this.#add(target, { ...emptyResult(target), outcome: 'notRun' });
        begun = 'begun';
        await this.#migrate(surveyed, slot, whenBusy, way);
      });
    } catch (error) {
      if (whenBusy === 'leave' && isBusy(error)) {
        this.#upcoming.metOthers();
        busy.push(target);
        return;
      }
      const lost = isLost(error, database);
      if (begun === 'begun' || !lost) this.#add(target, failureResult(target, await tracedError(error, target, this.#options.lost)));
      if (!lost) return;
      if (await outage.isBack(() => slots.use(database, ({ client }) => ask(client)), database)) {
        if (begun === 'notBegun') await this.#visit(surveyed, whenBusy, busy, way);
        return;
      }
      count.stopped ??= 'connection';
      if (begun === 'notBegun') this.#add(target, { ...emptyResult(target), outcome: 'notRun' });
    }
  }

  async #migrate(surveyed: Surveyed, slot: Slot<Debt>, whenBusy: 'wait' | 'leave', way: 'shortest' | 'plain'): Promise<void> {
    const { migrator, work, emit } = this.#options;
    const { target } = surveyed;
    const shortcut = way === 'shortest' ? this.#knowledge.shortcut(surveyed) : null;
    const ending = shortcut === null ? 'flush' : await slot.ending();
    const held: MigrationEvent[] = [];
    const onEvent = (event: MigrationEvent): void => {
      // From what may not be on disk on, in their order.
      if (ending === 'later' && (held.length > 0 || event.type === 'applied')) held.push(event);
      else emit(target.tenant, event);
    };
    let learned: Known | null = null;
    const learn = (known: Known): void => {
      learned = known;
    };
    let report: Report;
    try {
      report = await work(migrator(target, slot, { whenBusy, known: shortcut?.known ?? null, learn, ending, memory: slot.memory }, onEvent));
    } catch (error) {
      for (const event of held) emit(target.tenant, event);
      throw error;
    }
    if (learned !== null) this.#knowledge.learn(surveyed, learned, report);
    if (report.outcome === 'upToDate') this.#upcoming.metOthers();
    const tell = (): void => {
      for (const event of held) emit(target.tenant, event);
      this.#add(target, resultOf(target, report));
    };
    const changed = report.outcome === 'applied' || report.outcome === 'undone';
    if (shortcut !== null && ending === 'later' && changed) return slot.owe({ target, after: shortcut.after, tell });
    if (changed) slot.settled();
    tell();
  }

  /** Nobody is at work: everything that was done is told. What a lost connection keeps from that is looked up. */
  async #settle(): Promise<void> {
    const { slots, survey, count, signal } = this.#options;
    let unsure = await slots.settle();
    const began = performance.now();
    for (let delay = ASK_AGAIN_MS; unsure.length > 0; delay *= 2) {
      try {
        // Behind this flush, whatever can be seen stays.
        for (const database of new Set(unsure.map(({ target }) => target.database ?? null))) {
          await slots.use(database, async ({ client }) => {
            if (!(await flush(client))) throw new Error('the connection was lost again');
          });
        }
        const states = await survey.look(unsure.map(({ target }) => target));
        const gone: Surveyed[] = [];
        for (const [index, debt] of unsure.entries()) {
          const { target, state } = states[index] as Surveyed;
          if (state?.kind === 'history' && state.digest === debt.after) debt.tell();
          else gone.push({ target, state });
        }
        unsure = [];
        await this.#limit.map(gone, (one) => this.#visit(one, 'wait', [], 'plain'));
      } catch (error) {
        if (count.stopped !== 'connection' && performance.now() - began < reconnectLimitMs(signal)) {
          await sleep(delay);
          continue;
        }
        if (isLost(error)) count.stopped ??= 'connection';
        const why = 'the connection was lost, and whether it was migrated could not be learned';
        for (const { target } of unsure) {
          const message = `${why}: ${(error as Error).message}`;
          this.#add(
            target,
            failureResult(
              target,
              new MigrationError({ code: 'connection', message, hint: 'when the server is back, run again; to look first: migrate status', cause: error }),
            ),
          );
        }
        return;
      }
    }
  }
}

/** Whether the server answers at all. */
async function ask(client: DatabaseClient): Promise<void> {
  await Session.borrow(client, (session) => session.read('SELECT 1'));
}

function isBusy(error: unknown): boolean {
  return error instanceof MigrationError && error.code === 'lockTimeout' && error.report !== null && error.report.failed === null;
}
