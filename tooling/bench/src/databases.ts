/**
 * Databases for measurements: each piece of work has a fresh one. They stay until the server's folder is removed: where a file system passes over what was
 * just deleted (ext4 without a journal, for a minute and more), dropping one contestant's thousands of files makes every file of the next ones slow to
 * create, up to three times the whole.
 */

import pg from 'pg';

import type { OwnServer } from '@org/test-postgres';

export interface FreshDatabase {
  /** Of the database made last. */
  url(): string;
  create(): Promise<void>;
}

/** Databases of one contestant, one at a time. */
export function freshDatabases(server: OwnServer, label: string): FreshDatabase {
  let name = '';
  let count = 0;
  return {
    url: () => server.url(name),
    async create() {
      name = `bench_${label}_${++count}`;
      await onServer(server, `CREATE DATABASE ${name}`);
    },
  };
}

async function onServer(server: OwnServer, sql: string): Promise<void> {
  const client = await connect(server.url('postgres'));
  await client.query(sql);
  await client.end();
}

export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}
