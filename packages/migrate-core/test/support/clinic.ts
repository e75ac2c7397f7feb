/** What each tenant of the tests has. */

import type pg from 'pg';

import { listSource, type CreateTenantOptions } from '../../src/index.ts';

/** Three small migrations: required tables, and an alteration. */
export const clinicSource: ReturnType<typeof listSource> = listSource([
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

/** Every other one gets a first row: `c_1`, `c_3`. */
export function firstOf(id: string): CreateTenantOptions {
  return Number(id.at(-1)) % 2 === 1 ? { initialise: firstRow } : {};
}

/** Can be run again. */
export const firstRow: NonNullable<CreateTenantOptions['initialise']> = async (client) => {
  await (client as unknown as pg.Client).query(`INSERT INTO team_member VALUES (1, 'Dr. Ada') ON CONFLICT DO NOTHING`);
};
