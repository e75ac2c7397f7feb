import { setTimeout as sleep } from 'node:timers/promises';
import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';
import { history, migrations, startDemo } from './support/demo-process.ts';

const table = { '0001_notes.sql': 'CREATE TABLE notes (id int PRIMARY KEY, text text);\n' };

test('SIGTERM during a statement of ten seconds: gone within ten, nothing recorded, and the next start completes', { timeout: 60_000 }, async () => {
  await using db = await testDatabase();
  await using folder = await migrations({ ...table, '0002_sleep.sql': 'CREATE TABLE slept (id int);\nSELECT pg_sleep(10);\n' });
  await using service = await startDemo(folder, db.url);
  await running(db, "wait_event = 'PgSleep'");

  expect(await stopped(service)).toEqual({ code: 143, signal: null });
  expect(await history(db)).toEqual(['0001_notes']);
  expect(await tagged(db)).toBe(0);
  expect(await exists(db, 'slept')).toBe(false);

  await using again = await startDemo(folder, db.url);
  await again.until('/health/ready', 200, 30_000);
  expect(await history(db)).toEqual(['0001_notes', '0002_sleep']);
});

test(
  'SIGTERM during a concurrent index build that waits for an open transaction: gone within ten, recorded as begun, and the next start completes it',
  { timeout: 60_000 },
  async () => {
    await using db = await testDatabase();
    await using folder = await migrations(table);
    await using first = await startDemo(folder, db.url);
    await first.until('/health/ready', 200);

    const writer = await db.connect();
    await writer.query('BEGIN');
    await writer.query("INSERT INTO notes VALUES (1, 'open')");
    await folder.write({ '0002_index.sql': '-- migrate: transaction=none\nCREATE INDEX CONCURRENTLY notes_text_idx ON notes (text);\n' });
    await using service = await startDemo(folder, db.url);
    await running(db, "query LIKE '%CREATE INDEX CONCURRENTLY%'");

    expect(await stopped(service)).toEqual({ code: 143, signal: null });
    expect(await tagged(db)).toBe(0);
    // What the build left cannot be taken away while the writer's transaction is open: the next start does it.
    expect(await history(db)).toEqual(['0001_notes', '0002_index started']);

    await writer.query('COMMIT');
    await using again = await startDemo(folder, db.url);
    await again.until('/health/ready', 200);
    expect(await history(db)).toEqual(['0001_notes', '0002_index']);
    const client = await db.connect();
    const { rows } = await client.query(
      'SELECT indexrelid::regclass::text AS name, indisvalid AS valid FROM pg_index WHERE indrelid = $1::regclass ORDER BY 1',
      ['notes'],
    );
    expect(rows).toEqual([
      { name: 'notes_pkey', valid: true },
      { name: 'notes_text_idx', valid: true },
    ]);
  },
);

test('SIGTERM while a service waits for its server ends it at once', async () => {
  await using folder = await migrations(table);
  await using service = await startDemo(folder, 'postgres://127.0.0.1:1/none', { MIGRATE_SERVER_WAIT: '60s' });
  await service.until('/health/ready', 503);
  expect(await stopped(service)).toEqual({ code: 143, signal: null });
});

test('a signal that comes twice ends a service no other way than once', async () => {
  await using db = await testDatabase();
  await using folder = await migrations({ '0001_sleep.sql': 'SELECT pg_sleep(10);\n' });
  await using service = await startDemo(folder, db.url);
  await running(db, "wait_event = 'PgSleep'");
  service.kill('SIGTERM');
  await sleep(50);
  expect(await stopped(service)).toEqual({ code: 143, signal: null });
  expect(await history(db)).toEqual([]);
});

/** Ten seconds is what Docker and Kubernetes may give. */
async function stopped(service: { kill(signal: NodeJS.Signals): void; readonly ended: Promise<unknown>; output(): string }): Promise<unknown> {
  const began = performance.now();
  service.kill('SIGTERM');
  const end = await service.ended;
  expect(performance.now() - began, service.output()).toBeLessThan(10_000);
  return end;
}

async function running(db: TestDatabase, condition: string): Promise<void> {
  const client = await db.connect();
  const look = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND ${condition}`;
  await expect.poll(async () => (await client.query(look)).rows[0].n, { timeout: 15_000 }).toBeGreaterThan(0);
}

/** Statements of migrations that live on in the server. */
async function tagged(db: TestDatabase): Promise<number> {
  const client = await db.connect();
  const { rows } = await client.query(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' AND query LIKE '/*migrate run=%'",
  );
  return rows[0].n as number;
}

async function exists(db: TestDatabase, name: string): Promise<boolean> {
  const client = await db.connect();
  return (await client.query('SELECT to_regclass($1) IS NOT NULL AS there', [name])).rows[0].there as boolean;
}
