/** A tenancy on a test's own database. In database mode its tenants' databases begin with the test database's name, and are dropped with it. */

import { runOn, type TestDatabase } from '@org/test-postgres';
import { onTestFinished } from 'vitest';

import { createTenancy, listSource, type Tenancy, type TenancyOptions } from '../../src/index.ts';
import { identifier } from '../../src/sql.ts';
import { connectTo } from './target.ts';

export type Mode = TenancyOptions['tenancy']['mode'];

/** Three small migrations: two required tables, and an alteration. */
export const clinicSource = listSource([
  {
    version: '0001',
    description: 'team',
    up: 'CREATE TABLE team_member (id int PRIMARY KEY, name text NOT NULL); CREATE TABLE vendor (id serial PRIMARY KEY)',
    down: 'DROP TABLE team_member; DROP TABLE vendor',
  },
  { version: '0002', description: 'contact', up: 'CREATE TABLE contact (id int PRIMARY KEY, vendor int REFERENCES vendor)', down: 'DROP TABLE contact' },
  {
    version: '0003',
    description: 'phone',
    up: 'ALTER TABLE contact ADD phone text; CREATE INDEX ON contact (phone)',
    down: 'ALTER TABLE contact DROP phone',
  },
]);

export const required = ['team_member', 'vendor', 'contact'];

export interface TenancyChanges extends Partial<Omit<TenancyOptions, 'tenancy'>> {
  readonly tenancy?: Partial<TenancyOptions['tenancy']>;
}

export function tenancyOn(db: TestDatabase, mode: Mode, changes: TenancyChanges = {}): Tenancy {
  if (mode === 'database') dropWithTest(db);
  const { tenancy, ...others } = changes;
  return createTenancy({
    service: 'test',
    connect: (database) => connectTo(database === null ? db.url : db.server.url(database)),
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
