/** What a look at a target tells. Pure. */

import { MigrationError } from './errors.ts';
import { inHistoryOrder } from './history-order.ts';
import type { SourceListing } from './migration.ts';
import { plan, type AppliedMigration, type AvailableMigration, type OrderPolicy, type Problem } from './plan.ts';
import type { Blocker, TargetName, WantedLock } from './report.ts';
import { inQuotes } from './shell.ts';

export interface Status {
  readonly target: TargetName;
  /** The newest migration in source order that is applied as a whole. */
  readonly current: { readonly name: string; readonly version: string } | null;
  /** Those that are whole, in history order. */
  readonly applied: readonly AppliedMigration[];
  /** Begun and not ended, up or down; whoever runs next goes on with them, unless it is what `running` names. */
  readonly interrupted: readonly AppliedMigration[];
  /** What `up` would apply or finish, in source order. */
  readonly pending: readonly { readonly name: string; readonly version: string; readonly description: string }[];
  readonly problems: readonly Problem[];
  readonly ignored: readonly { readonly path: string; readonly reason: string }[];
  /** A migration that runs right now on this target, with what it waits for. */
  readonly running: {
    /** Empty where the server does not show it. */
    readonly name: string;
    /** `query`: the statements of that migration, as far as the server shows them. */
    readonly process: Blocker;
    /** As of the event `blocked`. */
    readonly lock: WantedLock | null;
    readonly blockers: readonly Blocker[];
  } | null;
}

export interface Look {
  readonly target: TargetName;
  readonly listing: SourceListing;
  readonly available: readonly AvailableMigration[];
  /** The whole history. */
  readonly rows: readonly AppliedMigration[];
  readonly order: OrderPolicy | undefined;
  readonly running: Status['running'];
  /** Statements of interrupted migrations that the server still works on, by the migration's name. */
  readonly leftBehind: ReadonlyMap<string, Blocker>;
}

export function statusOf({ target, listing, available, rows: unordered, order, running, leftBehind }: Look): Status {
  const rows = inHistoryOrder(available, unordered);
  const applied = rows.filter((row) => row.state === 'applied');
  const interrupted = rows.filter((row) => row.state !== 'applied');
  const planned = plan(available, rows, { direction: 'up', order });
  const { current } = interrupted.length === 0 ? planned : plan(available, applied, { direction: 'up' });
  const newest = applied.find((row) => row.name === current?.name);
  const unfinished = new Set([...planned.pending, ...interrupted].map((one) => one.name));
  const checksums = new Map(available.map((one) => [one.name, one.checksum]));
  // What this build does not have at all the plan tells.
  const stopped = interrupted.filter((row) => row.name !== running?.name && checksums.has(row.name));
  const problems = planned.problems.filter((one) => one.code !== 'interrupted' || one.name !== running?.name);
  return {
    target,
    current: newest === undefined ? null : { name: newest.name, version: newest.version },
    applied,
    interrupted,
    pending: listing.migrations.filter((one) => unfinished.has(one.name)).map(({ name, version, description }) => ({ name, version, description })),
    problems: [
      ...sourceProblems(listing),
      ...stopped.map((row) => interruptedProblem(row, checksums.get(row.name) ?? null, leftBehind.get(row.name))),
      ...problems,
    ],
    ignored: listing.ignored,
    running,
  };
}

export function sourceProblems(listing: SourceListing): Problem[] {
  return listing.problems.map(({ code, name, message }) => ({ code, name, version: name, message, severity: 'error' }));
}

/** Throws `invalidMigration` for one whose problem keeps it from being read. */
export function refuseUnreadable(listing: SourceListing, name: string): void {
  if (listing.migrations.some((one) => one.name === name)) return;
  const problems = sourceProblems(listing).filter((one) => one.name === name);
  throw new MigrationError({
    code: 'invalidMigration',
    message: problems.length === 0 ? `${name} cannot be read` : problems.map((one) => one.message).join('\n'),
    hint: 'nothing was changed: put the file right first',
    migration: name,
    problems,
  });
}

/** @param checksum Of its file as it is now; `null` where that cannot be read. */
function interruptedProblem({ name, version, state, checksum: begunAs }: AppliedMigration, checksum: string | null, left: Blocker | undefined): Problem {
  const stillRunning = left === undefined ? '' : `, and the server still works on its statement (${inShort(left)}): the next run waits for that`;
  const message = `${name} was interrupted half way ${state === 'started' ? 'up' : 'down'}${stillRunning}; ${nextOf(name, state, begunAs, checksum)}`;
  return { code: 'interrupted', severity: 'warning', name, version, message };
}

/** Whether it can go on only its compiled statements tell, which are not read here: promised is what does not depend on them. */
function nextOf(name: string, state: AppliedMigration['state'], begunAs: string, checksum: string | null): string {
  if (checksum === null) return 'the next `migrate up` can go on when its file can be read again';
  if (checksum !== begunAs) return 'its file was changed since: `migrate plan` tells whether the next `migrate up` can go on';
  if (state === 'started') return 'the next `migrate up` goes on where it stopped';
  // A down that steps are counted for begins with the newest, whatever was begun below it.
  const only = `migrate down --only ${inQuotes(name)}`;
  return `\`${only}\` goes on where it stopped, and so does \`migrate up\`, which then applies it again; unless its down was changed since (\`migrate plan\` tells)`;
}

function inShort({ pid, ageMs, query }: Blocker): string {
  return `pid ${pid}${ageMs === null ? '' : `, for ${(ageMs / 1000).toFixed(1)} s`}: ${query}`;
}
