/** Contestants that do the same work, side by side: every round runs each of them once, in another order. */

import { commandSeconds, serverSeconds } from './cpu.ts';
import { median, shuffled } from './statistics.ts';

export interface Contestant {
  readonly name: string;
  /** Whether the work is done by this process or by commands of its own: decides whose processor time counts. */
  readonly where: 'in process' | 'command';
  /** Before each run, and not measured. Default: nothing. */
  prepare?(): Promise<void>;
  run(): Promise<void>;
  /** After each run, and not measured. Default: nothing. */
  cleanUp?(): Promise<void>;
  /** How many times `run` does the work. Default 1. */
  readonly repeats?: number;
}

export interface Contest {
  /** What `--only` takes. */
  readonly id: string;
  readonly work: string;
  readonly ours: Contestant;
  readonly rivals: readonly Rival[];
  /** Our own time must not be more, whoever else there is. Milliseconds. Default: no such limit. */
  readonly limitMs?: number;
  /** What a person should know beside the figures: what was left out, what was counted. Asked when all rounds are over. */
  readonly notes: readonly string[] | (() => readonly string[]);
  /** When all rounds are over. Default: nothing. */
  end?(): Promise<void>;
}

export interface Rival {
  readonly contestant: Contestant;
  /** Our time over theirs must not be more. `null`: shown beside, without a target. */
  readonly reach: number | null;
}

export interface Measurement {
  readonly name: string;
  /** Medians over the rounds, for one piece of work. Seconds of processor time; `null` where the machine does not tell. */
  readonly milliseconds: number;
  readonly clientSeconds: number | null;
  readonly serverSeconds: number | null;
  /** Our time over this one's: the median of the rounds' own ratios, and the lowest and highest of them. `null` for ourselves. */
  readonly ratio: { readonly median: number; readonly lowest: number; readonly highest: number } | null;
  readonly reach: number | null;
  /** In milliseconds; `null` for none. */
  readonly limitMs: number | null;
}

export interface ContestResult {
  readonly id: string;
  readonly work: string;
  readonly rounds: number;
  readonly measurements: readonly Measurement[];
  readonly notes: readonly string[];
}

interface Sample {
  readonly milliseconds: number;
  readonly client: number | null;
  readonly server: number | null;
}

/** @param postmaster The server's process, for its processor time. */
export async function runContest(contest: Contest, rounds: number, postmaster: number, onRound: (round: number) => void): Promise<ContestResult> {
  const contestants = [contest.ours, ...contest.rivals.map((rival) => rival.contestant)];
  const samples = new Map<Contestant, Sample[]>(contestants.map((one) => [one, []]));
  // Round 0 fills caches (of the disk, of compiled code) and does not count.
  for (let round = 0; round <= rounds; round++) {
    onRound(round);
    for (const contestant of shuffled(contestants)) {
      const sample = await measure(contestant, postmaster);
      if (round > 0) samples.get(contestant)?.push(sample);
    }
  }
  const ours = samples.get(contest.ours) as Sample[];
  return {
    id: contest.id,
    work: contest.work,
    rounds,
    notes: typeof contest.notes === 'function' ? contest.notes() : contest.notes,
    measurements: contestants.map((contestant) => {
      const own = samples.get(contestant) as Sample[];
      const ratios = own.map((sample, round) => (ours[round] as Sample).milliseconds / sample.milliseconds);
      return {
        name: contestant.name,
        milliseconds: median(own.map((one) => one.milliseconds)),
        clientSeconds: medianOrNull(own.map((one) => one.client)),
        serverSeconds: medianOrNull(own.map((one) => one.server)),
        ratio: contestant === contest.ours ? null : { median: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) },
        reach: contest.rivals.find((rival) => rival.contestant === contestant)?.reach ?? null,
        limitMs: contestant === contest.ours ? (contest.limitMs ?? null) : null,
      };
    }),
  };
}

async function measure(contestant: Contestant, postmaster: number): Promise<Sample> {
  await contestant.prepare?.();
  const client = (): number | null => {
    if (contestant.where === 'command') return commandSeconds();
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000_000;
  };
  const repeats = contestant.repeats ?? 1;
  const before = { client: client(), server: serverSeconds(postmaster) };
  const began = performance.now();
  await contestant.run();
  const milliseconds = (performance.now() - began) / repeats;
  const sample = { milliseconds, client: difference(client(), before.client, repeats), server: difference(serverSeconds(postmaster), before.server, repeats) };
  await contestant.cleanUp?.();
  return sample;
}

function difference(after: number | null, before: number | null, repeats: number): number | null {
  return after === null || before === null ? null : (after - before) / repeats;
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === values.length ? median(known) : null;
}
