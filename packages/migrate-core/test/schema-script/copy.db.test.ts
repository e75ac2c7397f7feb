import { testDatabase, testRole } from '@org/test-postgres';
import type pg from 'pg';
import { expect, test } from 'vitest';

import { describeDifference, diffCatalogs, readCatalog } from '../../src/catalog.ts';
import { readContents } from '../../src/schema-script/contents.ts';
import { copyScript, copyTransactions, createSchema, transactionText } from '../../src/schema-script/copy.ts';
import { readSchemaScript } from '../../src/schema-script/script.ts';
import { Session } from '../../src/session.ts';
import { identifier } from '../../src/sql.ts';
import { inSomeOrder, schemaStatements } from '../support/schema.ts';
import { everything } from './everything.ts';

async function copy(client: pg.Client, from: string, to: string): Promise<readonly string[]> {
  const session = new Session(client, 'borrowed');
  const script = await readSchemaScript(session, from);
  if (script === null) throw new Error('no such schema');
  const plan = copyScript(script, await readContents(session, script));
  for (const statements of copyTransactions(plan, to, ['public'], Infinity, createSchema(to))) {
    const result = await session.run(transactionText(statements));
    if (result.kind !== 'done') throw new Error(`${result.error.message} in ${statements[result.completed - 1]}`);
  }
  await session.close();
  return plan.problems;
}

test('a copy of one of everything is equal', async () => {
  await using role = await testRole();
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query('CREATE SCHEMA one; SET search_path = one');
  for (const sql of inSomeOrder(schemaStatements('one', role.name), () => 0)) await client.query(sql);
  await client.query('RESET search_path');
  for (const name of ['two', 'Three "quoted"', "it's\\four"]) {
    expect(await copy(client, 'one', name)).toEqual([]);
    const first = await readCatalog(client, { schema: 'one' });
    const second = await readCatalog(client, { schema: name });
    expect(diffCatalogs(first, second).map(describeDifference)).toEqual([]);
    expect(identifier(name)).toContain(name[0]);
  }
});

test('a copy of all kinds of objects in unusual forms is equal, with its rows and sequences', async () => {
  await using reader = await testRole();
  await using owner = await testRole();
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query(`CREATE SCHEMA one; SET search_path = one; GRANT CREATE ON SCHEMA one TO ${owner.name}`);
  await client.query(everything('one', reader.name, owner.name));
  await client.query('RESET search_path');
  expect(await copy(client, 'one', 'two')).toEqual([]);
  const first = await readCatalog(client, { schema: 'one' });
  const second = await readCatalog(client, { schema: 'two' });
  expect(diffCatalogs(first, second).map(describeDifference)).toEqual([]);
});
