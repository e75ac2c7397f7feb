/** What a tenant with a given history has when it is not damaged: the history's migrations, replayed in a place of their own that is dropped at once. */

import { randomBytes } from 'node:crypto';

import { type Catalog, readCatalog } from '../catalog.ts';
import { createScratchDatabase } from '../check/scratch.ts';
import { MigrationError } from '../errors.ts';
import type { HistoryRow, HistoryTables } from '../history.ts';
import type { MigrationSource } from '../migration.ts';
import { createSharingMigrator } from '../migrator.ts';
import { readContents, setSequence } from '../schema-script/contents.ts';
import { lackOf } from '../schema-script/lack.ts';
import type { Statement } from '../schema-script/node.ts';
import { catalogReader } from '../schema-script/proof.ts';
import { rowValues } from '../schema-script/row-values.ts';
import { readSchemaScript, type SchemaScript } from '../schema-script/script.ts';
import type { DatabaseClient, Session } from '../session.ts';
import { identifier } from '../sql.ts';
import { historyNames, sourceOfHistory } from '../verify/replay.ts';
import { connected, type TenancyContext } from './context.ts';
import { ensureExtensions } from './extensions.ts';
import { tenantPath } from './layout.ts';
import { nameWith } from './place.ts';
import { runDone } from './registry.ts';
import { dropSchema } from './schema-removal.ts';

export interface Healthy {
  readonly script: SchemaScript;
  readonly catalog: Catalog;
  /** By table: the rows that the migrations put into it and where its sequences stand, as statements. Of the required tables and what they refer to. */
  readonly contents: ReadonlyMap<string, readonly Statement[]>;
  /** Those of these tables that have rows. */
  readonly filled: ReadonlySet<string>;
}

/** @throws MigrationError which says why its history cannot be replayed. */
export async function healthyTenant(context: TenancyContext, rows: readonly HistoryRow[], session: Session, tables: HistoryTables): Promise<Healthy> {
  const source = await sourceOfHistory(context.options.tenancy.source, rows, session, tables);
  if ('reason' in source) throw new MigrationError({ code: 'verificationFailed', message: source.reason });
  return context.layout.kind === 'schema' ? inSchema(context, source) : inDatabase(context, source);
}

async function inSchema(context: TenancyContext, source: MigrationSource): Promise<Healthy> {
  const name = nameWith(context.layout.service, `_tpl_${randomBytes(10).toString('hex')}_new`);
  return connected(context, null, async (session, client) => {
    await runDone(session, `CREATE SCHEMA ${identifier(name)}`);
    try {
      return await readReplayed(context, source, session, client, name, null);
    } finally {
      await dropSchema(session, name);
    }
  });
}

async function inDatabase(context: TenancyContext, source: MigrationSource): Promise<Healthy> {
  await using database = await createScratchDatabase(context.options.connect);
  return await connected(context, database.name, async (session, client) => {
    await ensureExtensions(session, context.layout, context.options.applicationRole);
    return readReplayed(context, source, session, client, 'public', database.name);
  });
}

async function readReplayed(
  { options, layout }: TenancyContext,
  source: MigrationSource,
  session: Session,
  client: DatabaseClient,
  schema: string,
  database: string | null,
): Promise<Healthy> {
  const { service, connect, signal, tenancy } = options;
  const searchPath = database === null || layout.extensions.length > 0 ? tenantPath(layout, schema).slice(1) : undefined;
  const migrator = createSharingMigrator(
    { service, source, client, connect: () => connect(database), schema, searchPath, history: { table: layout.table }, order: 'allow', signal },
    { compiled: { preparation: null }, grouping: 'all' },
  );
  await migrator.up();
  const exclude = historyNames(layout.table);
  // The damaged tenant has them.
  const script = await readSchemaScript(session, schema, { exclude, defaultPrivileges: 'present' });
  if (script === null) throw new MigrationError({ code: 'verificationFailed', message: 'its migrations drop the schema that they are in' });
  const needed = lackOf(script, { ...script, nodes: [] }, tenancy.requiredTables ?? []).tables;
  const { filled, sequences } = await readContents(session, script);
  const contents = new Map<string, readonly Statement[]>();
  for (const table of needed) {
    const rows = filled.has(table) ? await rowValues(session, script, table) : [];
    contents.set(table, [...rows, ...sequences.filter((one) => one.table === table).map(setSequence)]);
  }
  return {
    script,
    catalog: await readCatalog(catalogReader(session), { schema, exclude }),
    contents,
    filled: new Set(needed.filter((table) => filled.has(table))),
  };
}
