/** Puts the history right after a person put the schema right. Under the lock, and every change stands in the log. */

import { setTimeout as sleep } from 'node:timers/promises';

import { readLockHolder, readRunning } from './activity.ts';
import { MigrationError } from './errors.ts';
import { describeBlocker } from './engine/failure.ts';
import { begin, GUARD, guard, tag } from './guard.ts';
import { seqOfMarked } from './history-order.ts';
import { readHistory, refuseStandby, refuseStrangers, type HistoryRow, type HistorySnapshot, type HistoryTables } from './history.ts';
import { findVersion } from './migration.ts';
import { insertLog, recordAccepted, recordMarkedApplied, recordMarkedUndone, TAKEN_OVER_FROM, type RecordInput, type Run } from './record.ts';
import type { Session } from './session.ts';
import { inQuotes } from './shell.ts';

/** Versions as people type them: a number, a name or a beginning of it. At least one. */
export interface RepairRequest {
  /** The file was changed after it was applied, and is right as it is now. */
  readonly accept?: readonly string[] | undefined;
  /** Its work is in the schema: done by hand, or by an interrupted run. Nothing is run. It takes its place in the source's order among what is applied. */
  readonly markApplied?: readonly string[] | undefined;
  /** Its work is not in the schema any more, or never was. Nothing is run. */
  readonly markUndone?: readonly string[] | undefined;
  /** The other tool's table that says so, for the log: what is marked as applied has the action `baseline` there. */
  readonly takenOverFrom?: string | undefined;
}

/** Names of what was changed. */
export interface RepairReport {
  readonly accepted: readonly string[];
  readonly markedApplied: readonly string[];
  readonly markedUndone: readonly string[];
}

export interface RepairOptions {
  readonly tables: HistoryTables;
  readonly run: Run;
  /** Names of the source, in order. */
  readonly available: readonly string[];
  readonly waitLimitMs: number;
  readonly signal: AbortSignal | undefined;
  /** What the history keeps of this migration. Compiles it. */
  readonly record: (name: string) => Promise<RecordInput>;
}

type Change =
  | { readonly kind: 'accept' | 'markApplied'; readonly name: string; readonly row: HistoryRow | null; readonly record: RecordInput }
  | { readonly kind: 'markUndone'; readonly name: string; readonly row: HistoryRow };

/** @throws MigrationError `invalidOptions` for what makes no sense, `lockTimeout` when the lock is not to be had within the limit. */
export async function repair(session: Session, options: RepairOptions, request: RepairRequest): Promise<RepairReport> {
  const until = performance.now() + options.waitLimitMs;
  for (let attempt = 1; ; attempt++) {
    const snapshot = await readHistory(session, options.tables);
    refuseStandby(snapshot, snapshot.database);
    refuseStrangers(snapshot);
    const changes = await planChanges(session, options, snapshot, request);
    const result = await session.run(messageOf(options, snapshot, changes, request.takenOverFrom));
    if (result.kind === 'done') return reportOf(changes);
    if (result.kind === 'lost')
      throw new MigrationError({
        code: 'connection',
        message: `the connection to ${snapshot.database} was lost: ${result.error.message}`,
        hint: 'look with: migrate status',
        cause: result.error,
      });
    const { error } = result;
    if (error.code !== GUARD.lockHeld && error.code !== GUARD.movedOn) {
      throw new MigrationError({ code: 'migrationFailed', message: `${error.message} while writing the history`, sqlState: error.code, cause: error });
    }
    if (performance.now() > until || options.signal?.aborted === true) {
      const holder = await readLockHolder(session, options.tables);
      throw new MigrationError({
        code: 'lockTimeout',
        message: `the migration lock of ${options.tables.history} on ${snapshot.database} is held${holder === null ? '' : ` by ${describeBlocker(holder)}`}; nothing was changed`,
        hint: 'wait for that run, then repair',
      });
    }
    await sleep(100 * (0.5 + Math.random()) * Math.min(attempt, 10), undefined, { signal: options.signal }).catch(() => undefined);
  }
}

async function planChanges(session: Session, options: RepairOptions, snapshot: HistorySnapshot, request: RepairRequest): Promise<readonly Change[]> {
  const changes: Change[] = [];
  const inHistory = snapshot.applied.map((row) => row.name);
  const rowOf = (name: string): HistoryRow | null => snapshot.applied.find((row) => row.name === name) ?? null;
  // First what goes: a renamed migration is marked undone under its old name and applied under the new one.
  for (const version of request.markUndone ?? []) {
    const row = rowOf(find(version, inHistory, `the history of ${snapshot.database}`)) as HistoryRow;
    await refuseRunning(session, row);
    changes.push({ kind: 'markUndone', name: row.name, row });
  }
  for (const version of request.accept ?? []) {
    refuseGone(version, options.available, inHistory);
    const name = find(version, options.available, 'the migrations');
    const row = rowOf(name);
    const record = await options.record(name);
    if (row === null) throw invalid(`${name} was not applied on ${snapshot.database}: there is no checksum to accept`, 'apply it with: migrate up');
    if (row.state !== 'applied')
      throw invalid(
        `${name} was interrupted, and a repair cannot tell what is there: look at the schema`,
        `then type: migrate repair --mark-applied ${inQuotes(name)} (or --mark-undone ${inQuotes(name)})`,
      );
    if (row.checksum === record.checksum) throw invalid(`${name} is as it was applied: there is nothing to accept`, 'look with: migrate status');
    changes.push({ kind: 'accept', name, row, record });
  }
  const toMark = (request.markApplied ?? []).map((version) => find(version, options.available, 'the migrations'));
  // In whatever order they are typed, each takes its place.
  for (const name of toMark.toSorted((a, b) => options.available.indexOf(a) - options.available.indexOf(b))) {
    const row = rowOf(name);
    if (row !== null && row.state === 'applied') throw invalid(`${name} is applied already on ${snapshot.database}`, 'look with: migrate status');
    if (row !== null) await refuseRunning(session, row);
    changes.push({ kind: 'markApplied', name, row, record: await options.record(name) });
  }
  if (changes.length === 0)
    throw invalid('a repair says what to repair', 'migrate repair VERSION accepts a changed file; or give --mark-applied VERSION, --mark-undone VERSION');
  return changes;
}

/** Applied, and its file is gone: there is no other checksum that could be accepted, but two ways out. */
function refuseGone(version: string, available: readonly string[], inHistory: readonly string[]): void {
  const applied = findVersion(version, inHistory);
  if (findVersion(version, available).kind !== 'none' || applied.kind !== 'found') return;
  throw invalid(
    `${applied.name} is applied, and no migration here has that name: there is no file whose checksum could be accepted`,
    `undo it with: migrate down --only ${inQuotes(applied.name)}, or let the history forget it with: migrate repair --mark-undone ${inQuotes(applied.name)}`,
  );
}

async function refuseRunning(session: Session, row: HistoryRow): Promise<void> {
  const running = row.state === 'applied' ? null : await readRunning(session, row.runId);
  if (running === null) return;
  throw invalid(
    `a statement of ${row.name} is still running (pid ${running.process.pid})`,
    `wait for it, or end it with: SELECT pg_cancel_backend(${running.process.pid})`,
  );
}

function find(version: string, among: readonly string[], where: string): string {
  const answer = findVersion(version, among);
  if (answer.kind === 'found') return answer.name;
  if (answer.kind === 'ambiguous') throw invalid(`${version} may be any of ${answer.candidates.join(', ')}`, 'give the full name');
  throw invalid(
    `${version} is not in ${where}`,
    answer.suggestions.length > 0 ? `did you mean ${answer.suggestions.join(' or ')}?` : 'look with: migrate status',
  );
}

function invalid(message: string, hint: string): MigrationError {
  return new MigrationError({ code: 'invalidOptions', message, hint });
}

function messageOf(
  { tables, run, available }: RepairOptions,
  snapshot: HistorySnapshot,
  changes: readonly Change[],
  takenOverFrom: string | undefined,
): string {
  const source = available.map((name) => ({ name }));
  // As the history is when the statement before has run.
  let rows: readonly Pick<HistoryRow, 'name' | 'seq'>[] = snapshot.applied;
  const statements = changes.flatMap((change, index) => {
    const seq = snapshot.generation + 1 + index;
    const log = (detail: string): string => insertLog(tables, run, seq, takenOverFrom === undefined ? 'repair' : 'baseline', change.name, 'NULL', detail);
    switch (change.kind) {
      case 'accept':
        return recordAccepted(
          tables,
          change.record,
          log(`accepted the file as it is: ${change.record.checksum.slice(0, 8)}, applied as ${change.row?.checksum.slice(0, 8)}`),
        );
      case 'markApplied': {
        const row = { name: change.name, seq: seqOfMarked(source, rows, change.name, seq) };
        rows = [...rows.filter((one) => one.name !== change.name), row];
        return recordMarkedApplied(tables, run, change.record, row.seq, log(markedAs(change.row, takenOverFrom)));
      }
      case 'markUndone':
        rows = rows.filter((one) => one.name !== change.name);
        return recordMarkedUndone(tables, change.name, log(change.row.state === 'applied' ? 'marked as undone' : 'marked as undone after an interruption'));
    }
  });
  const guarded = guard(
    { tables, snapshot, generation: snapshot.generation, lock: 'take' },
    { synchronous_commit: snapshot.synchronousCommit === 'off' ? 'on' : snapshot.synchronousCommit },
  );
  return `${tag(run, 'repair')}${[begin(), guarded, ...statements, 'COMMIT'].join('\n;\n')}`;
}

function markedAs(row: HistoryRow | null, takenOverFrom: string | undefined): string {
  if (takenOverFrom !== undefined) return `${TAKEN_OVER_FROM}${takenOverFrom}`;
  return row === null ? 'marked as applied' : 'marked as applied after an interruption';
}

function reportOf(changes: readonly Change[]): RepairReport {
  const of = (kind: Change['kind']): string[] => changes.filter((change) => change.kind === kind).map((change) => change.name);
  return { accepted: of('accept'), markedApplied: of('markApplied'), markedUndone: of('markUndone') };
}
