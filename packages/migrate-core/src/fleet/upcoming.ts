/** Which tenants come next: each is looked at shortly before its turn, when others may have done it already. */

import type { Knowledge } from './knowledge.ts';
import type { Surveyed } from './survey.ts';
import type { FleetTarget } from './target.ts';

/** So many tenants for each of those at work, before it is asked whether somebody else is at it too; and so many where somebody is. */
const ROUND = 16;
const CROWDED_ROUND = 4;
/** So many tenants are looked at before those that are behind are migrated; more as long as none is. */
const BLOCK = 100;
const LARGEST_BLOCK = 1_000;

export interface UpcomingOptions {
  readonly concurrency: number;
  readonly knowledge: Knowledge;
  /** Answers those that are behind, and tells the others. */
  readonly look: (targets: readonly FleetTarget[], depth: 'digest' | 'generation') => Promise<readonly Surveyed[]>;
}

export class Upcoming {
  readonly #options: UpcomingOptions;
  /** Not looked at yet. */
  #left: FleetTarget[] = [];
  #behind: readonly Surveyed[] = [];
  #block = BLOCK;
  /** Of the last round, those that were looked at more closely, and how often somebody else has turned out to be at work since. */
  #last = 0;
  #others = 0;

  constructor(options: UpcomingOptions) {
    this.#options = options;
  }

  /** Whatever was left of those before. */
  begin(targets: readonly FleetTarget[]): void {
    this.#left = [...targets];
    this.#behind = [];
    this.#block = BLOCK;
  }

  /** Processes that begin together would all be at the same tenants; a few are done before that matters. */
  shuffle(): void {
    if (this.#left.length + this.#behind.length <= ROUND) return;
    this.#left = shuffled(this.#left);
    this.#behind = shuffled(this.#behind);
  }

  /** Somebody else was at one of the last. */
  metOthers(): void {
    this.#others++;
  }

  /** At most so many of those that are behind; none when there are no more. */
  async next(most?: number): Promise<readonly Surveyed[]> {
    const { concurrency, look } = this.#options;
    const others = this.#others;
    this.#others = 0;
    const size = most ?? concurrency * (others > 0 ? CROWDED_ROUND : ROUND);
    // What others have done meanwhile is known by a few queries.
    if (others > this.#last / 2) this.#behind = await look(targetsOf(this.#behind), 'digest');
    while (this.#behind.length + this.#left.length > 0) {
      if (this.#behind.length === 0) {
        this.#behind = await look(this.#left.splice(0, this.#block), 'digest');
        this.#block = this.#behind.length === 0 ? Math.min(this.#block * 2, LARGEST_BLOCK) : BLOCK;
      }
      const now = await this.#lookCloser(this.#behind.slice(0, size));
      this.#behind = this.#behind.slice(size);
      this.#last = now.length;
      if (now.length > 0) return now;
    }
    return [];
  }

  /** Of those in a state that is known already, the number that their log is at. */
  async #lookCloser(surveyed: readonly Surveyed[]): Promise<readonly Surveyed[]> {
    const { knowledge, look } = this.#options;
    const known = surveyed.filter((one) => one.state?.kind === 'history' && knowledge.has(one));
    if (known.length === 0) return surveyed;
    const rest = surveyed.filter((one) => !known.includes(one));
    const behind = await look(targetsOf(known), 'generation');
    this.#others += known.length - behind.length;
    return [...behind, ...rest];
  }
}

function targetsOf(surveyed: readonly Surveyed[]): readonly FleetTarget[] {
  return surveyed.map(({ target }) => target);
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: Math.random() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
