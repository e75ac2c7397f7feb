import { describe, expect, test } from 'vitest';

import type { Script, Statement } from '../../src/migration.ts';
import { compileSql } from '../../src/source/script.ts';

type Transaction = Script['transaction'];

const compile = (sql: string, transaction: Transaction = 'per-migration'): Promise<Script> =>
  compileSql(sql, { transaction, origin: { file: 'f.sql', line: 0 } });

async function only(sql: string, transaction: Transaction = 'per-migration'): Promise<Statement> {
  const { statements, syntaxError } = await compile(sql, transaction);
  expect(syntaxError).toBeUndefined();
  expect(statements).toHaveLength(1);
  return statements[0] as Statement;
}

describe('what cannot run in a transaction block', () => {
  test.each<[string, object]>([
    ['VACUUM', { kind: 'repeatable' }],
    ['VACUUM (ANALYZE, VERBOSE) a', { kind: 'repeatable' }],
    ['VACUUM FULL a', { kind: 'repeatable' }],
    ['REINDEX SCHEMA s', { kind: 'reindex', target: 'schema', object: { schema: null, name: 's' }, concurrently: false }],
    ['REINDEX DATABASE d', { kind: 'reindex', target: 'database', object: { schema: null, name: 'd' }, concurrently: false }],
    ['REINDEX SYSTEM d', { kind: 'reindex', target: 'system' }],
    ['REINDEX INDEX CONCURRENTLY s.i', { kind: 'reindex', target: 'index', object: { schema: 's', name: 'i' }, concurrently: true }],
    ['REINDEX (CONCURRENTLY) TABLE t', { kind: 'reindex', target: 'table', concurrently: true }],
    [
      'CREATE INDEX CONCURRENTLY i ON s.t (x)',
      { kind: 'createIndex', index: { schema: 's', name: 'i' }, table: { schema: 's', name: 't' }, ifNotExists: false, unique: false },
    ],
    [
      'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I i" ON t (x)',
      { kind: 'createIndex', index: { schema: null, name: 'I i' }, ifNotExists: true, unique: true },
    ],
    ['CREATE INDEX CONCURRENTLY ON t (x)', { kind: 'createIndex', index: null, table: { schema: null, name: 't' } }],
    ['DROP INDEX CONCURRENTLY i', { kind: 'dropIndex', indexes: [{ schema: null, name: 'i' }], ifExists: false }],
    ['DROP INDEX CONCURRENTLY IF EXISTS s.i', { kind: 'dropIndex', indexes: [{ schema: 's', name: 'i' }], ifExists: true }],
    ['CLUSTER', { kind: 'repeatable' }],
    ['CLUSTER VERBOSE', { kind: 'repeatable' }],
    ['ALTER TABLE t DETACH PARTITION s.p CONCURRENTLY', { kind: 'detachPartition', table: { schema: null, name: 't' }, partition: { schema: 's', name: 'p' } }],
    ['CREATE DATABASE d', { kind: 'createDatabase', database: 'd' }],
    ['DROP DATABASE IF EXISTS d', { kind: 'dropDatabase', database: 'd' }],
    ['ALTER DATABASE d SET TABLESPACE s', { kind: 'repeatable' }],
    ["CREATE TABLESPACE s LOCATION '/x'", { kind: 'undecidable' }],
    ['DROP TABLESPACE s', { kind: 'undecidable' }],
    ["ALTER SYSTEM SET work_mem = '1MB'", { kind: 'repeatable' }],
    ['ALTER SYSTEM RESET ALL', { kind: 'repeatable' }],
    ['DISCARD ALL', { kind: 'repeatable' }],
    ["CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", { kind: 'undecidable' }],
    ["CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = true)", { kind: 'undecidable' }],
  ])('%s', async (sql, leftover) => {
    const one = await only(sql);
    expect(one).toMatchObject({ transaction: 'forbidden', strongLock: false, leftover });
    expect(one.text).toBe(sql);
  });

  test.each([
    'ANALYZE',
    'ANALYZE t',
    'CLUSTER t USING i',
    'REINDEX TABLE t',
    'REINDEX INDEX i',
    'REINDEX (CONCURRENTLY false) TABLE t',
    'REFRESH MATERIALIZED VIEW CONCURRENTLY v',
    "ALTER TYPE mood ADD VALUE 'calm'",
    'ALTER TABLE t DETACH PARTITION p',
    'ALTER TABLE t DETACH PARTITION p FINALIZE',
    'ALTER DATABASE d SET work_mem = 64',
    'ALTER DATABASE d OWNER TO o',
    'ALTER DATABASE d WITH CONNECTION LIMIT 5',
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = off)",
    'CHECKPOINT',
    "LOAD 'x'",
    'DISCARD TEMP',
    'DISCARD PLANS',
    'LISTEN c',
    'CALL p()',
    'DO $$ BEGIN COMMIT; END $$',
    'CREATE INDEX i ON t (x)',
    'DROP INDEX i',
  ])('and what can: %s', async (sql) => {
    expect(await only(sql)).toMatchObject({ transaction: 'allowed', leftover: null });
  });

  test('with transaction=none, CALL and a DO that commits run alone', async () => {
    expect(await only('CALL p()', 'none')).toMatchObject({ transaction: 'forbidden', leftover: { kind: 'undecidable' } });
    expect(await only('DO $$ BEGIN COMMIT; END $$', 'none')).toMatchObject({ transaction: 'forbidden' });
    expect(await only('DO $$ BEGIN PERFORM 1; END $$', 'none')).toMatchObject({ transaction: 'allowed' });
  });

  test('is known from the first words too, where the parser is not used', async () => {
    const forbidden = [
      'VACUUM (FULL) a',
      'REINDEX SCHEMA s',
      'REINDEX INDEX CONCURRENTLY i',
      'CREATE INDEX CONCURRENTLY i ON t (x)',
      'CREATE UNIQUE INDEX CONCURRENTLY ON t (x)',
      'DROP INDEX CONCURRENTLY i',
      'CLUSTER',
      'CLUSTER VERBOSE',
      'ALTER TABLE "t" DETACH PARTITION p CONCURRENTLY',
      'CREATE DATABASE d',
      'DROP DATABASE d',
      'ALTER DATABASE d SET TABLESPACE s',
      'DROP TABLESPACE s',
      'ALTER SYSTEM RESET ALL',
      'DISCARD ALL',
      "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
    ];
    const allowed = [
      'CLUSTER t USING i',
      'CLUSTER "t"',
      'ALTER TABLE t DETACH PARTITION p',
      'CREATE INDEX i ON t (x)',
      'CALL p()',
      'ALTER DATABASE d OWNER TO o',
    ];
    const { statements } = await compileSql([...forbidden, ...allowed].join(';\n'), { transaction: 'per-migration', origin: null, parse: 'off' });
    expect(statements.filter((one) => one.transaction === 'forbidden').map((one) => one.text)).toEqual(forbidden);
    expect(statements.every((one) => one.kind === 'Unparsed')).toBe(true);
  });
});

describe('locks that others wait for', () => {
  const strong = async (sql: string): Promise<boolean[]> => (await compile(sql)).statements.map((one) => one.strongLock);

  test.each([
    'ALTER TABLE t ADD c int',
    'ALTER TABLE t RENAME TO u',
    'ALTER TABLE t RENAME COLUMN a TO b',
    'ALTER TABLE t SET SCHEMA s',
    'CREATE INDEX i ON t (x)',
    'CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()',
    'CREATE POLICY p ON t USING (true)',
    'CREATE TABLE n (x int REFERENCES t)',
    'CREATE TABLE n (x int, FOREIGN KEY (x) REFERENCES t)',
    'CREATE TABLE n PARTITION OF t DEFAULT',
    'CREATE OR REPLACE VIEW v AS SELECT 1',
    'DROP TABLE t',
    'DROP TRIGGER g ON t',
    'TRUNCATE t',
    'LOCK TABLE t',
    'CLUSTER t USING i',
    'REFRESH MATERIALIZED VIEW v',
  ])('%s takes one', async (sql) => {
    expect(await strong(sql)).toEqual([true]);
  });

  test.each([
    'CREATE TABLE n (x int)',
    'CREATE TABLE n (id int PRIMARY KEY, parent int REFERENCES n)',
    'INSERT INTO t VALUES (1)',
    'SELECT 1',
    'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
    'DROP FUNCTION f()',
    'COMMENT ON TABLE t IS NULL',
    'REFRESH MATERIALIZED VIEW CONCURRENTLY v',
    'ALTER TYPE y RENAME TO z',
  ])('%s takes none', async (sql) => {
    expect(await strong(sql)).toEqual([false]);
  });

  test('on what the script itself made keep nobody waiting', async () => {
    expect(await strong('CREATE TABLE n (x int); CREATE INDEX ON n (x); ALTER TABLE n ADD y int; ALTER TABLE t ADD y int')).toEqual([
      false,
      false,
      false,
      true,
    ]);
    expect(await strong('CREATE TABLE n AS SELECT 1; TRUNCATE n; TRUNCATE n, t')).toEqual([false, false, true]);
  });

  test('on what may have been there before do', async () => {
    expect(await strong('CREATE TABLE IF NOT EXISTS n (x int); ALTER TABLE n ADD y int')).toEqual([false, true]);
    expect(await strong('CREATE TABLE IF NOT EXISTS n AS SELECT 1; TRUNCATE n')).toEqual([false, true]);
    expect(await strong('CREATE OR REPLACE VIEW v AS SELECT 1; DROP VIEW v')).toEqual([true, true]);
  });

  test('are told apart by schema', async () => {
    expect(await strong('CREATE TABLE archive.n (x int); ALTER TABLE n ADD y int; ALTER TABLE archive.n ADD y int')).toEqual([false, true, false]);
  });

  test('are found on the other table of a foreign key, a partition or a parent', async () => {
    const made = 'CREATE TABLE n (x int); ';
    expect(
      await strong(
        `${made}ALTER TABLE n ADD FOREIGN KEY (x) REFERENCES t; ALTER TABLE n ADD y int REFERENCES t; ALTER TABLE n ATTACH PARTITION p DEFAULT; ALTER TABLE n INHERIT t; ALTER TABLE n ADD FOREIGN KEY (x) REFERENCES n`,
      ),
    ).toEqual([false, true, true, true, true, false]);
  });
});

describe('a statement’s summary', () => {
  test.each([
    ["INSERT INTO patients (name) VALUES ('Ada Lovelace')", 'INSERT INTO patients'],
    ["UPDATE patients SET name = 'Ada'", 'UPDATE patients SET name'],
    ["CREATE ROLE r PASSWORD 'secret'", 'CREATE ROLE r PASSWORD'],
    ['SELECT 4711', 'SELECT'],
    ["SELECT $$Ada$$, E'x'", 'SELECT'],
    ['CREATE INDEX CONCURRENTLY  "patients name" -- Ada\n ON s.patients (x)', 'CREATE INDEX CONCURRENTLY "patients name" ON s.patients'],
    ["COMMENT ON TABLE a.b IS 'Ada'", 'COMMENT ON TABLE a.b IS'],
    ['(SELECT 1)', 'a statement'],
  ])('of %j is %j', async (sql, summary) => {
    expect((await only(sql)).summary).toBe(summary);
  });

  test('has at most sixty characters', async () => {
    const one = await only(`CREATE TABLE ${'a'.repeat(63)} (x int)`);
    expect(one.summary).toBe('CREATE TABLE');
    expect((await only(`ALTER TABLE "${'😀'.repeat(15)}" ADD "${'b'.repeat(60)}" int`)).summary.length).toBeLessThanOrEqual(60);
  });
});
