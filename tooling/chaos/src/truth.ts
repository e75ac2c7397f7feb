/** What must hold in the end, whatever happened on the way. */

import pg from 'pg';

import type { Folder } from './migrations.ts';

/** Everything that is wrong; empty when nothing is. In each of these schemas the whole folder must be applied. */
export async function faults(url: string, folder: Folder, schemas: readonly string[] = ['public']): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const wrong: string[] = [];
    for (const schema of schemas) {
      await client.query(`SET search_path = ${schema}`);
      for (const fault of await faultsOfSchema(client, folder)) wrong.push(schemas.length === 1 ? fault : `${schema}: ${fault}`);
    }
    return wrong;
  } finally {
    await client.end();
  }
}

async function faultsOfSchema(client: pg.Client, folder: Folder): Promise<string[]> {
  const column = async (sql: string): Promise<string[]> => (await client.query<{ value: string }>(sql)).rows.map((row) => row.value);
  const wrong: string[] = [];
  const expect = (what: string, found: readonly string[], wanted: readonly string[]): void => {
    if (found.join(' ') !== wanted.join(' ')) wrong.push(`${what}: ${found.join(' ')} instead of ${wanted.join(' ')}`);
  };
  expect('history', await column(`SELECT name AS value FROM schema_migrations WHERE state = 'applied' ORDER BY name`), folder.names);
  expect('log', await column(`SELECT name AS value FROM schema_migrations_log WHERE action = 'up' ORDER BY name`), folder.names);
  expect('interrupted', await column(`SELECT name AS value FROM schema_migrations WHERE state <> 'applied'`), []);
  expect(
    'INVALID indexes',
    await column(`SELECT indexrelid::regclass::text AS value FROM pg_index WHERE (NOT indisvalid OR NOT indisready) AND pg_table_is_visible(indexrelid)`),
    [],
  );
  expect('remains of a REINDEX', await column(`SELECT relname AS value FROM pg_class WHERE relname ~ '_cc(new|old)' AND pg_table_is_visible(oid)`), []);
  const indexes = await column(
    `SELECT relname AS value FROM pg_class WHERE relkind = 'i' AND relname ~ '^t[0-9]+_(a|b|note_idx)[0-9]*$' AND pg_table_is_visible(oid) ORDER BY relname`,
  );
  if (indexes.length !== folder.indexes) wrong.push(`${indexes.length} indexes instead of ${folder.indexes}: ${indexes.join(' ')}`);
  for (let n = 1; n <= folder.tables; n++) {
    expect(`rows of t${n}`, await column(`SELECT count(*)::text || '/' || count(b) AS value FROM t${n}`), ['3000/3000']);
    expect(`rows of s${n} and u${n}`, await column(`SELECT (SELECT count(*) FROM s${n})::text || '/' || (SELECT count(*) FROM u${n}) AS value`), ['1/1']);
  }
  expect('locks left', await column(`SELECT pid::text AS value FROM pg_locks WHERE locktype = 'advisory'`), []);
  return wrong;
}
