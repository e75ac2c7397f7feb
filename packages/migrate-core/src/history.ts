/**
 * Every statement about the history table, its log and its stored scripts. Reading writes nothing; what writes is
 * text for the engine's messages, so that it stands in the same transaction as the migration.
 */

import { USUAL_NAMES } from './adoption/usual-names.ts';
import { MigrationError } from './errors.ts';
import { newestNumber } from './history-tables.ts';
import type { Requirement } from './migration.ts';
import type { AppliedMigration, HistoryState } from './plan.ts';
import type { LogAction, LogEntry } from './report.ts';
import type { Row, ServerError, Session } from './session.ts';
import { identifier, literal, qualified, textArray } from './sql.ts';
import type { LostTarget } from './sharing.ts';
import { inQuotes } from './shell.ts';

/** Where one service's history on one target is kept. */
export interface HistoryTables {
  readonly schema: string;
  readonly table: string;
  readonly history: string;
  readonly log: string;
  readonly scripts: string;
  /** Whether many histories of one database share the scripts: those of tenants' schemas. */
  readonly of: 'one' | 'many';
}

const LONGEST_NAME = 63;
/** PostgreSQL cuts names at 63 bytes; the longest suffix takes eight. */
const LONGEST_TABLE_NAME = 55;

/** @param scriptsSchema Where the compiled migrations are kept: targets of one database share theirs. Default `schema`. */
export function historyTables(schema: string, table: string, scriptsSchema: string = schema): HistoryTables {
  if (table === '' || Buffer.byteLength(table) > LONGEST_TABLE_NAME) {
    throw new MigrationError({
      code: 'invalidOptions',
      message: `"${table}" cannot be the name of a history table: it must have 1 to ${LONGEST_TABLE_NAME} bytes, since its log and its scripts get longer names`,
    });
  }
  // PostgreSQL would cut it, and two schemas could become one.
  for (const name of [schema, scriptsSchema]) {
    if (name === '' || Buffer.byteLength(name) > LONGEST_NAME) {
      throw new MigrationError({
        code: 'invalidOptions',
        message: `${JSON.stringify(name)} cannot be the name of a schema: it must have 1 to ${LONGEST_NAME} bytes`,
      });
    }
    // Quoted or not (manual, 19.11.1): the migrations would work in another schema than the one of this name.
    if (name === '$user')
      throw new MigrationError({
        code: 'invalidOptions',
        message: '"$user" cannot be the schema: on a search path PostgreSQL reads it as the name of the role',
      });
  }
  return {
    schema,
    table,
    history: qualified(schema, table),
    log: qualified(schema, `${table}_log`),
    scripts: qualified(scriptsSchema, `${table}_scripts`),
    of: scriptsSchema === schema ? 'one' : 'many',
  };
}

/** How far a non-transactional migration has come. */
export interface Progress {
  /** Statements whose work is done and recorded. */
  readonly done: number;
  /** SHA-256 of the texts of those statements: a file that was changed may go on only behind what it had in common. */
  readonly prefix: string;
  /** What the catalogue said before the statement that was sent next; `null` when none was. */
  readonly before: unknown;
}

/** What one read tells of a target. */
export interface HistorySnapshot {
  /**
   * `absent`: never migrated here; `partial`: a companion table is gone; `unused`: a survey saw none in a tenant's schema, while the scripts
   * which it shares with others are there.
   */
  readonly tables: 'present' | 'absent' | 'partial' | 'unused';
  /** `absent`: the first record makes it. */
  readonly schema: 'present' | 'absent';
  readonly database: string;
  /** `180004`. */
  readonly serverVersion: number;
  readonly platform: 'linux' | 'other';
  /** A standby: nothing can be written. */
  readonly recovery: boolean;
  /** `none`, or the role that the connection was given. */
  readonly role: string;
  /** `synchronous_commit` of this connection. */
  readonly synchronousCommit: string;
  /** The log's newest sequence number: every change of the history moves it. */
  readonly generation: number;
  /** Tables of the history whose owner is not to be trusted, for people; `null` for none. */
  readonly strangers: string | null;
  /** Where there is no history of ours: tables of its schema that are called like other tools' histories. */
  readonly others: readonly string[];
  /** In history order. */
  readonly applied: readonly HistoryRow[];
}

export interface HistoryRow extends AppliedMigration {
  readonly progress: Progress | null;
  /** Key of the stored script; `null` when none was stored. */
  readonly script: string | null;
}

const SERVER = `pg_catalog.current_database() AS "_database", pg_catalog.current_setting('server_version_num') AS "_version",
 pg_catalog.strpos(pg_catalog.version(), 'linux') > 0 AS "_linux", pg_catalog.pg_is_in_recovery() AS "_recovery",
 pg_catalog.current_setting('role') AS "_role", pg_catalog.current_setting('synchronous_commit') AS "_sync"`;

/** What a start with nothing pending has to know. */
export interface BriefHistory {
  readonly database: string;
  readonly rows: readonly { readonly name: string; readonly checksum: string; readonly state: HistoryState }[];
}

/**
 * One small statement, for the most frequent question of all. Where there is no history, or one that cannot be read, the whole
 * snapshot is the answer, or its error.
 *
 * @param beginning Is told where there is none before more is asked.
 */
export async function readBrief(session: Session, tables: HistoryTables, beginning: () => void): Promise<BriefHistory | HistorySnapshot> {
  try {
    const rows = await session.read(`/*migrate read*/SELECT name, checksum, state, pg_catalog.current_database() AS database FROM ${tables.history}`);
    const [first] = rows;
    if (first === undefined) return await readHistory(session, tables);
    return {
      database: first['database'] ?? '',
      rows: rows.map((row) => ({ name: row['name'] ?? '', checksum: row['checksum'] ?? '', state: (row['state'] ?? 'applied') as HistoryState })),
    };
  } catch (error) {
    beginning();
    return readAfter(session, tables, error);
  }
}

/** Whether only the log can tell if anything is applied: nothing is in the history, and something was. */
export function mayBeEmptied({ applied, generation }: Pick<HistorySnapshot, 'applied' | 'generation'>): boolean {
  return applied.length === 0 && generation > 0;
}

/** One statement when the tables are there; more only on a target without them. Throws `foreignHistory`. */
export async function readHistory(session: Session, tables: HistoryTables): Promise<HistorySnapshot> {
  try {
    return snapshot(await session.read(readStatement(tables)), 'present');
  } catch (error) {
    return readAfter(session, tables, error);
  }
}

/** The same. @param lost What became of a target that has no history, which is thrown where it is known. */
export async function readOwnHistory(session: Session, tables: HistoryTables, lost: LostTarget | undefined): Promise<HistorySnapshot> {
  const read = await readHistory(session, tables);
  const error = read.tables === 'absent' ? await lost?.(read) : null;
  if (error != null) throw error;
  return read;
}

/** What a failed read means. */
async function readAfter(session: Session, tables: HistoryTables, error: unknown): Promise<HistorySnapshot> {
  const code = (error as ServerError).code;
  if (code === '42P01' || code === '3F000') return readWithoutTables(session, tables);
  if (code === '42703' || code === '42883' || code === '42804') throw await foreignHistory(session, tables, error);
  if (code === '42501') {
    throw new MigrationError({
      code: 'connection',
      message: `this role may not read ${tables.history}: ${(error as Error).message}`,
      hint: 'connect as the role that owns the history table (the migrator), not as the application',
      sqlState: code,
      cause: error,
    });
  }
  throw error;
}

/**
 * Owners of these tables whom nobody has to trust: a table made before us can have defaults and triggers of its own, which would run as us. Trusted are
 * this role, one that it is a member of, the database's owner and superusers.
 */
function strangers(tables: HistoryTables): string {
  return strangersOf([tables.history, tables.log, tables.scripts]);
}

/** SQL of the same for any tables: quoted names, those that are not there left out; NULL for none. */
export function strangersOf(tables: readonly string[]): string {
  const all = tables.map((name) => `pg_catalog.to_regclass(${literal(name)})::pg_catalog.oid`);
  return `(SELECT pg_catalog.string_agg(DISTINCT c.relname::text || ' of ' || o.rolname::text, ', ') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
  WHERE c.oid IN (${all.join(', ')}) AND NOT o.rolsuper AND o.rolname <> CURRENT_USER
   AND o.oid <> (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
   AND ((SELECT m.rolsuper FROM pg_catalog.pg_roles m WHERE m.rolname = CURRENT_USER) OR NOT pg_catalog.pg_has_role(CURRENT_USER, o.oid, 'MEMBER')))`;
}

/** Refuses to write to a standby. @param target What people call it. */
export function refuseStandby({ recovery }: HistorySnapshot, target: string): void {
  if (recovery)
    throw new MigrationError({ code: 'connection', message: `${target} is a standby, which cannot be written to`, hint: 'connect to the primary', target });
}

/** Refuses to write where `strangers` found any. */
export function refuseStrangers({ strangers: found }: HistorySnapshot): void {
  if (found === null) return;
  throw new MigrationError({
    code: 'connection',
    message: `the history's tables are not all this role's (${found}): what their owner put on them would run with this role's rights. Nothing was written`,
    hint: 'connect as their owner, or look at them and then: ALTER TABLE … OWNER TO this role',
  });
}

function readStatement(tables: HistoryTables): string {
  // `to_char` fixes the form of the timestamp whatever DateStyle and TimeZone say.
  return `/*migrate read*/SELECT s.*, h.name, h.version, h.description, h.checksum, h.seq, h.state,
 pg_catalog.to_char(h.applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS applied_at, h.applied_by, h.duration_ms,
 h.run_id, pg_catalog.array_to_json(h.requires) AS requires, h.progress, h.script, h.reversible
 FROM (SELECT ${SERVER}, ${newestNumber(tables)} AS "_generation",
 pg_catalog.to_regclass(${literal(tables.scripts)}) IS NOT NULL AS "_scripts",
 pg_catalog.row_security_active(${literal(tables.history)}::pg_catalog.regclass) AS "_hidden",
 ${strangers(tables)} AS "_strangers") s LEFT JOIN ${tables.history} h ON true ORDER BY h.seq`;
}

function snapshot(rows: readonly Row[], tables: HistorySnapshot['tables'], others: readonly string[] = []): HistorySnapshot {
  const server = rows[0];
  if (server === undefined) throw new MigrationError({ code: 'internal', message: 'the server answered no row about itself' });
  if (server['_hidden'] === 't') {
    throw new MigrationError({
      code: 'connection',
      message: 'the history table is under row-level security, which hides its rows from this role',
      hint: 'take the policy off the history table, or connect as a role that may bypass it',
    });
  }
  const applied = rows.filter((row) => row['name'] !== null && row['name'] !== undefined).map(historyRow);
  return {
    // Without their scripts the tables are not whole: the next guard makes what is gone.
    tables: server['_scripts'] === 'f' ? 'partial' : tables,
    schema: server['_schema'] === 'f' ? 'absent' : 'present',
    database: server['_database'] ?? '',
    serverVersion: Number(server['_version']),
    platform: server['_linux'] === 't' ? 'linux' : 'other',
    recovery: server['_recovery'] === 't',
    role: server['_role'] ?? 'none',
    synchronousCommit: server['_sync'] ?? 'on',
    generation: Number(server['_generation'] ?? 0),
    strangers: server['_strangers'] ?? null,
    others,
    applied,
  };
}

function historyRow(row: Row): HistoryRow {
  return {
    name: row['name'] ?? '',
    version: row['version'] ?? '',
    description: row['description'] ?? '',
    checksum: row['checksum'] ?? '',
    seq: Number(row['seq']),
    state: (row['state'] ?? 'applied') as HistoryState,
    appliedAt: row['applied_at'] ?? '',
    appliedBy: row['applied_by'] ?? '',
    durationMs: Number(row['duration_ms'] ?? 0),
    runId: row['run_id'] ?? '',
    requires: (JSON.parse(row['requires'] ?? '[]') as string[]).map(parseRequirement),
    progress: row['progress'] === null || row['progress'] === undefined ? null : (JSON.parse(row['progress']) as Progress),
    script: row['script'] ?? null,
    storedDown: row['reversible'] === 't',
  };
}

function parseRequirement(text: string): Requirement {
  const at = text.indexOf('@');
  return { service: text.slice(0, at), version: text.slice(at + 1) };
}

/** SQL of those of these names that are there: `relname`. To be narrowed with AND. */
export function tablesCalled(schema: string, names: readonly string[]): string {
  return `SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ${literal(schema)} AND c.relname IN (${names.map(literal).join(', ')})`;
}

/** On an unused target nothing is an error; on one where only some of the tables are there, what is left still counts. */
async function readWithoutTables(session: Session, tables: HistoryTables): Promise<HistorySnapshot> {
  const own = [tables.table, `${tables.table}_log`, `${tables.table}_scripts`];
  const look = (generation: string): Promise<Row[]> =>
    session.read(`${tablesCalled(tables.schema, [...own, ...USUAL_NAMES])};
SELECT ${SERVER}, pg_catalog.to_regnamespace(${literal(identifier(tables.schema))}) IS NOT NULL AS "_schema", ${generation} AS "_generation", ${strangers(tables)} AS "_strangers"`);
  const found = await look('0');
  const names = found.flatMap(({ relname }) => (relname == null ? [] : [relname]));
  if (!names.includes(tables.table)) {
    const others = names.filter((name) => !own.includes(name));
    // A log that outlived its history is what the guard compares with.
    const rows = names.includes(`${tables.table}_log`) ? await look(`COALESCE((SELECT pg_catalog.max(seq) FROM ${tables.log}), 0)`) : found;
    return snapshot(rows.slice(-1), 'absent', others);
  }
  try {
    const withoutLog = readStatement(tables).replace(`FROM ${tables.log})`, `FROM ${tables.history})`);
    return snapshot(await session.read(withoutLog), 'partial');
  } catch (error) {
    throw await foreignHistory(session, tables, error);
  }
}

/** A table of our name whose columns are another tool's is never touched. */
async function foreignHistory(session: Session, tables: HistoryTables, cause: unknown): Promise<MigrationError> {
  const columns = await session.read(
    `SELECT a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ${literal(tables.schema)} AND c.relname = ${literal(tables.table)} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
  );
  const found = columns.map((row) => row['attname']).join(', ');
  const ours = await ownHistories(session, tables.schema);
  const adopt = `take its history over with: migrate adopt --from ${inQuotes(tables.table)} --table schema_history, or keep ours elsewhere with: --table schema_history (history.table in migrate.config.ts)`;
  return new MigrationError({
    code: 'foreignHistory',
    message: `${tables.history} exists, but it is another tool's table (its columns: ${found}); it was not touched`,
    hint:
      ours.length === 0
        ? adopt
        : `ours is there already where it is one of these: ${ours.map((name) => `--table ${inQuotes(name)}`).join(', ')} (history.table in migrate.config.ts); where it is none of them: ${adopt}`,
    cause,
  });
}

/** Tables of the schema that are histories of ours by their columns, under other names: an adoption may have made one. */
export async function ownHistories(session: Session, schema: string): Promise<readonly string[]> {
  const rows = await session.read(
    `SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
 WHERE n.nspname = ${literal(schema)} AND c.relkind IN ('r', 'p') AND a.attname IN ('name', 'checksum', 'seq', 'state', 'run_id', 'reversible') AND NOT a.attisdropped
 GROUP BY c.relname HAVING pg_catalog.count(*) = 6 ORDER BY c.relname`,
  );
  return rows.flatMap((row) => row['relname'] ?? []);
}

/** A compiled migration as the database keeps it, so that an older build can undo what a newer one applied. */
export interface StoredScript {
  readonly key: string;
  readonly up: string | null;
  readonly down: string | null;
  readonly downChecksum: string | null;
  readonly downTransaction: 'per-migration' | 'none' | null;
  readonly downParse: 'on' | 'off';
}

/** The stored script, and who but the owner could have written it. */
export async function readScript(
  session: Session,
  tables: HistoryTables,
  key: string,
): Promise<(StoredScript & { readonly writers: readonly string[] }) | null> {
  const both = `${literal(tables.scripts)}::pg_catalog.regclass::pg_catalog.oid, ${literal(tables.history)}::pg_catalog.regclass::pg_catalog.oid`;
  const rows = await session.read(
    `SELECT s.key, s.up, s.down, s.down_checksum, s.down_transaction, s.down_parse,
 (SELECT pg_catalog.json_agg(DISTINCT w.name) FROM (
  SELECT CASE WHEN a.grantee = 0::pg_catalog.oid THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END AS name
  FROM pg_catalog.pg_class c, LATERAL (
   SELECT * FROM pg_catalog.aclexplode(c.relacl)
   UNION ALL SELECT x.* FROM pg_catalog.pg_attribute t, pg_catalog.aclexplode(t.attacl) x WHERE t.attrelid = c.oid) a
  WHERE c.oid IN (${both}) AND a.grantee <> c.relowner AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
  UNION ALL SELECT o.rolname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
  WHERE c.oid IN (${both}) AND NOT o.rolsuper AND o.rolname <> SESSION_USER
   AND ((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = SESSION_USER) OR NOT pg_catalog.pg_has_role(SESSION_USER, c.relowner, 'MEMBER'))) w) AS writers
 FROM ${tables.scripts} s WHERE s.key = ${literal(key)}`,
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    key,
    up: row['up'] ?? null,
    down: row['down'] ?? null,
    downChecksum: row['down_checksum'] ?? null,
    downTransaction: (row['down_transaction'] ?? null) as StoredScript['downTransaction'],
    downParse: row['down_parse'] === 'off' ? 'off' : 'on',
    writers: JSON.parse(row['writers'] ?? '[]') as string[],
  };
}

/** The newest `limit` entries, newest first; empty on an unused target. @param action Only those of this kind. */
export async function readLog(session: Session, tables: HistoryTables, limit: number, actions?: readonly LogAction[]): Promise<LogEntry[]> {
  const which = actions === undefined ? '' : ` WHERE action = ANY (${textArray(actions)})`;
  try {
    const rows = await session.read(
      `SELECT seq, pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at, action, name, by, "from", run_id, duration_ms, detail FROM ${tables.log}${which} ORDER BY seq DESC LIMIT ${Math.max(0, Math.trunc(limit))}`,
    );
    return rows.map((row) => ({
      seq: Number(row['seq']),
      at: row['at'] ?? '',
      action: (row['action'] ?? 'up') as LogAction,
      name: row['name'] ?? '',
      by: row['by'] ?? '',
      from: row['from'] ?? '',
      runId: row['run_id'] ?? '',
      durationMs: row['duration_ms'] === null || row['duration_ms'] === undefined ? null : Number(row['duration_ms']),
      detail: row['detail'] ?? null,
    }));
  } catch (error) {
    if ((error as ServerError).code === '42P01' || (error as ServerError).code === '3F000') return [];
    throw error;
  }
}
