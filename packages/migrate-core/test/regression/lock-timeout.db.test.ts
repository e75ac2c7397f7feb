import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { failureOf, folder, migratorOn } from '../support/target.ts';

test('readers of a locked table do not wait for the rows that later statements wait for', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_t.sql': 'CREATE TABLE hot (id int);\nCREATE TABLE r (id int, n int);\nINSERT INTO r VALUES (1, 0), (2, 0), (3, 0);\n',
    '0002_alter.sql': 'ALTER TABLE hot ADD a int;\nUPDATE r SET n = 1 WHERE id = 1;\nUPDATE r SET n = 1 WHERE id = 2;\nUPDATE r SET n = 1 WHERE id = 3;\n',
  });
  await migratorOn(db, files.path).migrator.up({ to: '1' });
  const writers = await Promise.all([1, 2, 3].map(() => db.connect()));
  for (const [index, writer] of writers.entries()) await writer.query(`BEGIN; UPDATE r SET n = 2 WHERE id = ${index + 1}`);
  const run = migratorOn(db, files.path, { lockTimeoutMs: 1_000, retryLimitMs: 10_000 }).migrator.up();
  const released = (async () => {
    for (const writer of writers) {
      await sleep(800);
      await writer.query('COMMIT');
    }
  })();
  await sleep(200);
  const reader = await db.connect();
  const began = performance.now();
  await reader.query('SELECT * FROM hot');
  const heldUpMs = performance.now() - began;
  await released;
  await run;
  // One second, and the 100 ms that each later statement may have at least.
  expect(heldUpMs).toBeLessThan(1_500);
});

test.each([
  ['in one transaction', 'ALTER TABLE hot ADD a int;\n'],
  ['in steps', 'COMMENT ON TABLE r IS $$x$$;\nCREATE INDEX CONCURRENTLY r_id ON r (id);\nALTER TABLE hot ADD a int;\n'],
  ['outside of transactions', 'VACUUM FULL hot;\n'],
])('the limit for all attempts bounds the last of them, and who was in the way is told: %s', async (_, sql) => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_t.sql': 'CREATE TABLE hot (id int);\nCREATE TABLE r (id int);\n', '0002_alter.sql': sql });
  await migratorOn(db, files.path).migrator.up({ to: '1' });
  const reader = await db.connect();
  await reader.query('BEGIN; SELECT * FROM hot');
  for (const limitMs of [1_000, 4_500]) {
    const began = performance.now();
    const error = await failureOf(migratorOn(db, files.path, { lockTimeoutMs: 3_000, retryLimitMs: limitMs }).migrator.up());
    const tookMs = performance.now() - began;
    expect(error.code).toBe('lockTimeout');
    expect(error.hint).toContain('idle in transaction');
    expect(tookMs).toBeGreaterThan(limitMs - 500);
    expect(tookMs).toBeLessThan(limitMs + 1_200);
  }
});
