/** The planner: arrays in, a plan out. Pure: no I/O, no clock. */

import { inHistoryOrder, positions } from './history-order.ts';
import { compareNames, findVersion, type Requirement } from './migration.ts';
import { withoutPasswords } from './secrets.ts';
import { inQuotes } from './shell.ts';

/** What the planner needs to know of a migration in the source, in source order. */
export interface AvailableMigration {
  readonly name: string;
  readonly version: string;
  /** `null` where it is in the source, but cannot be read: a problem of the source, which is told by whoever read it. */
  readonly checksum: string | null;
  readonly requires: readonly Requirement[];
}

/** A row of the history. */
export interface AppliedMigration {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly checksum: string;
  /** ISO 8601, from the server's clock. */
  readonly appliedAt: string;
  readonly appliedBy: string;
  readonly durationMs: number;
  readonly state: HistoryState;
  /** History order: the log's sequence number of the entry that applied it, or that of the one before it, where it was marked as applied between others. */
  readonly seq: number;
  readonly runId: string;
  /** What it required of other services when it was applied. */
  readonly requires: readonly Requirement[];
  /** Whether its down was stored with it. */
  readonly storedDown: boolean;
}

/** `started`: a non-transactional up that did not finish; `undoing`: a non-transactional down that did not. */
export type HistoryState = 'applied' | 'started' | 'undoing';

export type PlanRequest =
  | { readonly direction: 'up'; readonly to?: string | undefined; readonly steps?: number | undefined; readonly order?: OrderPolicy | undefined }
  | {
      readonly direction: 'down';
      readonly steps?: number | undefined;
      readonly to?: string | undefined;
      readonly only?: string | undefined;
      /** Names that exist elsewhere: where one of them is meant that is not applied here, and nothing above it is, nothing is to do. Default: none. */
      readonly elsewhere?: readonly string[] | undefined;
    };

/** `strict`: a pending migration below the newest applied one is a problem. `allow`: it is run where it stands. */
export type OrderPolicy = 'strict' | 'allow';

export interface Step {
  readonly name: string;
  readonly version: string;
  readonly direction: 'up' | 'down';
  /** `resume`: it was interrupted and goes on where it stopped. */
  readonly mode: 'whole' | 'resume';
}

export type ProblemCode =
  | 'changed'
  | 'outOfOrder'
  | 'unknownApplied'
  | 'renamed'
  | 'interrupted'
  | 'duplicate'
  | 'invalidMigration'
  | 'unmetRequirement'
  | 'irreversible'
  | 'foreignHistory'
  | 'unknownVersion'
  /** The history has nothing, and its log tells of migrations that are applied. */
  | 'historyLost'
  /** The target's schema was not there, and the run made it: maybe its name was mistyped. */
  | 'madeSchema';

export interface Problem {
  readonly code: ProblemCode;
  readonly version: string;
  readonly name: string;
  readonly message: string;
  /** `error` stops `up` and `down`; `warning` is only told. */
  readonly severity: 'error' | 'warning';
}

export interface Plan {
  readonly direction: 'up' | 'down';
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  /** Everything pending, whether or not this request runs it. */
  readonly pending: readonly Pick<AvailableMigration, 'name' | 'version'>[];
  /** The newest applied migration in source order; `null` on an empty history. */
  readonly current: Pick<AppliedMigration, 'name' | 'version'> | null;
}

/**
 * What `request` runs on a target whose history is `applied`. All problems are reported at once;
 * a plan with an `error` among them is not to be run.
 */
export function plan(available: readonly AvailableMigration[], applied: readonly AppliedMigration[], request: PlanRequest): Plan {
  const timeline = new Timeline(available, applied);
  const direction = request.direction;
  const { newest } = timeline;
  const { steps, problems } = request.direction === 'up' ? planUp(timeline, request) : planDown(timeline, request);
  return {
    direction,
    steps,
    problems: [...integrityProblems(timeline, direction), ...problems],
    pending: timeline.pending.map(({ name, version }) => ({ name, version })),
    current: newest === null ? null : { name: newest.name, version: newest.version },
  };
}

/**
 * The plan for the same steps after the history has moved on: what somebody else has done meanwhile is left out, and
 * nothing is put in its place, so that `--steps 1` never becomes "the next one after theirs".
 */
export function planAgain(
  available: readonly AvailableMigration[],
  applied: readonly AppliedMigration[],
  request: PlanRequest,
  chosen: readonly string[],
): Plan {
  const wide: PlanRequest = request.direction === 'up' ? { direction: 'up', order: request.order } : { direction: 'down', steps: applied.length };
  const again = plan(available, applied, wide);
  const kept = again.steps.filter((step) => chosen.includes(step.name));
  const problems = again.problems.filter((problem) => problem.code !== 'outOfOrder' || chosen.includes(problem.name));
  if (request.direction === 'down' && request.only === undefined) {
    // Undoing below what was applied meanwhile is not what the person asked for.
    const above = again.steps.slice(0, again.steps.findLastIndex((step) => chosen.includes(step.name)) + 1);
    for (const step of above.filter((one) => !chosen.includes(one.name))) {
      problems.push({
        code: 'outOfOrder',
        severity: 'error',
        name: step.name,
        version: step.version,
        message: `${step.name} was applied by somebody else while this down was waiting; look at \`migrate status\` and ask again`,
      });
    }
  }
  return { ...again, steps: kept, problems };
}

/** Whether the history is exactly the source, all of it applied: then there is nothing to plan, and nothing to say. */
export function isCurrent(
  available: readonly AvailableMigration[],
  rows: readonly { readonly name: string; readonly checksum: string; readonly state: HistoryState }[],
): boolean {
  if (available.length !== rows.length) return false;
  const applied = new Map(rows.map((row) => [row.name, row]));
  return available.every(({ name, checksum }) => {
    const row = applied.get(name);
    return row !== undefined && row.state === 'applied' && row.checksum === checksum;
  });
}

/** Where each migration stands: the source's order, with what only the history knows put between. */
class Timeline {
  readonly available: readonly AvailableMigration[];
  readonly applied: readonly AppliedMigration[];
  readonly byName: ReadonlyMap<string, AvailableMigration>;
  readonly history: ReadonlyMap<string, AppliedMigration>;
  readonly pending: readonly AvailableMigration[];
  /** Old name to new name, where a pending migration has the checksum of an applied one that the source does not know. */
  readonly renamed: ReadonlyMap<string, string>;
  readonly newest: AppliedMigration | null;
  readonly #position: ReadonlyMap<string, number>;

  constructor(available: readonly AvailableMigration[], applied: readonly AppliedMigration[]) {
    this.available = available;
    this.applied = inHistoryOrder(available, applied);
    this.byName = new Map(available.map((migration) => [migration.name, migration]));
    this.history = new Map(applied.map((row) => [row.name, row]));
    this.pending = available.filter((migration) => migration.checksum !== null && !this.history.has(migration.name));
    this.#position = positions(available, this.applied);
    this.newest = this.applied.reduce<AppliedMigration | null>(
      (best, row) => (best === null || this.position(row.name) > this.position(best.name) ? row : best),
      null,
    );
    const pendingByChecksum = new Map(this.pending.map((migration) => [migration.checksum, migration.name]));
    const renamed = new Map<string, string>();
    for (const row of this.unknown) {
      const now = pendingByChecksum.get(row.checksum);
      if (now !== undefined) renamed.set(row.name, now);
    }
    this.renamed = renamed;
  }

  get unknown(): readonly AppliedMigration[] {
    return this.applied.filter((row) => !this.byName.has(row.name));
  }

  position(name: string): number {
    return this.#position.get(name) ?? -1;
  }

  /** Whether one that is applied stands below another; that one may be unknown here, and then their names say so. */
  isBelow(name: string, other: string): boolean {
    return this.#position.has(other) ? this.position(name) < this.position(other) : compareNames(name, other) < 0;
  }

  /** Above everything that this build knows. */
  isAbove(name: string): boolean {
    return this.position(name) >= this.available.length;
  }
}

function integrityProblems(timeline: Timeline, direction: 'up' | 'down'): Problem[] {
  const problems: Problem[] = [];
  const report = (code: ProblemCode, severity: Problem['severity'], at: { name: string; version: string }, message: string): void => {
    problems.push({ code, severity, name: at.name, version: at.version, message });
  };
  // A down runs what was stored, so a changed or vanished file does not stand in its way.
  const weight = direction === 'up' ? 'error' : 'warning';
  for (const row of timeline.applied) {
    const migration = timeline.byName.get(row.name);
    const now = timeline.renamed.get(row.name);
    if (now !== undefined) {
      report(
        'renamed',
        weight,
        row,
        `${row.name} was applied and is now called ${now}: the content is the same. Give it its old name back, or type: migrate repair --mark-undone ${inQuotes(row.name)} --mark-applied ${inQuotes(now)}`,
      );
    } else if (migration === undefined && timeline.isAbove(row.name)) {
      report(
        'unknownApplied',
        'warning',
        row,
        `${row.name} was applied by a newer build; this one does not know it. Where its file was deleted instead, undo it with: migrate down --only ${inQuotes(row.name)}`,
      );
    } else if (migration === undefined) {
      report(
        'unknownApplied',
        weight,
        row,
        `${row.name} is applied, but this build has no such migration. Bring its file back, undo it with: migrate down --only ${inQuotes(row.name)}, or accept its absence with: migrate repair --mark-undone ${inQuotes(row.name)}`,
      );
    } else if (migration.checksum !== null && migration.checksum !== row.checksum && row.state === 'applied') {
      report(
        'changed',
        weight,
        row,
        `${row.name} was changed after it was applied (${short(row.checksum)} then, ${short(migration.checksum)} now). Restore the file and write a new migration, or accept the change with: migrate repair ${inQuotes(row.name)}`,
      );
    }
    if (migration === undefined && row.state !== 'applied') {
      report(
        'interrupted',
        'error',
        row,
        `${row.name} was interrupted half way, and this build has no such migration to finish it with. Run a build that has it, or look at the schema and type: migrate repair --mark-applied ${inQuotes(row.name)} or --mark-undone ${inQuotes(row.name)}`,
      );
    }
  }
  return problems;
}

function planUp(timeline: Timeline, request: Extract<PlanRequest, { direction: 'up' }>): Pick<Plan, 'steps' | 'problems'> {
  const problems: Problem[] = [];
  const renamedTo = new Set(timeline.renamed.values());
  const started = timeline.applied.filter((row) => row.state !== 'applied' && timeline.byName.has(row.name));
  const interrupted = new Map(started.map((row) => [row.name, row]));
  let runnable = timeline.available.filter(
    ({ name, checksum }) => checksum !== null && (interrupted.has(name) || (!timeline.history.has(name) && !renamedTo.has(name))),
  );

  if (request.to !== undefined) {
    const limit = resolve(
      request.to,
      timeline.available.map((one) => one.name),
      problems,
      (version) => `There is no migration of version ${version}`,
    );
    runnable = limit === null ? [] : runnable.filter((one) => timeline.position(one.name) <= timeline.position(limit));
  }
  if (request.steps !== undefined) runnable = runnable.slice(0, request.steps);

  const newest = timeline.newest;
  for (const migration of runnable) {
    if (newest === null || interrupted.has(migration.name)) continue;
    if (timeline.position(migration.name) > timeline.position(newest.name)) continue;
    const allowed = request.order === 'allow';
    problems.push({
      code: 'outOfOrder',
      severity: allowed ? 'warning' : 'error',
      name: migration.name,
      version: migration.version,
      message: allowed
        ? `${migration.name} is below ${newest.name}, which is applied already; it runs now because the order allows it`
        : `${migration.name} is pending, but ${newest.name} above it is applied already. Give it a newer number, or let it run where it stands with: --order allow (or order: 'allow' in migrate.config.ts)`,
    });
  }

  const steps = runnable.flatMap((migration): Step[] => {
    const { name, version } = migration;
    const state = interrupted.get(name)?.state;
    if (state === 'started') return [{ name, version, direction: 'up', mode: 'resume' }];
    // Half undone: finishing the down is the one way that leads to a known schema.
    if (state === 'undoing') {
      return [
        { name, version, direction: 'down', mode: 'resume' },
        { name, version, direction: 'up', mode: 'whole' },
      ];
    }
    return [{ name, version, direction: 'up', mode: 'whole' }];
  });
  return { steps, problems };
}

function planDown(timeline: Timeline, request: Extract<PlanRequest, { direction: 'down' }>): Pick<Plan, 'steps' | 'problems'> {
  const problems: Problem[] = [];
  const newestFirst = timeline.applied.toReversed();
  const names = timeline.applied.map((row) => row.name);
  let chosen: readonly AppliedMigration[];
  if (request.only !== undefined) {
    const absent = absentHere(request.only, names, request.elsewhere) !== null;
    const name = absent ? null : resolve(request.only, names, problems, notApplied);
    chosen = newestFirst.filter((row) => row.name === name);
  } else if (request.to !== undefined) {
    const absent = absentHere(request.to, names, request.elsewhere);
    const below = absent !== null && timeline.applied.every((row) => timeline.isBelow(row.name, absent));
    const floor = below ? null : resolve(request.to, names, problems, notApplied);
    chosen = floor === null ? [] : newestFirst.filter((row) => timeline.position(row.name) > timeline.position(floor));
  } else {
    chosen = newestFirst.slice(0, request.steps ?? 1);
  }
  for (const row of chosen) {
    if (row.state !== 'started') continue;
    problems.push({
      code: 'interrupted',
      severity: 'error',
      name: row.name,
      version: row.version,
      message: `${row.name} was interrupted half way: its down undoes the whole of it. Finish it first with: migrate up --to ${inQuotes(row.version)}`,
    });
  }
  const steps = chosen.map((row): Step => ({ name: row.name, version: row.version, direction: 'down', mode: row.state === 'undoing' ? 'resume' : 'whole' }));
  return { steps, problems };
}

/** The migration that is meant, where it exists elsewhere and is not applied here; `null` where it is, or where nobody knows it. */
function absentHere(query: string, names: readonly string[], elsewhere: readonly string[] = []): string | null {
  if (findVersion(query, names).kind !== 'none') return null;
  const answer = findVersion(query, elsewhere);
  return answer.kind === 'found' ? answer.name : null;
}

function notApplied(version: string): string {
  return `No migration of version ${version} is applied here`;
}

/** @param absence Says that there is none. */
function resolve(typed: string, names: readonly string[], problems: Problem[], absence: (version: string) => string): string | null {
  const answer = findVersion(typed, names);
  if (answer.kind === 'found') return answer.name;
  const query = withoutPasswords(typed);
  const message =
    answer.kind === 'ambiguous'
      ? `"${query}" is the beginning of several versions: ${answer.candidates.join(', ')}. Type more of the name`
      : `${absence(query)}${answer.suggestions.length > 0 ? `. Did you mean ${answer.suggestions.join(' or ')}?` : ''}`;
  problems.push({ code: 'unknownVersion', severity: 'error', name: query, version: query, message });
  return null;
}

function short(checksum: string): string {
  return checksum.slice(0, 8);
}
