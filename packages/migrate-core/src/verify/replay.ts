/** What the applied migrations make: replayed in the order of the history, in a scratch database of their own. */

import { createHash } from 'node:crypto';

import { type Catalog, readCatalog } from '../catalog.ts';
import { type ConnectTo, createScratchDatabase } from '../check/scratch.ts';
import { MigrationError } from '../errors.ts';
import { readScript, type HistoryRow, type HistoryTables } from '../history.ts';
import { noDirectives, type CompiledMigration, type Migration, type MigrationSource } from '../migration.ts';
import { createMigrator, createSharingMigrator } from '../migrator.ts';
import { Session, type DatabaseClient } from '../session.ts';
import { compileSql } from '../source/script.ts';
import { identifier } from '../sql.ts';
import { ensureExtensions } from '../tenancy/extensions.ts';

export interface ReplayOptions {
  readonly service: string;
  readonly source: MigrationSource;
  readonly connect: ConnectTo;
  readonly schema: string;
  readonly searchPath?: readonly string[] | undefined;
  /** The history table's name. */
  readonly table: string;
  /** What is there before the migrations: what the tenants of one database share. */
  readonly shared?: SharedPart | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What all tenants of one database find beside their own schema. */
export interface SharedPart {
  /** Default: none. */
  readonly source?: MigrationSource | undefined;
  /** Default `public`. */
  readonly schema?: string | undefined;
  readonly extensions?: readonly string[] | undefined;
  /** Default `extensions`. */
  readonly extensionsSchema?: string | undefined;
}

export interface Replayed {
  readonly catalog: Catalog;
  /** Other schemas that the migrations made, by name. */
  readonly others: ReadonlyMap<string, Catalog>;
}

/** Something stands in the way of a replay: a clause for people. */
export interface NotReplayed {
  readonly reason: string;
}

/** Names of the tables that a history consists of. */
export function historyNames(table: string): readonly string[] {
  return ['', '_log', '_scripts', '_tenants'].map((suffix) => `${table}${suffix}`);
}

/**
 * @param rows The history, in its order.
 * @param session On the target, for migrations whose file is gone: their up was stored with them.
 * @throws MigrationError `aborted`, `connection`.
 */
export async function replay(options: ReplayOptions, rows: readonly HistoryRow[], session: Session, tables: HistoryTables): Promise<Replayed | NotReplayed> {
  const source = await sourceOfHistory(options.source, rows, session, tables);
  if ('reason' in source) return source;
  let database;
  try {
    database = await createScratchDatabase(options.connect);
  } catch (error) {
    if (error instanceof MigrationError && error.code === 'invalidOptions') return { reason: 'the role may not create a scratch database (it needs CREATEDB)' };
    throw error;
  }
  try {
    const client = await options.connect(database.name);
    try {
      return await run(options, source, client, () => options.connect(database.name));
    } finally {
      await client.end().catch(() => undefined);
    }
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code === 'aborted' || error.code === 'connection') throw error;
    return { reason: `what was applied cannot be applied again to an empty database: ${error.report?.failed?.message ?? error.message}` };
  } finally {
    await database[Symbol.asyncDispose]();
  }
}

async function run(options: ReplayOptions, source: MigrationSource, client: DatabaseClient, connect: () => Promise<DatabaseClient>): Promise<Replayed> {
  const { service, schema, searchPath, table, shared = {}, signal } = options;
  const session = new Session(client, 'borrowed');
  const reader = { query: (text: string, values: readonly unknown[]) => session.query({ text, values }) as Promise<{ rows: unknown[] }> };
  const { extensions = [], extensionsSchema = 'extensions' } = shared;
  await ensureExtensions(session, { kind: 'schema', service, table, schema: 'public', extensions, extensionsSchema, spares: 0 }, undefined);
  for (const one of new Set([schema, shared.schema ?? 'public'])) {
    if (one !== 'public') await session.read(`CREATE SCHEMA IF NOT EXISTS ${identifier(one)}`);
  }
  if (shared.source !== undefined) {
    const { migrations } = await shared.source.list();
    const met = async (other: string): Promise<readonly string[]> =>
      migrations.flatMap((one) => one.directives.requires.filter((need) => need.service === other).map((need) => need.version));
    await createMigrator({ service, source: shared.source, client, connect, schema: shared.schema, history: { table }, requirements: met, signal }).up();
  }
  const before = new Set(await schemasOf(session));
  const migrator = createSharingMigrator(
    { service, source, client, connect, schema, searchPath, history: { table }, order: 'allow', signal },
    { compiled: { preparation: null }, grouping: 'all' },
  );
  await migrator.up();
  const exclude = historyNames(table);
  const others = new Map<string, Catalog>();
  for (const other of await schemasOf(session)) if (!before.has(other)) others.set(other, await readCatalog(reader, { schema: other, exclude }));
  return { catalog: await readCatalog(reader, { schema, exclude }), others };
}

async function schemasOf(session: Session): Promise<readonly string[]> {
  const rows = await session.read(String.raw`SELECT nspname AS name FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' ORDER BY nspname`);
  return rows.map((row) => row['name'] ?? '');
}

/** The history as a source: each migration from its file while that is what was applied, else as it was stored. */
export async function sourceOfHistory(
  source: MigrationSource,
  rows: readonly HistoryRow[],
  session: Session,
  tables: HistoryTables,
): Promise<MigrationSource | NotReplayed> {
  const { migrations } = await source.list();
  const files = new Map(migrations.map((one) => [one.name, one]));
  const stored = new Map<string, CompiledMigration>();
  const listed: Migration[] = [];
  for (const row of rows) {
    const file = files.get(row.name);
    if (file !== undefined && file.checksum === row.checksum) {
      // What other services have is none of a replay's business, and nobody else waits for its locks.
      listed.push({ ...file, directives: { ...file.directives, requires: [], lockTimeoutMs: null, statementTimeoutMs: null } });
      continue;
    }
    const found = await storedUp(row, session, tables);
    if ('reason' in found) return found;
    stored.set(row.name, found);
    const { name, version, description, checksum } = row;
    listed.push({ name, version, description, checksum, downChecksum: null, directives: noDirectives, file: null });
  }
  return {
    label: 'the history',
    list: async () => ({ migrations: listed, ignored: [], problems: [] }),
    compile: async (names) => {
      const compiled = await source.compile(names.filter((name) => !stored.has(name)));
      const byName = new Map([...stored, ...compiled.map((one) => [one.name, one] as const)]);
      return names.flatMap((name) => byName.get(name) ?? []);
    },
  };
}

async function storedUp(row: HistoryRow, session: Session, tables: HistoryTables): Promise<CompiledMigration | NotReplayed> {
  const script = row.script === null ? null : await readScript(session, tables, row.script);
  const what = `${row.name} is not in this source as it was applied`;
  if (script?.up == null) return { reason: `${what}, and its SQL was not stored` };
  // It would run with this role's rights.
  if (script.writers.length > 0) return { reason: `${what}, and its stored SQL could have been written by ${script.writers.join(', ')}` };
  const key = createHash('sha256')
    .update(`${script.up}\0${script.down ?? ''}\0${script.downTransaction ?? ''}\0${script.downParse}`)
    .digest('hex');
  if (key !== script.key) return { reason: `${what}, and its stored SQL was changed after it was stored` };
  const up = await compileSql(script.up, { transaction: 'per-migration', parse: script.downParse, origin: null });
  return { name: row.name, up, down: null, irreversible: 'it is only replayed' };
}
