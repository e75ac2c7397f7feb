import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { failureOf, folder, migratorOn, rows, versions } from '../support/target.ts';
import { within } from '../support/within.ts';

test('in a schema of its own, a failed concurrent build leaves no INVALID index', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_table.sql': 'CREATE TABLE patients (phone text);\nINSERT INTO patients VALUES (1), (1);\n',
    '0002_index.sql': 'CREATE UNIQUE INDEX CONCURRENTLY patients_phone ON patients (phone);\n',
  });
  const { migrator } = migratorOn(db, files.path, { schema: 'clinic' });
  await failureOf(migrator.up());
  expect(await rows(db, `SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid`)).toEqual([]);
});

test('in a schema of its own, IF NOT EXISTS on an INVALID index is not told as applied', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_table.sql': 'CREATE TABLE patients (phone text);\nINSERT INTO patients VALUES (1), (1);\n' });
  const { migrator } = migratorOn(db, files.path, { schema: 'clinic' });
  await migrator.up();
  const client = await db.connect();
  await client.query('CREATE UNIQUE INDEX CONCURRENTLY patients_phone ON clinic.patients (phone)').catch(() => undefined);
  await files.write({ '0002_index.sql': 'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS patients_phone ON patients (phone);\n' });
  await migratorOn(db, files.path, { schema: 'clinic' })
    .migrator.up()
    .catch(() => undefined);
  const history = await rows<{ state: string }>(db, `SELECT state FROM clinic.schema_migrations_test WHERE name = '0002_index'`);
  const valid = await rows<{ indisvalid: boolean }>(db, `SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('clinic.patients_phone')`);
  expect({ applied: history[0]?.state === 'applied', valid: valid[0]?.indisvalid ?? false }).toEqual({ applied: false, valid: false });
});

test('a reader is not held up by a VACUUM FULL that waits longer than the lock timeout', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_t.sql': 'CREATE TABLE t (id int);\n', '0002_v.sql': 'VACUUM FULL t;\n' });
  await migratorOn(db, files.path).migrator.up({ to: '1' });
  const first = await db.connect();
  await first.query('BEGIN; SELECT * FROM t');
  const run = migratorOn(db, files.path, { lockTimeoutMs: 500, retryLimitMs: 2_000, waitLimitMs: 8_000 })
    .migrator.up()
    .catch(() => undefined);
  await sleep(1_000);
  const second = await db.connect();
  const began = performance.now();
  await second.query('SELECT * FROM t');
  const heldUpMs = performance.now() - began;
  await first.query('COMMIT');
  await run;
  expect(heldUpMs).toBeLessThan(1_500);
});

test('an abort ends a run whose dropping of an INVALID index waits for a reader', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_t.sql': 'CREATE TABLE t (id int);\nINSERT INTO t VALUES (1), (1);\n' });
  await migratorOn(db, files.path).migrator.up();
  const client = await db.connect();
  await client.query('CREATE UNIQUE INDEX CONCURRENTLY t_id ON t (id)').catch(() => undefined);
  await files.write({ '0002_i.sql': 'CREATE INDEX CONCURRENTLY t_id ON t (id);\n' });
  const reader = await db.connect();
  await reader.query('BEGIN; SELECT * FROM t');
  const stop = new AbortController();
  const run = failureOf(migratorOn(db, files.path, { signal: stop.signal }).migrator.up());
  await sleep(1_000);
  stop.abort();
  try {
    expect((await within(10_000, run)).code).toBe('aborted');
  } finally {
    await reader.query('COMMIT');
    await run.catch(() => undefined);
  }
});

test('a concurrent build that a reader blocks gives up at the limit, cleaning up included', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_t.sql': 'CREATE TABLE t (id int);\n', '0002_i.sql': 'CREATE INDEX CONCURRENTLY t_id ON t (id);\n' });
  await migratorOn(db, files.path).migrator.up({ to: '1' });
  const reader = await db.connect();
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t');
  const run = failureOf(migratorOn(db, files.path, { waitLimitMs: 2_000 }).migrator.up());
  try {
    expect((await within(15_000, run)).migration).toBe('0002_i');
  } finally {
    await reader.query('COMMIT');
    await run.catch(() => undefined);
  }
});

test('a procedure that commits and failed once is resumed after it was put right', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_p.sql': `CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; PERFORM 1/0; END $$;\n`,
    '0002_call.sql': 'CREATE TABLE a (id int);\nCALL p();\nCREATE TABLE b (id int);\n',
  });
  await failureOf(migratorOn(db, files.path).migrator.up());
  const client = await db.connect();
  await client.query('CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$');
  const report = await migratorOn(db, files.path).migrator.up();
  expect(versions(report.applied)).toEqual(['0002']);
});

test('a procedure that commits runs by itself also beside a concurrent build', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_p.sql': `CREATE TABLE t (id int);\nCREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\n`,
    '0002_call.sql': 'CREATE INDEX CONCURRENTLY t_id ON t (id);\nCALL p();\n',
  });
  const report = await migratorOn(db, files.path).migrator.up();
  expect(versions(report.applied)).toEqual(['0001', '0002']);
});
