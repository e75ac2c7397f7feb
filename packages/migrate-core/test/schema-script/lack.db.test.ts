import { testDatabase, testRole } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { describeDifference, diffCatalogs, readCatalog } from '../../src/catalog.ts';
import { readContents } from '../../src/schema-script/contents.ts';
import { copyScript, copyTransactions, createSchema, replaySettings, transactionText } from '../../src/schema-script/copy.ts';
import { lackOf } from '../../src/schema-script/lack.ts';
import { order } from '../../src/schema-script/order.ts';
import { readSchemaScript, type SchemaScript } from '../../src/schema-script/script.ts';
import { render } from '../../src/schema-script/text.ts';
import { Session } from '../../src/session.ts';
import { identifier } from '../../src/sql.ts';
import { makeEverything } from './everything.ts';

async function run(session: Session, statements: readonly string[]): Promise<void> {
  const result = await session.run(transactionText(statements));
  if (result.kind !== 'done') throw new Error(`${result.error.message} in ${statements[result.completed - 1]}`);
}

async function read(session: Session, schema: string): Promise<SchemaScript> {
  const script = await readSchemaScript(session, schema);
  if (script === null) throw new Error('no such schema');
  return script;
}

test('whatever table of all kinds is dropped with CASCADE, what is made again is all that was lost', async () => {
  await using reader = await testRole();
  await using owner = await testRole();
  await using db = await testDatabase();
  const client = await db.connect();
  await makeEverything(client, 'one', reader.name, owner.name);
  const session = new Session(client, 'borrowed');
  const healthy = await readSchemaScript(session, 'one', { defaultPrivileges: 'present' });
  const original = await read(session, 'one');
  if (healthy === null) throw new Error('no such schema');
  const plan = copyScript(original, await readContents(session, original), { emptied: healthy.rows.relations.map((one) => one.name) });
  const whole = await readCatalog(client, { schema: 'one' });
  const tables = healthy.rows.relations.filter((one) => one.kind === 'r' || one.kind === 'p').map((one) => one.name);
  expect(tables.length).toBeGreaterThan(20);
  for (const table of tables) {
    const [made = []] = copyTransactions(plan, 'two', ['public'], Infinity, createSchema('two'));
    await run(session, made);
    await client.query(`DROP TABLE two.${identifier(table)} CASCADE`);
    const lack = lackOf(healthy, await read(session, 'two'), [table]);
    expect(lack.tables).toContain(table);
    expect(lack.left).toEqual([]);
    const { statements } = order(lack.nodes, () => true);
    await run(session, [replaySettings('two', ['public']), ...statements.map((one) => render(one.text, 'two'))]);
    expect([table, ...diffCatalogs(whole, await readCatalog(client, { schema: 'two' })).map(describeDifference)]).toEqual([table]);
    await client.query('DROP SCHEMA two CASCADE');
  }
});

test('what is absent for another reason stays absent', async () => {
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query(`CREATE SCHEMA one; SET search_path = one; CREATE TYPE e AS ENUM ('a'); CREATE TABLE a (id int PRIMARY KEY, e e); CREATE TABLE b (e e, a int REFERENCES a);
    CREATE TABLE c (a int REFERENCES a); CREATE VIEW v AS SELECT a.id FROM a JOIN c ON c.a = a.id; CREATE VIEW w AS SELECT 1; CREATE INDEX ON c (a); RESET search_path`);
  const session = new Session(client, 'borrowed');
  const healthy = await read(session, 'one');
  await client.query('CREATE SCHEMA two; CREATE TABLE two.d (id int)');
  const lack = lackOf(healthy, await read(session, 'two'), ['a']);
  expect(lack.nodes.map((node) => node.id).toSorted()).toEqual(['constraint a_pkey of table a', 'table a', 'type e']);
  expect(lack.left).toEqual(['view v, which also needs table c']);
});
