import { describe, expect, test } from 'vitest';

import { MigrationError } from '../../src/errors.ts';
import type { Script, Statement } from '../../src/migration.ts';
import { compileSql } from '../../src/source/script.ts';

type Transaction = Script['transaction'];

const compile = (sql: string, transaction: Transaction = 'per-migration'): Promise<Script> =>
  compileSql(sql, { transaction, origin: { file: 'f.sql', line: 0 } });
const texts = async (sql: string, transaction: Transaction = 'per-migration'): Promise<string[]> =>
  (await compile(sql, transaction)).statements.map((one) => one.text);

async function only(sql: string, transaction: Transaction = 'per-migration'): Promise<Statement> {
  const { statements, syntaxError } = await compile(sql, transaction);
  expect(syntaxError).toBeUndefined();
  expect(statements).toHaveLength(1);
  return statements[0] as Statement;
}

async function refusal(sql: string, parse: 'on' | 'off' = 'on'): Promise<string> {
  try {
    await compileSql(sql, { transaction: 'per-migration', origin: { file: 'f.sql', line: 0 }, parse });
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    expect(error.code).toBe('invalidMigration');
    return `${error.position?.line}:${error.position?.column} ${error.message}`;
  }
  throw new Error('it was not refused');
}

describe('a file’s own transactions', () => {
  test('BEGIN and COMMIT are taken out, and offsets hold', async () => {
    const sql = '-- 😀\nBEGIN;\nCREATE TABLE a (x int);\nCOMMIT;\nSELECT 1;\n';
    const { statements } = await compile(sql);
    expect(statements.map(({ text, start }) => [text, start])).toEqual([
      ['CREATE TABLE a (x int)', sql.indexOf('CREATE')],
      ['SELECT 1', sql.indexOf('SELECT')],
    ]);
  });

  test.each([
    'BEGIN; SELECT 1; COMMIT',
    'begin work; SELECT 1; commit work',
    'START TRANSACTION; SELECT 1; END',
    'BEGIN TRANSACTION; SELECT 1; END TRANSACTION',
    'BEGIN; SELECT 1; COMMIT AND NO CHAIN',
  ])('%s leaves SELECT 1', async (sql) => {
    expect(await texts(sql)).toEqual(['SELECT 1']);
  });

  test.each([
    ['BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT', 'serializable'],
    ['START TRANSACTION READ WRITE, ISOLATION LEVEL REPEATABLE READ; SELECT 1; COMMIT', 'repeatable read'],
    ['SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1', 'repeatable read'],
    ['SET LOCAL TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1', 'serializable'],
    ['SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1', 'serializable'],
    ['BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT', 'serializable'],
    ['BEGIN ISOLATION LEVEL READ UNCOMMITTED; SELECT 1; COMMIT', 'read committed'],
    ['SELECT 1', 'read committed'],
  ])('%s runs at %s', async (sql, isolation) => {
    const script = await compile(sql);
    expect(script.isolation).toBe(isolation);
    expect(script.statements.every((one) => one.text.startsWith('SELECT'))).toBe(true);
  });

  test.each([
    ['SELECT 1;\n  ROLLBACK;', /^2:3 ROLLBACK would undo/],
    ['BEGIN;\nSELECT 1;\nABORT;', /^3:1 ABORT would undo/],
    ['BEGIN; SELECT 1;\nCOMMIT AND CHAIN; SELECT 2; COMMIT', /^2:1 COMMIT AND CHAIN/],
    ['BEGIN; SELECT 1;\nROLLBACK AND CHAIN; COMMIT', /^2:1 ROLLBACK would undo/],
    ["BEGIN;\nPREPARE TRANSACTION 'x';", /^2:1 PREPARE TRANSACTION/],
    ["COMMIT PREPARED 'x'", /^1:1 COMMIT PREPARED/],
    ["ROLLBACK PREPARED 'x'", /^1:1 ROLLBACK PREPARED/],
    ["SELECT '😀'; COMMIT", /^1:13 a COMMIT without its BEGIN/],
    ['SELECT 1;\r\nEND;', /^2:1 a COMMIT without its BEGIN/],
    ['BEGIN; SELECT 1; COMMIT; COMMIT', /^1:26 a COMMIT without/],
    ['SELECT 1;\nBEGIN;\nSELECT 2', /^2:1 a BEGIN that no COMMIT ends/],
    ['SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE', /^1:1 SET SESSION CHARACTERISTICS/],
    ["SET TRANSACTION SNAPSHOT '00000003-0000001B-1'", /^1:1 SET TRANSACTION SNAPSHOT/],
  ])('%j is refused, with its place', async (sql, told) => {
    expect(await refusal(sql)).toMatch(told);
    expect(await refusal(sql, 'off')).toMatch(told);
  });

  test('savepoints stay', async () => {
    const sql = ['SAVEPOINT a', 'ROLLBACK TO SAVEPOINT a', 'ROLLBACK WORK TO a', 'RELEASE a', 'PREPARE p AS SELECT 1'];
    expect(await texts(sql.join(';\n'))).toEqual(sql);
  });

  test('words of a transaction inside of bodies and strings are no such words', async () => {
    const sql = "DO $$ BEGIN PERFORM 1; COMMIT; END $$; SELECT 'ROLLBACK;'";
    expect(await texts(sql)).toHaveLength(2);
  });

  test('the pairs group statements where a new enum value needs a COMMIT, and nowhere else', async () => {
    const groups = async (sql: string, transaction: Transaction = 'per-migration'): Promise<unknown[]> =>
      (await compile(sql, transaction)).statements.map((one) => one.group);
    const pairs = (first: string): string => `BEGIN; ${first}; SELECT 1; COMMIT; SELECT 2; BEGIN; SELECT 3; COMMIT`;
    expect(await groups(pairs("ALTER TYPE mood ADD VALUE 'calm'"))).toEqual([0, 0, undefined, 1]);
    expect(await groups(pairs('SELECT 0'))).toEqual([undefined, undefined, undefined, undefined]);
    expect(await groups(pairs('SELECT 0'), 'none')).toEqual([0, 0, undefined, 1]);
    expect(await groups("ALTER TYPE mood ADD VALUE 'calm'; SELECT 1")).toEqual([undefined, undefined]);
  });
});

describe('settings of a file', () => {
  test.each([
    ["SET statement_timeout = '5s'", "SET LOCAL statement_timeout = '5s'"],
    ['SET SESSION search_path TO a, "B c"', 'SET LOCAL search_path TO a, "B c"'],
    ['SET LOCAL search_path = a', 'SET LOCAL search_path = a'],
    ["SET TIME ZONE 'UTC'", "SET LOCAL TIME ZONE 'UTC'"],
    ['SET ROLE owner', 'SET LOCAL ROLE owner'],
    ['SET SESSION AUTHORIZATION owner', 'SET LOCAL SESSION AUTHORIZATION owner'],
    ['SET check_function_bodies = false -- why', 'SET LOCAL check_function_bodies = false'],
    ['RESET search_path', 'SET LOCAL search_path TO DEFAULT'],
    ['RESET search_path -- back', 'SET LOCAL search_path TO DEFAULT'],
    ['RESET TIME ZONE', 'SET LOCAL TIME ZONE DEFAULT'],
    ['RESET SESSION AUTHORIZATION', 'SET LOCAL SESSION AUTHORIZATION DEFAULT'],
    ['RESET ROLE', 'SET LOCAL ROLE TO DEFAULT'],
    ["SELECT pg_catalog.set_config('search_path', '', false)", "SELECT pg_catalog.set_config('search_path', '', true)"],
    ["select set_config('a.b', 'it''s', 'f')", "SELECT pg_catalog.set_config('a.b', 'it''s', true)"],
    ["SELECT set_config('a.b', 'x', true)", "SELECT set_config('a.b', 'x', true)"],
    ['SET CONSTRAINTS ALL DEFERRED', 'SET CONSTRAINTS ALL DEFERRED'],
    ['SELECT 1 AS set_config', 'SELECT 1 AS set_config'],
    ["UPDATE t SET x = 'SET y = 1'", "UPDATE t SET x = 'SET y = 1'"],
  ])('%s becomes %s', async (sql, expected) => {
    expect(await texts(sql)).toEqual([expected]);
    // What it became is SQL again, and stays as it is.
    expect(await texts(expected)).toEqual([expected]);
  });

  test('stay as they are in a file that is not to be parsed', async () => {
    const { statements } = await compileSql('SET search_path = a; RESET ALL', { transaction: 'per-migration', origin: null, parse: 'off' });
    expect(statements.map((one) => one.text)).toEqual(['SET search_path = a', 'RESET ALL']);
  });

  test('are carried to the statements behind them, the newest of a name only', async () => {
    const { statements } = await compile(
      "SET search_path = a; SELECT 1; SET lock_timeout = '1s'; SET SESSION search_path = b; SELECT 2; RESET lock_timeout; SELECT 3",
    );
    const carried = Object.fromEntries(
      statements.filter((one) => one.text.startsWith('SELECT')).map((one) => [one.text, (one.settings ?? []).map((setting) => setting.session)]),
    );
    expect(carried).toEqual({
      'SELECT 1': ['SET search_path = a'],
      'SELECT 2': ["SET lock_timeout = '1s'", 'SET search_path = b'],
      'SELECT 3': ['SET search_path = b', 'RESET lock_timeout'],
    });
    expect(statements[0]?.settings).toBeUndefined();
  });

  test('of one parameter under several names are one', async () => {
    const { statements } = await compile("SET TIME ZONE 'UTC'; SET timezone = 'Asia/Tokyo'; SET SCHEMA 'a'; SET search_path = b; SELECT 1");
    expect(statements.at(-1)?.settings?.map((one) => one.local)).toEqual(["SET LOCAL timezone = 'Asia/Tokyo'", 'SET LOCAL search_path = b']);
  });
});

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

describe('what only psql can do', () => {
  test.each([
    ['SELECT 1;\n\\i other.sql\n', /^2:1 \\i is a command of psql/],
    ['SELECT 1 \\gexec', /^1:10 \\gexec is a command of psql/],
    ['\\restrict abc\nSET x = 1;', /^1:1 \\restrict is a command of psql/],
    ["SELECT 1;\nCOPY t (a, b) FROM stdin;\n1\tit's\n\\.\nSELECT 2;", /^2:1 COPY … FROM stdin needs data/],
    ['copy t from STDIN with (format csv);', /^1:1 COPY … FROM stdin needs data/],
    ["COPY (SELECT ';') TO stdout; COPY t FROM /* here */ stdin", /^1:30 COPY … FROM stdin/],
  ])('%j is refused, with its place', async (sql, told) => {
    expect(await refusal(sql)).toMatch(told);
    expect(await refusal(sql, 'off')).toMatch(told);
  });

  test('backslashes in strings, and COPY from a file, are no such thing', async () => {
    expect(await texts("SELECT E'\\i', '\\d', $$\\x$$; COPY t FROM '/stdin'; COPY t TO stdout")).toHaveLength(3);
  });
});

describe('without the parser’s help', () => {
  test('a syntax error is told with its place, and does not throw: the server may know better', async () => {
    const script = await compile("SELECT '😀';\nSELECT system_user FROM t;\nCREATE TABEL a ();\nALTER TABLE t ADD c int");
    expect(script.syntaxError?.message).toMatch(/syntax error at or near "TABEL"/);
    expect(script.sql.slice(script.syntaxError?.start).startsWith('TABEL')).toBe(true);
    expect(script.statements.map(({ kind, strongLock }) => [kind, strongLock])).toEqual([
      ['SelectStmt', false],
      ['SelectStmt', false],
      ['Unparsed', false],
      ['AlterTableStmt', true],
    ]);
  });

  test.each(['CREATE TABLE t (system_user text)', 'SELECT json_object(1, 2, 3) FROM t; SELECT json_exists(1)', 'SELECT merge_action(1)', 'SELECT 1a'])(
    'syntax of older servers gives such an error: %s',
    async (sql) => {
      const script = await compile(sql);
      expect(script.syntaxError).toBeDefined();
      expect(script.statements.length).toBeGreaterThan(0);
    },
  );

  test('transactions, settings and CONCURRENTLY are found all the same', async () => {
    const script = await compile('SELEC 1; BEGIN; SET search_path = a; COMMIT; CREATE INDEX CONCURRENTLY i ON t (x); SELECT 2 -- end');
    expect(script.statements.map(({ text, transaction }) => [text, transaction])).toEqual([
      ['SELEC 1', 'allowed'],
      ['SET LOCAL search_path = a', 'allowed'],
      ['CREATE INDEX CONCURRENTLY i ON t (x)', 'forbidden'],
      ['SELECT 2', 'allowed'],
    ]);
  });

  test('a file above two megabytes is split by its text, and each statement is parsed alone', async () => {
    const rows = Array.from({ length: 30 }, () => `INSERT INTO t VALUES ('${'x;'.repeat(40_000)}')`);
    const script = await compile(`${rows.join(';\n')};\nCREATE INDEX CONCURRENTLY i ON t (x);\nALTER TABLE t ADD c int;`);
    expect(script.sql.length).toBeGreaterThan(2_000_000);
    expect(script.syntaxError).toBeUndefined();
    expect(script.statements).toHaveLength(32);
    expect(script.statements.slice(-2)).toMatchObject([
      { kind: 'IndexStmt', transaction: 'forbidden', leftover: { kind: 'createIndex' } },
      { kind: 'AlterTableStmt', strongLock: true },
    ]);
    expect(script.statements[0]?.summary).toBe('INSERT INTO t VALUES');
  });
});

test('an empty file, and one of comments alone, have no statements', async () => {
  for (const sql of ['', ' \n', '-- nothing', '/* nothing */;;', ';']) expect((await compile(sql)).statements).toEqual([]);
});

test('no statement ends in a comment, which would swallow what is written behind it', async () => {
  expect(await texts('SELECT 1 -- a\n; SELECT 2 /* b */ ; /* c */ SELECT 3 -- d')).toEqual(['SELECT 1', 'SELECT 2', 'SELECT 3']);
});
