/** Whether each down undoes its up: up, down and up again on a scratch database, with the whole catalogue compared in between. */

import { type Catalog, type CatalogDifference, describeDifference, diffCatalogs, readDatabaseCatalog } from '../catalog.ts';
import { MigrationError, type SourcePosition } from '../errors.ts';
import type { CompiledMigration, LiveScript, Migration, MigrationSource, Script } from '../migration.ts';
import { positionIn } from '../position.ts';
import { createMigrator, type Migrator, type MigratorOptions } from '../migrator.ts';
import { type ConnectTo, createScratchDatabase, SCRATCH_PREFIX, type ScratchDatabase } from './scratch.ts';
import type { Connect, DatabaseClient } from '../session.ts';
import { identifier } from '../sql.ts';

export interface RoundTripOptions {
  readonly service: string;
  readonly source: MigrationSource;
  /** The role must be one that may create databases. */
  readonly connect: ConnectTo;
  /** Default `public`; any other one is created first. */
  readonly schema?: string | undefined;
  /** Schemas behind that one, as of a migrator. */
  readonly searchPath?: MigratorOptions['searchPath'] | undefined;
  /** Makes what the migrations find there, once in each scratch database, before the first of them. Default: nothing. */
  readonly prepare?: ((connect: Connect) => Promise<void>) | undefined;
  readonly history?: MigratorOptions['history'];
  readonly order?: MigratorOptions['order'];
  readonly signal?: AbortSignal | undefined;
  /** Told before each migration's turn; `index` counts from 0. */
  readonly onMigration?: ((name: string, index: number, count: number) => void) | undefined;
}

export interface RoundTripReport {
  /** Went up, down and up again, and everything was as it had been. */
  readonly clean: readonly string[];
  /** In source order. */
  readonly findings: readonly RoundTripFinding[];
  /** Behind a migration that does not go up. */
  readonly notTried: readonly string[];
}

export interface RoundTripFinding {
  /**
   * `upFailed`, `downFailed`: the SQL failed. `upAgainFailed`: the up failed after the down. `notUndone`: after the down the schema is not what it was before the
   * up. `notRepeated`: the second up did not make what the first one did. `rowsLost`: a down that promises to lose nothing left fewer rows.
   * `irreversible`: there is no down.
   */
  readonly code: 'upFailed' | 'downFailed' | 'upAgainFailed' | 'notUndone' | 'notRepeated' | 'rowsLost' | 'irreversible';
  /** `warning`: no down, or columns that only stand in another order, which PostgreSQL gives no way to restore. */
  readonly severity: 'error' | 'warning';
  readonly migration: string;
  readonly message: string;
  readonly hint: string | null;
  readonly file: string | null;
  readonly position: SourcePosition | null;
  readonly sqlState: string | null;
  /** What differs, by the names of objects; empty where nothing was compared. */
  readonly differences: readonly CatalogDifference[];
}

/**
 * Tries every migration of the source on an empty database of its own, which is dropped in the end, also after a failure. What a migration does to
 * the whole server (roles) stays. What other services must have applied counts as applied.
 * An empty source: a report without anything, and no database.
 * @throws MigrationError `invalidMigration` for what cannot be compiled, `invalidOptions` where the role may not create databases, `aborted`.
 */
export async function checkRoundTrip(options: RoundTripOptions): Promise<RoundTripReport> {
  const { migrations, problems } = await options.source.list();
  if (problems.length > 0) throw new MigrationError({ code: 'invalidMigration', message: problems.map((one) => one.message).join('\n') });
  const compiled = await options.source.compile(migrations.map((one) => one.name));
  const report: Writable = { clean: [], findings: [], notTried: [] };
  let trial: Trial | null = null;
  try {
    for (const [index, migration] of migrations.entries()) {
      if (options.signal?.aborted === true)
        throw new MigrationError({ code: 'aborted', message: 'the round trip was stopped; its scratch database is dropped' });
      options.onMigration?.(migration.name, index, migrations.length);
      trial ??= await Trial.begin(options, migrations, migrations[index - 1]?.name ?? null);
      const before = report.findings.length;
      const end = await tryMigration(trial, migration, compiled[index] as CompiledMigration, report);
      if (report.findings.length === before) report.clean.push(migration.name);
      if (end === 'cannotGoUp') {
        report.notTried.push(...migrations.slice(index + 1).map((one) => one.name));
        break;
      }
      // What is there now is not what this source makes of an empty database: begin again, so that the next ones are judged by themselves.
      if (end === 'spoilt') {
        await trial[Symbol.asyncDispose]();
        trial = null;
      }
    }
  } finally {
    await trial?.[Symbol.asyncDispose]();
  }
  return report;
}

interface Writable extends RoundTripReport {
  readonly clean: string[];
  readonly findings: RoundTripFinding[];
  readonly notTried: string[];
}

async function tryMigration(trial: Trial, migration: Migration, compiled: CompiledMigration, report: Writable): Promise<'fine' | 'spoilt' | 'cannotGoUp'> {
  const { name } = migration;
  const find = (finding: Pick<RoundTripFinding, 'code' | 'message'> & Partial<RoundTripFinding>): void => {
    report.findings.push({ severity: 'error', migration: name, hint: null, file: migration.file, position: null, sqlState: null, differences: [], ...finding });
  };
  const before = trial.catalog;
  const rows = migration.directives.down === 'lossless' ? await trial.countRows() : null;
  const first = await failureOf(trial.migrator.up({ to: name }));
  if (first !== null) {
    find({ code: 'upFailed', ...textOf(first, `${name} does not go up`) });
    return 'cannotGoUp';
  }
  const up = await trial.read();
  if (compiled.down === null) {
    find({ code: 'irreversible', severity: 'warning', message: `${name} cannot be undone: ${compiled.irreversible ?? 'it has no down'}` });
    return 'fine';
  }
  const undone = await failureOf(trial.migrator.down({ steps: 1 }));
  if (undone !== null) {
    find({ code: 'downFailed', ...textOf(undone, `the down of ${name} fails`) });
    return 'spoilt';
  }
  const down = await trial.read();
  const left = diffCatalogs(before, down);
  if (left.length > 0) {
    const severity = left.every((one) => one.part === 'column order') ? 'warning' : 'error';
    find({
      code: 'notUndone',
      severity,
      position: beginningOf(compiled.down),
      message: `the down of ${name} does not bring back what was there before${told(left, 'before', 'after the down')}`,
      differences: left,
    });
  }
  const lost = rows === null ? [] : lostRows(rows, await trial.countRows());
  if (lost.length > 0)
    find({
      code: 'rowsLost',
      position: beginningOf(compiled.down),
      message: `the down of ${name} promises to lose nothing (down=lossless), but ${lost.join(', ')}`,
    });
  const again = await failureOf(trial.migrator.up({ to: name }));
  if (again !== null) {
    find({ code: 'upAgainFailed', ...textOf(again, `${name} goes up, but not a second time after its down`) });
    return 'spoilt';
  }
  const differences = diffCatalogs(up, await trial.read());
  // What was not undone differs again for the same reason.
  if (differences.length > 0 && left.length === 0) {
    find({
      code: 'notRepeated',
      message: `${name} makes something else when it goes up again after its down${told(differences, 'the first time', 'the second time')}`,
      differences,
    });
  }
  return left.length > 0 || differences.length > 0 ? 'spoilt' : 'fine';
}

/** Where the down stands, for findings that are about all of it. */
function beginningOf(down: Script | LiveScript): SourcePosition | null {
  const first = down.kind === 'sql' ? down.statements[0] : undefined;
  return down.kind === 'live' || down.origin === null || first === undefined ? null : positionIn(down, first.start);
}

function told(differences: readonly CatalogDifference[], first: string, second: string): string {
  const lines = differences.map((one) => describeDifference(one).replaceAll('\n', '\n  '));
  return ` (- only ${first}, + only ${second}, ~ changed):\n  ${lines.join('\n  ')}`;
}

function lostRows(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string[] {
  return [...before].flatMap(([table, count]) => {
    const now = after.get(table);
    return now === undefined || now >= count ? [] : [`${table} had ${count} row${count === 1 ? '' : 's'} and has ${now}`];
  });
}

/** Only a migration's own failure is a finding; a lost server or a stop is not. */
async function failureOf(run: Promise<unknown>): Promise<MigrationError | null> {
  try {
    await run;
    return null;
  } catch (error) {
    if (error instanceof MigrationError && error.code !== 'aborted' && error.code !== 'connection' && error.code !== 'internal') return error;
    throw error;
  }
}

function textOf(error: MigrationError, what: string): Pick<RoundTripFinding, 'message' | 'hint' | 'position' | 'sqlState'> {
  // The scratch database is gone by the time anybody reads this.
  const because = error.message.replace(new RegExp(`^.* failed on ${SCRATCH_PREFIX}\\w+: `), '');
  return { message: `${what}: ${because}`, hint: null, position: error.position, sqlState: error.sqlState };
}

/** A scratch database with a migrator on it. */
class Trial implements AsyncDisposable {
  readonly migrator: Migrator;
  /** As it was read last. */
  catalog: Catalog = { text: '', hash: '' };
  readonly #database: ScratchDatabase;
  readonly #client: DatabaseClient;
  readonly #exclude: readonly string[];

  private constructor(options: RoundTripOptions, migrations: readonly Migration[], database: ScratchDatabase, client: DatabaseClient) {
    const { service, source, connect, schema, searchPath, history, order, signal } = options;
    const table = history?.table ?? `schema_migrations_${service}`;
    this.#database = database;
    this.#client = client;
    this.#exclude = [table, `${table}_log`, `${table}_scripts`];
    this.migrator = createMigrator({
      service,
      source,
      client,
      schema,
      searchPath,
      order,
      signal,
      connect: () => connect(database.name),
      ...(history === undefined ? {} : { history }),
      requirements: async (other) => migrations.flatMap((one) => one.directives.requires.filter((need) => need.service === other).map((need) => need.version)),
    });
  }

  /** @param upTo The last migration that is applied already; `null` for none. */
  static async begin(options: RoundTripOptions, migrations: readonly Migration[], upTo: string | null): Promise<Trial> {
    const database = await createScratchDatabase(options.connect);
    let client: DatabaseClient | null = null;
    try {
      client = await options.connect(database.name);
      const trial = new Trial(options, migrations, database, client);
      for (const schema of new Set([options.schema, options.history?.schema])) {
        if (schema !== undefined && schema !== 'public') await trial.#ask(`CREATE SCHEMA IF NOT EXISTS ${identifier(schema)}`, []);
      }
      await options.prepare?.(() => options.connect(database.name));
      if (upTo !== null) await trial.migrator.up({ to: upTo });
      await trial.read();
      return trial;
    } catch (error) {
      await client?.end().catch(() => undefined);
      await database[Symbol.asyncDispose]();
      throw error;
    }
  }

  async read(): Promise<Catalog> {
    this.catalog = await readDatabaseCatalog({ query: (text, values) => this.#ask(text, values) }, { exclude: this.#exclude });
    return this.catalog;
  }

  /** The number of rows of each table, partitions by themselves. */
  async countRows(): Promise<ReadonlyMap<string, number>> {
    const tables = (await this.#ask(plainTables, [this.#exclude])).rows as { table: string; name: string }[];
    if (tables.length === 0) return new Map();
    const { rows } = await this.#ask(tables.map(({ name }) => `SELECT pg_catalog.count(*)::pg_catalog.text AS rows FROM ONLY ${name}`).join(' UNION ALL '), []);
    return new Map(tables.map(({ table }, index) => [table, Number((rows[index] as { rows: string }).rows)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end().catch(() => undefined);
    await this.#database[Symbol.asyncDispose]();
  }

  #ask(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }> {
    return (this.#client as unknown as { query(text: string, values: readonly unknown[]): Promise<{ rows: unknown[] }> }).query(text, values);
  }
}

const plainTables = String.raw`
SELECT c.oid::pg_catalog.regclass::pg_catalog.text AS table, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT c.relname::pg_catalog.text = ANY ($1::pg_catalog.text[])`;
