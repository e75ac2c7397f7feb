import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migratorOn, rows, versions } from './support/target.ts';

test('a long reader delays a migration of its table, and is named; other readers wait no longer than the lock timeout', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_t.sql': 'CREATE TABLE t (id int);\nCREATE TABLE u (id int);\n',
    '0002_columns.sql': 'ALTER TABLE u ADD a int;\nALTER TABLE t ADD a int;\n',
  });
  const lockTimeoutMs = 700;
  const { migrator, events } = migratorOn(db, files.path, { lockTimeoutMs });
  await migrator.up({ to: '1' });

  const long = await db.connect();
  await long.query('BEGIN');
  await long.query('SELECT * FROM t');
  let holding = true;
  const waits: number[] = [];
  const readers = ['t', 'u'].map(async (table) => {
    const client = await db.connect();
    while (holding) {
      const began = performance.now();
      await client.query(`SELECT * FROM ${table}`);
      waits.push(performance.now() - began);
      await sleep(20);
    }
  });
  const began = performance.now();
  const run = migrator.up();
  await sleep(6_000);
  expect(versions((await migratorOn(db, files.path).migrator.status()).applied)).toEqual(['0001']);
  await long.query('COMMIT');
  expect(versions((await run).applied)).toEqual(['0002']);
  holding = false;
  await Promise.all(readers);

  expect(performance.now() - began).toBeGreaterThan(6_000);
  const longest = Math.max(...waits);
  // They did have to wait, or the test shows nothing; half a second is for a slow machine.
  expect(longest).toBeGreaterThan(300);
  expect(longest).toBeLessThan(lockTimeoutMs + 500);
  expect(events.some((event) => event.type === 'retrying' && event.sqlState === '55P03')).toBe(true);
  const blockers = events.flatMap((event) => (event.type === 'blocked' ? event.blockers : []));
  expect(blockers.some((one) => one.query.includes('SELECT * FROM t'))).toBe(true);
  expect(await rows(db, `SELECT count(*)::int AS columns FROM information_schema.columns WHERE table_name IN ('t', 'u')`)).toEqual([{ columns: 4 }]);
}, 60_000);
