/** A database of a test's own for one service's migrations, whose rows are known. */

import type pg from 'pg';

import { testDatabase, type TestDatabase } from './database.ts';
import { roundTrips, type RoundTripStep } from './round-trip.ts';
import { fillTenants, type Filling, type TenantConnection, type TestTenant } from './tenants.ts';

/** What is needed of the library under test; handed in, since it is tested with this package. */
export interface ServiceUnderTest {
  readonly name: string;
  /** All migrations, in order. */
  readonly names: readonly string[];
  /** A migrator on this database and schema, for this service. */
  migrator(connect: () => Promise<pg.Client>, schema: string): StepMigrator;
  readCatalog(client: pg.Client, options: { readonly schema: string; readonly exclude: readonly string[] }): Promise<{ readonly text: string }>;
  /** Rows by migration; one without an entry is an error. */
  readonly fillings: Readonly<Record<string, (tenant: TestTenant) => Filling>>;
}

export interface StepMigrator {
  up(request?: { readonly steps?: number }): Promise<unknown>;
  down(request?: { readonly steps?: number }): Promise<unknown>;
}

export interface ServiceDatabase extends TenantConnection, AsyncDisposable {
  readonly database: TestDatabase;
  readonly migrator: StepMigrator;
  /** The history and its companions: tables that are not the service's own. */
  readonly exclude: readonly string[];
  catalog(): Promise<string>;
  /** Rows of both tenants, of every migration up to this one. Default: of all. */
  fill(upTo?: string): Promise<void>;
  roundTrips(): Promise<RoundTripStep[]>;
}

export interface ServiceDatabaseOptions {
  /** Default `public`. */
  readonly schema?: string;
  /** Default: a database of its own. */
  readonly in?: TestDatabase;
  /** Names of other services in the same schema. Default none. */
  readonly beside?: readonly string[];
}

/** An empty database, or the given one; the schema is created when it is not there. Nothing is migrated yet. */
export async function serviceDatabase(service: ServiceUnderTest, options: ServiceDatabaseOptions = {}): Promise<ServiceDatabase> {
  const { schema = 'public', beside = [] } = options;
  const database = options.in ?? (await testDatabase({ label: service.name }));
  const client = await database.connect();
  if (schema !== 'public') await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  const exclude = [service.name, ...beside].flatMap((name) => ['', '_log', '_scripts'].map((suffix) => `schema_migrations_${name}${suffix}`));
  const on: TenantConnection = { client, schema, role: `${service.name}_app` };
  const migrator = service.migrator(() => database.connect(), schema);
  const catalog = async (): Promise<string> => (await service.readCatalog(client, { schema, exclude })).text;
  const fillOne = async (name: string): Promise<void> => {
    const filling = service.fillings[name];
    if (filling === undefined) throw new Error(`no rows are given for ${name}: say in test/support/rows.ts what it makes room for`);
    await fillTenants(on, filling);
  };
  return {
    ...on,
    database,
    migrator,
    exclude,
    catalog,
    async fill(upTo) {
      for (const name of service.names) {
        await fillOne(name);
        if (name === upTo) return;
      }
    },
    roundTrips: () =>
      roundTrips({
        client,
        schema,
        exclude,
        names: service.names,
        up: async () => void (await migrator.up({ steps: 1 })),
        down: async () => void (await migrator.down({ steps: 1 })),
        catalog,
        fill: fillOne,
      }),
    [Symbol.asyncDispose]: async () => {
      if (options.in === undefined) await database[Symbol.asyncDispose]();
    },
  };
}
