/** What the engine's tests share: a folder of migrations, a migrator on a database, and everything that it told. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { TestDatabase } from '@org/test-postgres';
import pg from 'pg';

import { createMigrator, MigrationError, type MigrationEvent, type Migrator, type MigratorOptions } from '../../src/index.ts';
import { directorySource } from '../../src/source/directory.ts';

export type Files = Readonly<Record<string, string>>;

/** A folder with these files, gone at the end of the test. */
export async function folder(
  files: Files,
): Promise<{ path: string; write(more: Files): Promise<void>; remove(name: string): Promise<void> } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'migrations-'));
  const write = async (more: Files): Promise<void> => {
    for (const [name, text] of Object.entries(more)) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), text);
    }
  };
  await write(files);
  return {
    path,
    write,
    remove: (name) => rm(join(path, name), { recursive: true }),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

export interface Subject {
  readonly migrator: Migrator;
  readonly events: MigrationEvent[];
}

/** A migrator whose connections are plain clients of the test's database. */
export function migratorOn(db: TestDatabase, path: string, options: Partial<MigratorOptions> = {}): Subject {
  const events: MigrationEvent[] = [];
  const migrator = createMigrator({
    service: 'test',
    source: directorySource(path),
    connect: () => connectTo(db.url),
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { migrator, events };
}

export async function connectTo(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'migrate test' });
  await client.connect();
  return client;
}

/** The error of a run that must fail. */
export async function failureOf(run: Promise<unknown>): Promise<MigrationError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof MigrationError) return error;
    throw error;
  }
  throw new Error('the run succeeded, but had to fail');
}

export function versions(steps: readonly { readonly version: string }[]): string[] {
  return steps.map((step) => step.version);
}

export async function rows<T = Record<string, unknown>>(db: TestDatabase, sql: string): Promise<T[]> {
  const client = await db.connect();
  const result = await client.query(sql);
  return result.rows as T[];
}
