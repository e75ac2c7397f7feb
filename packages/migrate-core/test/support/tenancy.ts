/** A tenancy on a test's own database. In database mode its tenants' databases begin with the test database's name, and are dropped with it. */

import { runOn, type TestDatabase } from '@org/test-postgres';
import pg from 'pg';
import { onTestFinished } from 'vitest';

import { createTenancy, type Tenancy, type TenancyOptions } from '../../src/index.ts';
import { identifier } from '../../src/sql.ts';
import { clinicSource, required } from './clinic.ts';

export type Mode = TenancyOptions['tenancy']['mode'];

export interface TenancyChanges extends Partial<Omit<TenancyOptions, 'tenancy'>> {
  readonly tenancy?: Partial<TenancyOptions['tenancy']>;
}

/** @param db A test's database, or one of a server of its own, whose tenants go with it. */
export function tenancyOn(db: TestDatabase | Pick<TestDatabase, 'server' | 'name'>, mode: Mode, changes: TenancyChanges = {}): Tenancy {
  if (mode === 'database' && 'keep' in db) dropWithTest(db);
  const { tenancy, ...others } = changes;
  return createTenancy({
    service: 'test',
    connect: (database) => connectIn(db, database ?? db.name),
    ...others,
    tenancy: {
      mode,
      source: clinicSource,
      requiredTables: required,
      // The server is shared with other tests.
      ...(mode === 'database' ? { place: (id: string) => `${db.name}_${id}` } : {}),
      ...tenancy,
    },
  });
}

/** Not by a URL: `pg` does not read every name in one as it was written. */
export async function connectIn({ server }: Pick<TestDatabase, 'server'>, database: string): Promise<pg.Client> {
  const { host, port, user, password } = server;
  const client = new pg.Client({ host, port, user, password, database, application_name: 'migrate test' });
  await client.connect();
  return client;
}

const dropping = new WeakSet<TestDatabase>();

function dropWithTest(db: TestDatabase): void {
  if (dropping.has(db)) return;
  dropping.add(db);
  onTestFinished(async () => {
    for (const name of await databasesOf(db)) {
      await runOn(db.server, `ALTER DATABASE ${identifier(name)} IS_TEMPLATE false`);
      await runOn(db.server, `DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);
    }
  }, 60_000);
}

/** Databases whose names begin with that of the test's. */
export async function databasesOf(db: TestDatabase): Promise<string[]> {
  const { rows } = await runOn(db.server, `SELECT datname FROM pg_database WHERE starts_with(datname, '${db.name}_') ORDER BY 1`);
  return (rows as { datname: string }[]).map((row) => row.datname);
}

/** One row of counts for each tenant: its migrations, the required tables and first rows that it has. Read as an administrator. */
export async function contentsOf(db: TestDatabase, mode: Mode, place: string): Promise<{ migrations: number; tables: number; team: number }> {
  const client = await connectIn(db, mode === 'schema' ? db.name : place);
  const schema = identifier(mode === 'schema' ? place : 'public');
  try {
    const { rows } = await client.query(
      `SELECT (SELECT count(*)::int FROM ${schema}.schema_migrations_test) AS migrations, (SELECT count(*)::int FROM ${schema}.team_member) AS team,
 (SELECT count(*)::int FROM pg_class WHERE relnamespace = $1::regnamespace AND relname = ANY ($2)) AS tables`,
      [schema, required],
    );
    return rows[0] as { migrations: number; tables: number; team: number };
  } finally {
    await client.end();
  }
}
