/** What the history and the log get written: SQL for the messages that do the work. Pure. */

import type { HistoryTables, Progress, StoredScript } from './history.ts';
import { newestNumber, roomFor } from './history-tables.ts';
import type { Requirement } from './migration.ts';
import type { HistoryState } from './plan.ts';
import type { LogAction } from './report.ts';
import { arrayText, doBlock, literal, textArray } from './sql.ts';

/** What one step writes when it is done. */
export interface RecordInput {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly checksum: string;
  readonly requires: readonly Requirement[];
  readonly script: StoredScript | null;
}

/** Who writes. */
export interface Run {
  readonly id: string;
  /** `host:pid`. */
  readonly from: string;
  readonly tool: string;
}

/**
 * When a step began: with its message, or behind the step that the same message has recorded before it. Every transaction of a message has the start of the
 * message as its own (manual, 9.9.5), so only the log's row of the step before can tell.
 */
export type Since = 'message' | 'previous';

function begin(tables: HistoryTables, seq: number, since: Since): string {
  return since === 'message' ? 'pg_catalog.transaction_timestamp()' : `(SELECT at FROM ${tables.log} WHERE seq = ${seq - 1})`;
}

/** Milliseconds, as SQL. */
function between(from: string, to: string): string {
  return `(EXTRACT(epoch FROM ${to} - ${from}) * 1000::numeric)::bigint`;
}

/** What the log says of a migration that another tool had applied: then comes its table, as `schema.name`. */
export const TAKEN_OVER_FROM = 'taken over from ';

const NOW = 'pg_catalog.clock_timestamp()';

function elapsed(tables: HistoryTables, seq: number, since: Since): string {
  return between(begin(tables, seq, since), NOW);
}

/** The same for a step of several transactions: since its `started` in the log, which this run has written. */
function elapsedSinceStart(tables: HistoryTables, run: Run, name: string): string {
  const began = `(SELECT at FROM ${tables.log} WHERE action = 'started' AND name = ${literal(name)} AND run_id = ${literal(run.id)} ORDER BY seq DESC LIMIT 1)`;
  return between(began, NOW);
}

/** Behind each step but the last of a transaction whose records are written together: when it ended, in seconds, behind those before it. */
export function noteEnd(index: number): string {
  const before = index === 0 ? '' : `${NOTED} || `;
  return `SELECT pg_catalog.set_config('migrate.ended', ${before}EXTRACT(epoch FROM ${NOW})::text || ' '::text, true)`;
}

const NOTED = `pg_catalog.current_setting('migrate.ended')`;

/**
 * The record of an up, or of several in one transaction, behind the last of them; but for their scripts. The last statement answers their durations in
 * milliseconds, in their order, unless they are shares. One statement with an array for each column: operators and constants of each row, which are
 * looked up and typed one by one, cost a fresh tenant as much as another table.
 *
 * @param ends Whether `noteEnd` stands behind each but the last; else each is told as an equal share of the whole.
 */
export function recordApplied(
  tables: HistoryTables,
  run: Run,
  inputs: readonly RecordInput[],
  firstSeq: number,
  since: Since,
  ends: 'noted' | 'unknown',
): readonly string[] {
  const began = begin(tables, firstSeq, since);
  const noted = ends === 'noted' && inputs.length > 1;
  const arrays: [name: string, values: string][] = [['name', textArray(inputs.map((input) => input.name))]];
  /** What all of them have in common is said once. */
  const column = (name: string, valueOf: (input: RecordInput) => string): string => {
    const values = inputs.map(valueOf);
    if (values.every((value) => value === values[0])) return literal(values[0] ?? '');
    arrays.push([name, textArray(values)]);
    return `v.${name}`;
  };
  const history = [
    'v.seq',
    'v.name',
    column('version', (input) => input.version),
    column('description', (input) => input.description),
    column('checksum', (input) => input.checksum),
    `${column('requires', requiresText)}::text[]`,
    `NULLIF(${column('script', (input) => input.script?.key ?? '')}, '')`,
    `${column('reversible', (input) => String(isReversible(input)))}::boolean`,
    `'applied', pg_catalog.now(), SESSION_USER, v.duration_ms, ${literal(run.id)}, ${literal(run.tool)}`,
  ];
  if (noted) arrays.push(['ended', `pg_catalog.string_to_array(${NOTED} || EXTRACT(epoch FROM ${NOW})::text, ' ')`]);
  const seq = `r.n + ${firstSeq - 1} AS seq`;
  const rows = `ROWS FROM (${arrays.map(([, values]) => `pg_catalog.unnest(${values})`).join(',\n')}) WITH ORDINALITY r (${arrays.map(([name]) => name).join(', ')}, n)`;
  const timed = noted
    ? `SELECT t.*, ${between(`pg_catalog.lag(t.at, 1, ${began}) OVER (ORDER BY t.seq)`, 't.at')} AS duration_ms
 FROM (SELECT r.*, ${seq}, pg_catalog.to_timestamp((CASE WHEN r.ended IS NULL THEN 'migrate: a time is missing' ELSE r.ended END)::float8) AS at FROM ${rows}) t`
    : `SELECT r.*, ${seq}, (SELECT ${NOW}) AS at, (SELECT ${between(began, NOW)} / ${inputs.length}) AS duration_ms FROM ${rows}`;
  const answers = answersDurations(inputs.length, ends);
  return [
    ...longRow(tables, inputs),
    `WITH v AS (${timed}), l AS (
INSERT INTO ${tables.log} (seq, at, action, name, by, "from", run_id, duration_ms)
 SELECT v.seq, v.at, 'up', v.name, SESSION_USER, ${literal(run.from)}, ${literal(run.id)}, v.duration_ms FROM v)
INSERT INTO ${tables.history} (seq, name, version, description, checksum, requires, script, reversible, state, applied_at, applied_by, duration_ms, run_id, tool)
 SELECT ${history.join(', ')} FROM v${answers ? ' ORDER BY v.seq RETURNING duration_ms' : ''}`,
  ];
}

/** Whether the record of so many tells how long each took. */
export function answersDurations(count: number, ends: 'noted' | 'unknown'): boolean {
  return ends === 'noted' || count === 1;
}

/** The record of a non-transactional up before its first statement. */
export function recordStarted(tables: HistoryTables, run: Run, input: RecordInput, seq: number): string {
  const duration = elapsed(tables, seq, 'message');
  return `${storing(tables, input)}${insertLog(tables, run, seq, 'started', input.name, duration)};\n${insertRow(tables, run, input, seq, 'started', duration)}`;
}

function insertRow(tables: HistoryTables, run: Run, input: RecordInput, seq: number, state: HistoryState, duration: string): string {
  return `INSERT INTO ${tables.history} (name, version, description, checksum, seq, state, applied_at, applied_by, duration_ms, run_id, tool, requires, script, reversible)
 VALUES (${[input.name, input.version, input.description, input.checksum, seq, state].map(literal).join(', ')}, pg_catalog.now(), SESSION_USER, ${duration}, ${literal(run.id)}, ${literal(run.tool)}, ${literal(requiresText(input))}, ${literal(input.script?.key ?? null)}, ${isReversible(input)})`;
}

/**
 * The scripts of several migrations at once; `null` for none. Those of a message are stored by its first transaction: when a later one fails, its
 * script is there without a row that names it, which does no harm.
 */
export function insertScripts(tables: HistoryTables, scripts: readonly StoredScript[]): string | null {
  if (scripts.length === 0) return null;
  const rows = scripts.map((one) => `(${[one.key, one.up, one.down, one.downChecksum, one.downTransaction, one.downParse].map(literal).join(', ')})`);
  return `INSERT INTO ${tables.scripts} (key, up, down, down_checksum, down_transaction, down_parse) VALUES ${rows.join(',\n')} ON CONFLICT (key) DO NOTHING`;
}

/** The statement that makes room for the first of these whose row would not fit; none when all do. */
function longRow(tables: HistoryTables, inputs: readonly RecordInput[]): readonly string[] {
  for (const input of inputs) {
    const room = roomFor(tables, [input.name, input.version, input.description, requiresText(input)]);
    if (room !== null) return [room];
  }
  return [];
}

/** As PostgreSQL reads an array. */
function requiresText(input: RecordInput): string {
  return arrayText(input.requires.map((one) => `${one.service}@${one.version}`));
}

/** A row of the log. `duration` is SQL. */
export function insertLog(
  tables: HistoryTables,
  run: Run,
  seq: number | string,
  action: LogAction,
  name: string,
  duration = 'NULL',
  detail: string | null = null,
): string {
  return `INSERT INTO ${tables.log} (seq, at, action, name, by, "from", run_id, duration_ms, detail) VALUES (${seq}, ${NOW}, ${literal(action)}, ${literal(name)}, SESSION_USER, ${literal(run.from)}, ${literal(run.id)}, ${duration}, ${literal(detail)})`;
}

/** What the log of a copy says of it, behind all that came with it. */
export function insertClone(tables: HistoryTables, run: Run, template: string): string {
  return `INSERT INTO ${tables.log} (seq, at, action, name, by, "from", run_id, detail)
 SELECT ${newestNumber(tables)} + 1, ${NOW}, 'clone', COALESCE((SELECT name FROM ${tables.history} ORDER BY seq DESC LIMIT 1), ''), SESSION_USER, ${[run.from, run.id, `cloned from ${template}`].map(literal).join(', ')}`;
}

/** The record of a down. Fails with MG003 when the row was not there: "undone" is never said of what somebody else undid. */
export function recordUndone(tables: HistoryTables, run: Run, name: string, seq: number, since: Since | 'started'): string {
  const duration = since === 'started' ? elapsedSinceStart(tables, run, name) : elapsed(tables, seq, since);
  return mustHitOneRow(`DELETE FROM ${tables.history} WHERE name = ${literal(name)}`, insertLog(tables, run, seq, 'down', name, duration));
}

/** Progress of a non-transactional step. It names the run, and fails with MG003 when another run took the work over. */
export function recordProgress(tables: HistoryTables, run: Run, name: string, progress: Progress): string {
  const text = JSON.stringify(progress);
  const room = roomFor(tables, [text]);
  return mustHitOneRow(
    `${room === null ? '' : `${room}; `}UPDATE ${tables.history} SET progress = ${literal(text)} WHERE name = ${literal(name)} AND run_id = ${literal(run.id)} AND state <> 'applied'`,
  );
}

/**
 * A later run takes an interrupted step over: from here on the earlier run's updates hit nothing. An up that was corrected
 * behind what is done is recorded as it is now; `null` for a down.
 */
export function recordTakenOver(tables: HistoryTables, run: Run, name: string, seq: number, input: RecordInput | null): string {
  return mustHitOneRow(
    `${input === null ? '' : storing(tables, input)}UPDATE ${tables.history} SET run_id = ${literal(run.id)}${input === null ? '' : `, ${asNow(input)}`} WHERE name = ${literal(name)} AND state <> 'applied'`,
    insertLog(tables, run, seq, 'started', name, 'NULL', 'resumed'),
  );
}

/** A non-transactional down begins. */
export function recordUndoing(tables: HistoryTables, run: Run, name: string, seq: number): string {
  return mustHitOneRow(
    `UPDATE ${tables.history} SET state = 'undoing', run_id = ${literal(run.id)}, progress = NULL WHERE name = ${literal(name)} AND state = 'applied'`,
    insertLog(tables, run, seq, 'started', name, 'NULL', 'down'),
  );
}

/** The end of a non-transactional up. The server measures: what runs before this in the same message, too. */
export function recordFinished(tables: HistoryTables, run: Run, name: string, seq: number): string {
  return mustHitOneRow(
    `UPDATE ${tables.history} SET state = 'applied', progress = NULL, applied_at = pg_catalog.now(), seq = ${seq}, duration_ms = ${elapsedSinceStart(tables, run, name)} WHERE name = ${literal(name)} AND run_id = ${literal(run.id)} AND state = 'started'`,
    insertLog(tables, run, seq, 'up', name, `(SELECT duration_ms FROM ${tables.history} WHERE name = ${literal(name)})`),
  );
}

/** A non-transactional migration failed before anything of it was done: it is pending again (or applied again, for a down). */
export function recordGivenUp(tables: HistoryTables, run: Run, name: string, direction: 'up' | 'down'): string {
  const mine = `name = ${literal(name)} AND run_id = ${literal(run.id)}`;
  return mustHitOneRow(
    direction === 'up'
      ? `DELETE FROM ${tables.history} WHERE ${mine} AND state = 'started'`
      : `UPDATE ${tables.history} SET state = 'applied', progress = NULL WHERE ${mine} AND state = 'undoing'`,
  );
}

/** A line in the log for a failure, under the lock; MG001 when somebody else holds it. `create` makes the tables where there are none. */
export function recordFailure(tables: HistoryTables, run: Run, name: string, detail: string, create: string, takeLock: string): string {
  // The caller does not know the newest number: somebody may have been at work since. Under the lock this one is right.
  const next = `(${newestNumber(tables)} + 1)`;
  return doBlock(`DECLARE r record; BEGIN ${takeLock} ${create} ${insertLog(tables, run, next, 'failed', name, 'NULL', detail)}; END`);
}

/** A repair: the file as it is now counts as what was applied. `log` is the statement of its log row. */
export function recordAccepted(tables: HistoryTables, input: RecordInput, log: string): string {
  return mustHitOneRow(`${storing(tables, input)}UPDATE ${tables.history} SET ${asNow(input)} WHERE name = ${literal(input.name)} AND state = 'applied'`, log);
}

/** A repair: what somebody did by hand, or what an interrupted run had done after all. */
export function recordMarkedApplied(tables: HistoryTables, run: Run, input: RecordInput, seq: number, log: string): string {
  return doBlock(
    `BEGIN ${storing(tables, input)}DELETE FROM ${tables.history} WHERE name = ${literal(input.name)}; ${insertRow(tables, run, input, seq, 'applied', '0')}; ${log}; END`,
  );
}

export function recordMarkedUndone(tables: HistoryTables, name: string, log: string): string {
  return mustHitOneRow(`DELETE FROM ${tables.history} WHERE name = ${literal(name)}`, log);
}

/** What goes before a migration's row. */
function storing(tables: HistoryTables, input: RecordInput): string {
  const room = longRow(tables, [input]).map((statement) => `${statement}; `);
  return `${room.join('')}${input.script === null ? '' : `${insertScripts(tables, [input.script])}; `}`;
}

/** A migration's columns as its file is now. */
function asNow(input: RecordInput): string {
  return `checksum = ${literal(input.checksum)}, description = ${literal(input.description)}, requires = ${literal(requiresText(input))}, script = ${literal(input.script?.key ?? null)}, reversible = ${isReversible(input)}`;
}

function isReversible(input: RecordInput): boolean {
  return input.script !== null && input.script.down !== null;
}

function mustHitOneRow(statement: string, after = ''): string {
  return doBlock(
    `BEGIN ${statement}; IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = 'MG003', MESSAGE = 'migrate: the history row is not there any more'; END IF;${after === '' ? '' : ` ${after};`} END`,
  );
}
