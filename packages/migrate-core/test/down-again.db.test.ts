/** A down that did not come to its end, and the command that is told: an up would apply again what was meant to go. */

import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { failureOf, folder, migratorOn, rows } from './support/target.ts';

const table = (name: string): string => `CREATE TABLE ${name} (id int);\n-- Down Migration\nDROP TABLE ${name};\n`;
const slow = (name: string): string => `CREATE TABLE ${name} (id int);\n-- Down Migration\nSELECT pg_sleep(30);\nDROP TABLE ${name};\n`;

async function stopAt(db: TestDatabase, signal: AbortController): Promise<void> {
  const watcher = await db.connect();
  await expect
    .poll(async () => (await watcher.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`)).rowCount, {
      timeout: 20_000,
    })
    .toBe(1);
  signal.abort();
}

test('a down that is stopped names itself, not an up', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': table('a'), '0002_b.sql': slow('b'), '0003_c.sql': table('c') });
  await migratorOn(db, files.path).migrator.up();
  const stop = new AbortController();
  const [error] = await Promise.all([failureOf(migratorOn(db, files.path, { signal: stop.signal }).migrator.down({ steps: 2 })), stopAt(db, stop)]);
  expect(error).toMatchObject({ code: 'aborted', migration: '0002_b', hint: 'run `migrate down --only 0002_b` to undo it' });
  await files.write({ '0002_b.sql': table('b') });
  await migratorOn(db, files.path).migrator.down({ only: '0002_b' });
  expect((await migratorOn(db, files.path).migrator.status()).applied.map((one) => one.name)).toEqual(['0001_a']);
});

test('one that is stopped before it began names what is left', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': table('a'), '0002_b.sql': table('b'), '0003_c.sql': table('c') });
  await migratorOn(db, files.path).migrator.up();
  const stop = new AbortController();
  const stopping = migratorOn(db, files.path, { signal: stop.signal, onEvent: (event) => event.type === 'planned' && stop.abort() });
  const error = await failureOf(stopping.migrator.down({ to: '1' }));
  expect(error).toMatchObject({ code: 'aborted', hint: 'go on with: migrate down --only 0003_c, and so on, down to 0002_b' });
});

test('one that was interrupted half way is gone on with by itself, also below one that stands', async () => {
  await using db = await testDatabase();
  const index =
    '-- migrate: transaction=none\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n-- Down Migration\nDROP INDEX CONCURRENTLY a_id;\nSELECT pg_sleep(30);\n';
  await using files = await folder({ '0001_a.sql': table('a'), '0002_index.sql': index, '0003_c.sql': table('c') });
  await migratorOn(db, files.path).migrator.up();
  const stop = new AbortController();
  const [error] = await Promise.all([failureOf(migratorOn(db, files.path, { signal: stop.signal }).migrator.down({ only: '2' })), stopAt(db, stop)]);
  expect(error.hint).toBe('the next `migrate down --only 0002_index` goes on where it stopped');
  const { migrator } = migratorOn(db, files.path);
  expect((await migrator.status()).problems.map((one) => one.message)).toEqual([
    '0002_index was interrupted half way down; `migrate down --only 0002_index` goes on where it stopped, and so does `migrate up`, which then applies it again; unless its down was changed since (`migrate plan` tells)',
  ]);
});

test('one that fails says how it is tried again, and that works', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': table('a'), '0002_b.sql': table('b').replace('DROP TABLE b', 'DROP TABLE bb'), '0003_c.sql': table('c') });
  await migratorOn(db, files.path).migrator.up();
  const error = await failureOf(migratorOn(db, files.path).migrator.down({ steps: 2 }));
  expect(error).toMatchObject({ code: 'migrationFailed', migration: '0002_b', hint: 'correct its down, then undo it with: migrate down --only 0002_b' });
  await files.write({ '0002_b.sql': table('b') });
  await migratorOn(db, files.path).migrator.down({ only: '0002_b' });
  expect(await rows(db, `SELECT to_regclass('b')::text AS b`)).toEqual([{ b: null }]);
});
