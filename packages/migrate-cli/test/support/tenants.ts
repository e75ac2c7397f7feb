/** Tenants to migrate. */

import type { TestDatabase } from '@org/test-postgres';
import pg from 'pg';

import { down, service } from './folders.ts';

/** A clinic's own tables, in three migrations. */
export const perTenant: Readonly<Record<string, string>> = {
  'm/0001_create_team.sql': down('', 'CREATE TABLE team_member (id int PRIMARY KEY, name text);', 'DROP TABLE team_member;'),
  'm/0002_create_vendors.sql': down('', 'CREATE TABLE vendor (id int PRIMARY KEY);', 'DROP TABLE vendor;'),
  'm/0003_index_names.sql': down('', 'CREATE INDEX team_member_name ON team_member (name);', 'DROP INDEX team_member_name;'),
};

export const schemasQuery = 'SELECT schema_name FROM tenants ORDER BY schema_name';

export function clinicNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `clinic_${String(index + 1).padStart(2, '0')}`);
}

/** A schema for each, and the table that lists them. */
export async function createTenants(db: TestDatabase, names: readonly string[]): Promise<pg.Client> {
  const client = await db.connect();
  await client.query('CREATE TABLE tenants (schema_name text)');
  for (const name of names) {
    await client.query(`CREATE SCHEMA ${pg.escapeIdentifier(name)}`);
    await client.query('INSERT INTO tenants VALUES ($1)', [name]);
  }
  return client;
}

/** How often each migration was applied, over all logs: `{ '0001_create_team': [1] }` when once everywhere. */
export async function timesApplied(client: pg.Client, names: readonly string[]): Promise<Readonly<Record<string, readonly number[]>>> {
  const logs = names.map((name) => `SELECT ${pg.escapeLiteral(name)} AS tenant, name, action FROM ${pg.escapeIdentifier(name)}.schema_migrations_log`);
  const { rows } = await client.query<{ name: string; times: number[] }>(
    `SELECT name, array_agg(DISTINCT times ORDER BY times)::int[] AS times
       FROM (SELECT tenant, name, count(*) AS times FROM (${logs.join(' UNION ALL ')}) l WHERE action = 'up' GROUP BY 1, 2) c GROUP BY name ORDER BY name`,
  );
  return Object.fromEntries(rows.map((row) => [row.name, row.times]));
}

/** A service that keeps tenants, beside one that it needs. */
export function keeping(mode: 'schema' | 'database', more = ''): Readonly<Record<string, string>> {
  return {
    'migrate.workspace.mjs': `export default { services: ['services/*'] };\n`,
    ...service('users', [], { '0001_create_users.sql': down('', 'CREATE TABLE users (id int);', 'DROP TABLE users;') }),
    ...service('visits', ['users'], { '0001_create_rooms.sql': down('', 'CREATE TABLE rooms (id int);', 'DROP TABLE rooms;') }),
    'services/visits/migrate.config.ts': `export default {
  name: 'visits',
  migrations: './migrations',
  database: 'visits_db',
  tenancy: { mode: '${mode}', migrations: './tenant-migrations', requiredTables: ['team_member', 'vendor']${more} },
};
`,
    'services/visits/tenant-migrations/0001_create_team.sql': down(
      '-- migrate: requires=users@0001\n',
      'CREATE TABLE team_member (id int PRIMARY KEY, name text);',
      'DROP TABLE team_member;',
    ),
    'services/visits/tenant-migrations/0002_create_vendors.sql': down('', 'CREATE TABLE vendor (id int PRIMARY KEY);', 'DROP TABLE vendor;'),
  };
}

export const thirdMigration: Readonly<Record<string, string>> = {
  'services/visits/tenant-migrations/0003_index_names.sql': down('', 'CREATE INDEX team_member_name ON team_member (name);', 'DROP INDEX team_member_name;'),
};
