/** What looks for downs that are no inverse must find them: wrong downs, on purpose. */

import { expect, test } from 'vitest';

import { roundTrips, type RoundTripStep, testDatabase } from '../src/index.ts';

/** Takes one migration of a table `t (id, a)` with two rows through its round trip. */
async function roundTrip(migration: { up: string; down: string; fill?: string }): Promise<RoundTripStep | undefined> {
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query(`CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x'), (2, 'y')`);
  const catalog = async (): Promise<string> =>
    (
      await client.query<{ line: string }>(
        `SELECT concat_ws(' ', c.relname, a.attname) AS line FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
          WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1`,
      )
    ).rows
      .map((row) => row.line)
      .join('\n');
  const run = async (sql: string): Promise<void> => void (await client.query(sql));
  const [step] = await roundTrips({
    client,
    schema: 'public',
    exclude: [],
    names: ['0001'],
    up: () => run(migration.up),
    down: () => run(migration.down),
    catalog,
    fill: () => run(migration.fill ?? ''),
  });
  return step;
}

test('a true inverse leaves schema and rows as they were', async () => {
  const step = await roundTrip({ up: 'CREATE INDEX i ON t (a)', down: 'DROP INDEX i' });
  expect(step).toMatchObject({ damaged: [], lost: [], empty: [] });
  expect(step?.afterDown).toBe(step?.before);
  expect(step?.afterSecondUp).toBe(step?.afterUp);
  expect(step?.afterUp).not.toBe(step?.before);
});

test('a down that leaves something behind shows in the schema', async () => {
  const step = await roundTrip({ up: 'CREATE INDEX IF NOT EXISTS i ON t (a)', down: 'SELECT' });
  expect(step?.afterDown).not.toBe(step?.before);
});

test('a down that makes a column anew has damaged what was in it', async () => {
  const step = await roundTrip({ up: 'ALTER TABLE t DROP COLUMN a', down: 'ALTER TABLE t ADD COLUMN a text' });
  expect(step?.afterDown).toBe(step?.before);
  expect(step?.damaged).toEqual(['t.a']);
});

test('a down that deletes rows has damaged the table', async () => {
  const step = await roundTrip({ up: 'ALTER TABLE t ADD CHECK (id > 0)', down: 'ALTER TABLE t DROP CONSTRAINT t_id_check; DELETE FROM t WHERE id = 2' });
  expect(step?.damaged).toEqual(['t (rows)']);
});

test('what a down takes away is told, and a table without rows as well', async () => {
  const column = await roundTrip({ up: 'ALTER TABLE t ADD COLUMN b int', down: 'ALTER TABLE t DROP COLUMN b', fill: 'UPDATE t SET b = id' });
  expect(column).toMatchObject({ damaged: [], lost: ['t.b'], empty: [] });
  const table = await roundTrip({ up: 'CREATE TABLE u (id int)', down: 'DROP TABLE u' });
  expect(table).toMatchObject({ damaged: [], lost: [], empty: ['u'] });
});
