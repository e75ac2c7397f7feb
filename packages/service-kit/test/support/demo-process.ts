/** Starts demo services on folders of migrations. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestDatabase } from '@org/test-postgres';
import { startService, type ServiceProcess } from './service-process.ts';

const file = fileURLToPath(new URL('demo.ts', import.meta.url));

export interface Folder extends AsyncDisposable {
  readonly path: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
}

/** A folder with these migrations, for the length of a test. */
export async function migrations(files: Readonly<Record<string, string>>): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'service-migrations-'));
  const write = async (more: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, text] of Object.entries(more)) await writeFile(join(path, name), text);
  };
  await write(files);
  return { path, write, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export function startDemo(folder: Folder, url: string, environment: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
  const prefix = (environment['DEMO_NAME'] ?? 'demo').toUpperCase();
  return startService(file, { DEMO_MIGRATIONS: folder.path, [`${prefix}_DATABASE_URL`]: url, ...environment });
}

/** Names in the history, with their state; empty where there is no history. */
export async function history(db: TestDatabase, service = 'demo'): Promise<string[]> {
  const client = await db.connect();
  const there = await client.query(`SELECT to_regclass('schema_migrations_${service}') IS NOT NULL AS there`);
  if (there.rows[0].there !== true) return [];
  const { rows } = await client.query(`SELECT name, state FROM schema_migrations_${service} ORDER BY name`);
  return rows.map((row: { name: string; state: string }) => (row.state === 'applied' ? row.name : `${row.name} ${row.state}`));
}

/** What the log says was done, in order: `up 0001_a`. */
export async function logOf(db: TestDatabase, service = 'demo'): Promise<string[]> {
  const client = await db.connect();
  const { rows } = await client.query(`SELECT action, name FROM schema_migrations_${service}_log ORDER BY seq`);
  return rows.map((row: { action: string; name: string }) => `${row.action} ${row.name}`);
}
