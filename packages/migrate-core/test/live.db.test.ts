import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { failureOf, folder, migratorOn, rows, versions } from './support/target.ts';

const base = { '0001_t.sql': 'CREATE TABLE t (id int, name text);\nINSERT INTO t VALUES (1, $$one$$), (2, $$two$$);\n' };

test('a module that asks the database runs in the transaction of its migration', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_live.mjs': `export async function up(pgm) {
  const rows = await pgm.db.select('SELECT name FROM t ORDER BY id');
  for (const { name } of rows) pgm.createTable(name, { id: 'id' });
  await pgm.db.query('INSERT INTO t VALUES ($1, $2)', [3, 'three']);
}
export async function down(pgm) {
  const rows = await pgm.db.select('SELECT name FROM t WHERE id < 3');
  for (const { name } of rows) pgm.dropTable(name);
  await pgm.db.query({ text: 'DELETE FROM t WHERE id = $1', values: [3] });
}
`,
  });
  const { migrator } = migratorOn(db, files.path);
  expect((await migrator.plan({ direction: 'up' })).steps.map((step) => [step.version, step.sql === null])).toEqual([
    ['0001', false],
    ['0002', true],
  ]);
  expect(versions((await migrator.up()).applied)).toEqual(['0001', '0002']);
  expect(await rows(db, `SELECT to_regclass('one') AS one, to_regclass('two') AS two, (SELECT count(*)::int FROM t) AS count`)).toEqual([
    { one: 'one', two: 'two', count: 3 },
  ]);
  expect(versions((await migrator.down()).undone)).toEqual(['0002']);
  expect(await rows(db, `SELECT to_regclass('one') AS one, (SELECT count(*)::int FROM t) AS count`)).toEqual([{ one: null, count: 2 }]);
});

test('when its SQL fails, its queries are rolled back with it, and the error points into the SQL that it made', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_live.mjs': `export async function up(pgm) {
  await pgm.db.query("INSERT INTO t VALUES (3, 'three')");
  pgm.sql('CREATE TABLE fine (id int)');
  pgm.sql('SELECT 😀 FROM nowhere');
}
export const down = false;
`,
  });
  const { migrator } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(error).toMatchObject({ sqlState: '42P01', migration: '0002_live', position: { line: 2, column: 15 } });
  expect(await rows(db, `SELECT count(*)::int AS count FROM t`)).toEqual([{ count: 2 }]);
  expect(versions((await migrator.status()).applied)).toEqual(['0001']);
});

test('a failing query of its own fails the migration with its SQLSTATE', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0002_live.mjs': `export async function up(pgm) { await pgm.db.query('SELECT * FROM nowhere'); }\n` });
  const { migrator } = migratorOn(db, files.path);
  expect(await failureOf(migrator.up())).toMatchObject({ sqlState: '42P01', migration: '0002_live' });
  expect(versions((await migrator.status()).applied)).toEqual(['0001']);
});

test('with pgm.noTransaction its queries commit by themselves, and an interrupted one asks for a person', async () => {
  await using db = await testDatabase();
  const module = (sql: string): string => `export async function up(pgm) {
  pgm.noTransaction();
  const [{ count }] = await pgm.db.select('SELECT count(*)::int AS count FROM t');
  if (count > 0) pgm.createIndex('t', 'id', { name: 't_id', concurrently: true });
  ${sql}
}
export const down = false;
`;
  await using files = await folder({ ...base, '0002_live.mjs': module('') });
  const { migrator } = migratorOn(db, files.path);
  expect(versions((await migrator.up()).applied)).toEqual(['0001', '0002']);
  expect(await rows(db, `SELECT indisvalid FROM pg_index WHERE indexrelid = 't_id'::regclass`)).toEqual([{ indisvalid: true }]);

  await files.write({ '0003_live.mjs': module(`await pgm.db.query('SELECT 1/0');`) });
  const third = migratorOn(db, files.path).migrator;
  expect((await failureOf(third.up())).sqlState).toBe('22012');
  expect((await failureOf(third.up())).message).toContain('migrate repair --mark-applied 0003_live');
});

test('queries that it does not wait for are part of it: they run, and a failing one fails it', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_forgets.mjs': `export async function up(pgm) {
  await pgm.db.query('SAVEPOINT a');
  await pgm.db.query('SELECT nothing').catch(() => pgm.db.query('ROLLBACK TO a'));
  pgm.db.query("INSERT INTO t VALUES (3, 'three')").then(() => pgm.db.query("INSERT INTO t VALUES (4, 'four')"));
  pgm.db.select('SELECT pg_sleep(0.2)');
  pgm.db.query("UPDATE t SET name = upper(name) WHERE id = 1");
}
export const down = false;
`,
    '0003_fails.mjs': `export async function up(pgm) {
  pgm.db.query("INSERT INTO t VALUES (5, 'five')");
  pgm.db.query('UPDATE t SET nothing = 1');
}
export const down = false;
`,
  });
  const { migrator } = migratorOn(db, files.path);
  expect(await failureOf(migrator.up())).toMatchObject({ code: 'migrationFailed', migration: '0003_fails', sqlState: '42703' });
  expect(await rows(db, 'SELECT id, name FROM t ORDER BY id')).toEqual([
    { id: 1, name: 'ONE' },
    { id: 2, name: 'two' },
    { id: 3, name: 'three' },
    { id: 4, name: 'four' },
  ]);
});

test('its queries may be objects whose text and values are getters, as those of sql-template-strings are', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    ...base,
    '0002_sql.mjs': `class Sql {
  get text() { return 'UPDATE t SET name = $1 WHERE id = $2'; }
  get values() { return ['changed', 2]; }
}
export const up = async (pgm) => { await pgm.db.query(new Sql()); };
export const down = false;
`,
  });
  await migratorOn(db, files.path).migrator.up();
  expect(await rows(db, 'SELECT name FROM t WHERE id = 2')).toEqual([{ name: 'changed' }]);
});
