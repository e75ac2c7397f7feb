import { describe, expect, test } from 'vitest';

import { MigrationError } from '../../src/errors.ts';
import type { Script } from '../../src/migration.ts';
import { compileSql } from '../../src/source/script.ts';

type Transaction = Script['transaction'];

const compile = (sql: string, transaction: Transaction = 'per-migration'): Promise<Script> =>
  compileSql(sql, { transaction, origin: { file: 'f.sql', line: 0 } });
const texts = async (sql: string, transaction: Transaction = 'per-migration'): Promise<string[]> =>
  (await compile(sql, transaction)).statements.map((one) => one.text);

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
    ["SELECT '😀'; ROLLBACK", /^1:13 ROLLBACK would undo/],
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

  test('a COMMIT without its BEGIN is taken out, and ends a pair of what stands before it', async () => {
    const groups = async (sql: string, transaction: Transaction = 'per-migration'): Promise<unknown[]> =>
      (await compile(sql, transaction)).statements.map((one) => one.group);
    const halves = "SELECT 1; ALTER TYPE mood ADD VALUE 'calm'; COMMIT; SELECT 2; END; SELECT 3";
    expect(await groups(halves)).toEqual([0, 0, 1, undefined]);
    expect(await groups(halves, 'none')).toEqual([undefined, undefined, undefined, undefined]);
    expect(await groups('SELECT 1; COMMIT; SELECT 2')).toEqual([undefined, undefined]);
    expect(await groups("BEGIN; ALTER TYPE mood ADD VALUE 'calm'; COMMIT; SELECT 1; COMMIT; COMMIT; SELECT 2")).toEqual([0, 1, undefined]);
    expect(await groups('COMMIT;\r\nEND;')).toEqual([]);
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
    ["SELECT set_config('a.b', 'x', false) AS x", "SELECT set_config('a.b', 'x', true ) AS x"],
    [
      "SELECT set_config('a.b', lower('X,Y'), false), \"set_config\"('c.d', 'f', 'f') FROM t",
      "SELECT set_config('a.b', lower('X,Y'), true ), \"set_config\"('c.d', 'f', true) FROM t",
    ],
    ["SELECT set_config('a.b', 'x', $1), set_config('a.b', 'x', not false)", "SELECT set_config('a.b', 'x', $1), set_config('a.b', 'x', not false)"],
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

test('a NUL character is refused, with its place', async () => {
  expect(await refusal("SELECT 1;\nSELECT 'a\0b'")).toBe('2:10 a NUL character, which PostgreSQL cannot take');
});

test('an empty file, and one of comments alone, have no statements', async () => {
  for (const sql of ['', ' \n', '-- nothing', '/* nothing */;;', ';']) expect((await compile(sql)).statements).toEqual([]);
});

test('no statement ends in a comment, which would swallow what is written behind it', async () => {
  expect(await texts('SELECT 1 -- a\n; SELECT 2 /* b */ ; /* c */ SELECT 3 -- d')).toEqual(['SELECT 1', 'SELECT 2', 'SELECT 3']);
});
