/** Tenants to migrate. */

import type { TestDatabase } from '@org/test-postgres';
import pg from 'pg';

import { down } from './folders.ts';

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
