import type { EventEmitter } from 'node:events';

import { testDatabase, testRole } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { directorySource } from '../src/source/directory.ts';
import { connectTo, failureOf, folder, migratorOn, rows } from './support/target.ts';

const plain = {
  '0001_clinics.sql': 'CREATE TABLE clinics (id int PRIMARY KEY, name text);\n',
  '0002_names.sql': "INSERT INTO clinics VALUES (1, 'Fès; Rabat $$');\nCREATE INDEX clinics_name ON clinics (name);\n",
};

test('what its words tell is not parsed here, and what they do not tell is', async () => {
  await using files = await folder({ ...plain, '0003_rows.sql': 'WITH made AS (SELECT 2 AS id) INSERT INTO clinics SELECT id FROM made;\n' });
  const compiled = await directorySource(files.path).compile(['0001_clinics', '0002_names', '0003_rows'], 'server');
  expect(compiled.map(({ up }) => up.kind === 'sql' && up.unread === true)).toEqual([true, true, false]);
  const parsed = await directorySource(files.path).compile(['0001_clinics', '0002_names', '0003_rows']);
  const known = compiled.map(({ up }) => ({ ...up, unread: undefined }));
  expect(parsed).toEqual(known.map((up, index) => ({ ...parsed[index], up })));
});

test('the server is asked before anything runs, and finds the mistake with its place', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...plain, '0003_more.sql': 'CREATE TABLE more (id int);\nALTER TABLE more ADD COLUMN a text DEFAULT;\n' });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error).toMatchObject({
    code: 'invalidMigration',
    migration: '0003_more',
    sqlState: '42601',
    position: { line: 2, text: expect.stringContaining('DEFAULT;') },
  });
  expect(await rows(db, `SELECT to_regclass('clinics') AS clinics, to_regclass('schema_migrations') AS history`)).toEqual([{ clinics: null, history: null }]);
});

test('many megabytes are asked in parts, and the mistake is found in the last', async () => {
  await using db = await testDatabase();
  const large = `CREATE TABLE a (id int, text text);\nINSERT INTO a VALUES (1, '${'x'.repeat(1_500_000)}');\n`;
  await using files = await folder({
    '0001_a.sql': large,
    '0002_b.sql': large.replaceAll(' a ', ' b '),
    '0003_c.sql': large.replaceAll(' a ', ' c '),
    '0004_d.sql': 'CREATE TABLE d (id int,);',
  });
  expect((await failureOf(migratorOn(db, files.path).migrator.up())).position).toMatchObject({ line: 1, column: 24 });
  await files.write({ '0004_d.sql': 'CREATE TABLE d (id int);' });
  expect((await migratorOn(db, files.path).migrator.up()).applied).toHaveLength(4);
});

test('a command of psql among plain statements is told as such', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...plain, '0003_more.sql': 'CREATE TABLE more (id int);\n\\i other.sql\nCREATE TABLE others (id int);\n' });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error.message).toContain('\\i is a command of psql, not SQL');
  expect(error.position).toMatchObject({ line: 2 });
});

test.each([
  ['a value that only PL/pgSQL could take', 'CREATE TABLE a (id int);\nINSERT INTO a VALUES (1) RETURNING id INTO found;\n', 'INTO'],
  ['a statement of PL/pgSQL', "CREATE TABLE a (id int);\nRAISE NOTICE 'hello';\n", 'RAISE'],
  ['the end of a block', 'CREATE TABLE a (id int);\nEND IF;\n', 'IF'],
])('%s is no SQL', async (_, sql, at) => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': sql });
  const error = await failureOf(migratorOn(db, files.path).migrator.up());
  expect(error.message).toContain(`"${at}"`);
  expect(await rows(db, `SELECT to_regclass('a') AS a`)).toEqual([{ a: null }]);
});

test.each([
  ['BEGIN ISOLATION LEVEL SERIALIZBLE', 'COMMIT'],
  ['START TRANSACTION ISOLATION SERIALIZABLE', 'COMMIT'],
  ['BEGIN', 'COMMIT 5'],
  ['BEGIN', 'END "transaction"'],
  ['BEGIN, READ ONLY', 'COMMIT'],
  ['BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALISABLE', 'COMMIT'],
])('a mistake in a file’s own pair is found, though it is taken out: %s … %s', async (begin, end) => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': `${begin};\nCREATE TABLE a (id int);\n${end};\n` });
  expect(await failureOf(migratorOn(db, files.path).migrator.up())).toMatchObject({ code: 'invalidMigration' });
  expect(await rows(db, `SELECT to_regclass('a') AS a`)).toEqual([{ a: null }]);
});

test('asking writes no error into the log of the server', async () => {
  await using db = await testDatabase();
  await using files = await folder(plain);
  const client = await db.connect();
  const { connection } = client as unknown as { connection: EventEmitter };
  const errors: string[] = [];
  connection.on('errorMessage', ({ code }: { code: string }) => errors.push(code));
  expect((await migratorOn(db, files.path, { client }).migrator.up()).applied).toHaveLength(2);
  // The history is not there yet.
  expect(errors).toEqual(['42P01']);
});

test('a source that keeps what it has compiled, whoever was to parse it, has its mistake told', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...plain, '0003_more.sql': 'CREATE TABLE more (id int,);\n' });
  const inner = directorySource(files.path);
  const kept = new Map<string, ReturnType<typeof inner.compile>>();
  const compile: typeof inner.compile = (names, grammar) => {
    const key = names.join();
    if (!kept.has(key)) kept.set(key, inner.compile(names, grammar));
    return kept.get(key) as ReturnType<typeof inner.compile>;
  };
  const source = { label: inner.label, list: () => inner.list(), compile };
  expect(await failureOf(migratorOn(db, files.path, { source }).migrator.up())).toMatchObject({
    code: 'invalidMigration',
    sqlState: '42601',
    migration: '0003_more',
  });
});

test('what PL/pgSQL takes for a block, and is none, is parsed here', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...plain, '0003_begin.sql': 'CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;\n' });
  expect((await migratorOn(db, files.path).migrator.up()).applied).toHaveLength(3);
});

test('where PL/pgSQL cannot be used, or checks nothing, a mistake is found all the same', async () => {
  await using db = await testDatabase();
  const owner = await db.connect();
  await owner.query('REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC');
  await owner.query(`ALTER DATABASE "${db.name}" SET check_function_bodies = off`);
  await using role = await testRole();
  const url = new URL(db.url);
  [url.username, url.password] = [role.name, role.password];
  await using files = await folder({ ...plain, '0003_more.sql': 'CREATE TABLE more (id int;\n' });
  for (const on of [db.url, url.href]) {
    const { migrator } = migratorOn(db, files.path, { connect: () => connectTo(on) });
    expect(await failureOf(migrator.up())).toMatchObject({ code: 'invalidMigration', position: { line: 1 } });
  }
});
