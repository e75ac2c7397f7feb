import { testDatabase, testRole } from '@org/test-postgres';
import type pg from 'pg';
import { expect, test } from 'vitest';

import { describeDifference, diffCatalogs, readCatalog } from '../../src/catalog.ts';
import { readContents } from '../../src/schema-script/contents.ts';
import { copyScript, copyTransactions, createSchema, estimatedLocks, transactionText, type CopyScript } from '../../src/schema-script/copy.ts';
import { proveCopy } from '../../src/schema-script/proof.ts';
import { readSchemaScript } from '../../src/schema-script/script.ts';
import { Session } from '../../src/session.ts';
import { identifier } from '../../src/sql.ts';
import { inSomeOrder, schemaStatements } from '../support/schema.ts';
import { makeEverything } from './everything.ts';

async function scriptOf(session: Session, schema: string): Promise<CopyScript> {
  const script = await readSchemaScript(session, schema);
  if (script === null) throw new Error('no such schema');
  return copyScript(script, await readContents(session, script));
}

/** @param locks Of one transaction, about. */
async function copy(client: pg.Client, from: string, to: string, locks: number = Infinity): Promise<readonly string[]> {
  const session = new Session(client, 'borrowed');
  const plan = await scriptOf(session, from);
  const transactions = copyTransactions(plan, to, ['public'], locks, createSchema(to));
  if (Number.isFinite(locks)) expect(transactions.length).toBeGreaterThan(estimatedLocks(plan) / locks);
  for (const statements of transactions) {
    const result = await session.run(transactionText(statements));
    if (result.kind !== 'done') throw new Error(`${result.error.message} in ${statements[result.completed - 1]}`);
  }
  await session.close();
  return plan.problems;
}

async function differences(client: pg.Client, one: string, two: string): Promise<string[]> {
  return diffCatalogs(await readCatalog(client, { schema: one }), await readCatalog(client, { schema: two })).map(describeDifference);
}

/** What the fingerprint does not tell: rows, sequences' values, names of partitions' indexes and of NOT NULL, rights on identities' sequences. */
async function contents(client: pg.Client, schema: string): Promise<Record<string, unknown>> {
  const { rows: relations } = await client.query<{ relname: string; relkind: string; relacl: string | null }>(
    `SELECT c.relname, c.relkind, c.relacl::text FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'S', 'm', 'i', 'I') ORDER BY c.relname COLLATE "C"`,
    [identifier(schema)],
  );
  const found: Record<string, unknown> = {};
  for (const { relname, relkind, relacl } of relations) {
    const name = `${identifier(schema)}.${identifier(relname)}`;
    found[`${relkind} ${relname}`] = relacl;
    if (relkind === 'r') found[relname] = (await client.query(`SELECT x::text FROM ONLY ${name} x ORDER BY 1`)).rows;
    if (relkind === 'S') found[relname] = (await client.query(`SELECT last_value, is_called FROM ${name}`)).rows;
  }
  const { rows } = await client.query(`SELECT conname FROM pg_constraint WHERE connamespace = $1::regnamespace AND contype = 'n' ORDER BY 1`, [
    identifier(schema),
  ]);
  return { ...found, constraints: rows };
}

test('a copy of one of everything is equal, whatever it is called', async () => {
  await using role = await testRole();
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query('CREATE SCHEMA one; SET search_path = one');
  for (const sql of inSomeOrder(schemaStatements('one', role.name), () => 0)) await client.query(sql);
  await client.query('RESET search_path');
  for (const name of ['two', 'Three "quoted"', "it's\\four", 'patients', 'pg']) {
    expect(await copy(client, 'one', name)).toEqual([]);
    expect(await differences(client, 'one', name)).toEqual([]);
  }
});

test('a copy of all kinds of objects in unusual forms is equal, with its rows and sequences, in one transaction and in many', async () => {
  await using reader = await testRole();
  await using owner = await testRole();
  await using db = await testDatabase();
  const client = await db.connect();
  await makeEverything(client, 'one', reader.name, owner.name);
  const original = await contents(client, 'one');
  for (const [name, locks] of [
    ['two', Infinity],
    ['three', 20],
  ] as const) {
    expect(await copy(client, 'one', name, locks)).toEqual([]);
    expect(await differences(client, 'one', name)).toEqual([]);
    expect(await contents(client, name)).toEqual(original);
  }
  // And a copy of the copy.
  expect(await copy(client, 'two', 'four')).toEqual([]);
  expect(await differences(client, 'one', 'four')).toEqual([]);
});

test('the proof tells the locks of a copy and leaves nothing behind', async () => {
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query(
    `CREATE SCHEMA one; SET search_path = one; CREATE TABLE a (id serial PRIMARY KEY, name text); CREATE TABLE b (a int REFERENCES a); RESET search_path`,
  );
  const session = new Session(client, 'borrowed');
  const to = 'x_tpl_0123456789abcdef0123';
  const proof = await proveCopy(session, await scriptOf(session, 'one'), { from: 'one', to, others: ['public'], exclude: [] });
  expect(proof).toMatchObject({ differences: [] });
  expect(proof.locks).toBeGreaterThan(8);
  expect((await client.query(`SELECT 1 FROM pg_namespace WHERE nspname = '${to}'`)).rows).toEqual([]);
});

/** What is in the schema, and what is told of it. */
const unknown: readonly (readonly [what: string, sql: string, problem: RegExp])[] = [
  ['an operator', 'CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)', /^operator .*===/],
  ['an operator on names, which the reading would meet', 'CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = oid, FUNCTION = oidne)', /^operator .*=\(oid,oid\)/],
  ['a collation', `CREATE COLLATION german (provider = icu, locale = 'de')`, /^collation .*german/],
  [
    'a cast',
    `CREATE TYPE e AS ENUM ('a'); CREATE FUNCTION f(e) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (e AS int) WITH FUNCTION f(e)`,
    /^cast from .*e to integer/,
  ],
  ['a text search configuration', 'CREATE TEXT SEARCH CONFIGURATION words (COPY = simple)', /^text search configuration .*words/],
  ['an extension', 'CREATE EXTENSION citext', /^extension citext/],
  ['a publication', 'CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t', /publication/],
  ['a shell type', 'CREATE TYPE shell', /^type shell/],
  [
    'a table of another schema that depends on it',
    'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE elsewhere.u (t int REFERENCES t)',
    /^constraint u_t_fkey on table elsewhere\.u/,
  ],
  ['a string with its own name', `CREATE VIEW v AS SELECT to_regclass('one.t') AS t`, /^view v names its own schema in a string/],
  ['a generated column with its own name', `CREATE TABLE t (a text GENERATED ALWAYS AS ('one.t') STORED)`, /^table t names its own schema in a string/],
  [
    'a body with its own name',
    `CREATE TABLE t (); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM one.t'`,
    /^function f\(\) names its own schema in its body/,
  ],
  [
    'a foreign key with its triggers switched off',
    'CREATE TABLE t (id int PRIMARY KEY, u int REFERENCES t); ALTER TABLE t DISABLE TRIGGER ALL',
    /^constraint t_u_fkey of table t has disabled triggers/,
  ],
  [
    'an index that is not valid',
    `CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE u PARTITION OF t DEFAULT; CREATE INDEX i ON ONLY t (a)`,
    /^index i of table t is not valid/,
  ],
  [
    'objects that need each other',
    'CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t; CREATE FUNCTION f() RETURNS bigint RETURN (SELECT count(*) FROM v); CREATE OR REPLACE VIEW v AS SELECT a FROM t WHERE f() > a',
    /(view v|function f\(\)), which needs what needs it/,
  ],
];

test.each(unknown)('what a copy would not have is told: %s', async (_, sql, problem) => {
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query('CREATE SCHEMA one; CREATE SCHEMA elsewhere; SET search_path = one');
  await client.query(sql);
  await client.query('RESET search_path');
  const { problems } = await scriptOf(new Session(client, 'borrowed'), 'one');
  expect(problems).toContainEqual(expect.stringMatching(problem));
});

test('rows that row-level security hides from this role are told', async () => {
  await using role = await testRole();
  await using db = await testDatabase();
  const root = await db.connect();
  await root.query(`CREATE SCHEMA one AUTHORIZATION ${role.name}`);
  const client = await db.connect(role);
  await client.query(`SET search_path = one; CREATE TABLE empty (id int); CREATE TABLE t (id int); INSERT INTO t VALUES (1);
    ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; ALTER TABLE empty ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; RESET search_path`);
  const { problems } = await scriptOf(new Session(client, 'borrowed'), 'one');
  expect(problems).toEqual(['rows of table t, which row-level security hides from this role']);
});
