import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

import { PostgreSqlContainer, type StartedPostgreSqlContainer } from '@testcontainers/postgresql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { createMigrator, directorySource, readCatalog } from '../src/index.ts';
import { connectTo, failureOf, folder, versions } from './support/target.ts';

/** Any image of PostgreSQL 14 or later; `TEST_POSTGRES_IMAGE=postgres:14 pnpm test` tries another one. */
const image = process.env['TEST_POSTGRES_IMAGE'] ?? 'postgres:18';

const files = {
  '0001_notes.sql':
    'CREATE TABLE notes (id int PRIMARY KEY, body text);\nINSERT INTO notes SELECT g, $$note $$ || g FROM generate_series(1, 500) g;\n-- Down Migration\nDROP TABLE notes;\n',
  '0002_index.sql': 'CREATE INDEX CONCURRENTLY notes_body ON notes (body);\n-- Down Migration\nDROP INDEX CONCURRENTLY notes_body;\n',
  '0003_kind.mjs':
    "export function up(pgm) {\n  pgm.createType('kind', ['a', 'b']);\n  pgm.addColumns('notes', { kind: { type: 'kind', notNull: true, default: 'a' } });\n}\n",
};

/** Why no container can be started here; `null` when one can. */
function whyNoContainer(): string | null {
  const docker = (...words: string[]): boolean => spawnSync('docker', words, { stdio: 'ignore', timeout: 20_000 }).status === 0;
  if (!docker('info')) return 'no Docker answers';
  // Pulling takes long and needs a network: asked for by whoever names an image, and not by a plain `pnpm test`.
  if (process.env['TEST_POSTGRES_IMAGE'] !== undefined || docker('image', 'inspect', image)) return null;
  return `there is no image ${image} here (docker pull ${image})`;
}

const reason = whyNoContainer();
if (reason !== null) process.stderr.write(`The tests in a container are skipped: ${reason}.\n`);

describe.skipIf(reason !== null)(`on ${image} in a container`, () => {
  let container: StartedPostgreSqlContainer;
  beforeAll(async () => {
    // The helper container that would clean up after us is one more image to pull; we stop our own.
    process.env['TESTCONTAINERS_RYUK_DISABLED'] ??= 'true';
    container = await new PostgreSqlContainer(image).start();
  }, 180_000);
  afterAll(async () => {
    await container?.stop();
  });

  async function freshUrl(name: string): Promise<string> {
    const client = await connectTo(container.getConnectionUri());
    await client.query(`CREATE DATABASE ${name}`);
    await client.end();
    const url = new URL(container.getConnectionUri());
    url.pathname = `/${name}`;
    return url.href;
  }

  test('up, down and up again make the same schema', async () => {
    await using directory = await folder(files);
    const url = await freshUrl('round_trip');
    const migrator = createMigrator({ service: 'test', source: directorySource(directory.path), connect: () => connectTo(url) });
    const client = await connectTo(url);
    const exclude = ['schema_migrations_test', 'schema_migrations_test_log', 'schema_migrations_test_scripts'];
    const empty = await readCatalog(client, { schema: 'public', exclude });
    expect(versions((await migrator.up()).applied)).toEqual(['0001', '0002', '0003']);
    const full = await readCatalog(client, { schema: 'public', exclude });
    expect(versions((await migrator.down({ steps: 3 })).undone)).toEqual(['0003', '0002', '0001']);
    expect((await readCatalog(client, { schema: 'public', exclude })).text).toBe(empty.text);
    await migrator.up();
    expect((await readCatalog(client, { schema: 'public', exclude })).hash).toBe(full.hash);
    await client.end();
  });

  test('ten at once apply each migration once', async () => {
    await using directory = await folder(files);
    const url = await freshUrl('crowd');
    const migrators = Array.from({ length: 10 }, () =>
      createMigrator({ service: 'test', source: directorySource(directory.path), connect: () => connectTo(url) }),
    );
    const reports = await Promise.all(migrators.map((migrator) => migrator.up()));
    expect(reports.flatMap((report) => versions(report.applied)).toSorted()).toEqual(['0001', '0002', '0003']);
  });

  test('a server that is restarted in the middle leaves a true record, and the run goes on', async () => {
    await using directory = await folder({ ...files, '0004_slow.sql': 'SELECT pg_sleep(3);\nCREATE TABLE last (id int);\n' });
    const url = await freshUrl('restarted');
    const migrator = createMigrator({ service: 'test', source: directorySource(directory.path), connect: () => connectTo(url) });
    const run = migrator.up();
    await sleep(1_500);
    await container.restart();
    // Its port is another one now.
    const restarted = new URL(container.getConnectionUri());
    restarted.pathname = '/restarted';
    await run.catch(() => undefined);
    const after = createMigrator({ service: 'test', source: directorySource(directory.path), connect: () => connectTo(restarted.href) });
    await after.up();
    expect(versions((await after.status()).applied)).toEqual(['0001', '0002', '0003', '0004']);
    expect((await failureOf(after.up({ to: '0009' }))).code).toBe('planRefused');
  }, 120_000);
});
