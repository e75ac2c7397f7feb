import { testDatabase } from '@org/test-postgres';
import type pg from 'pg';
import { expect, test } from 'vitest';

import { connectTo, folder, migratorOn, rows } from '../support/target.ts';

test('what connect set on its connection still holds behind a migration that may set something itself', async () => {
  await using db = await testDatabase();
  const admin = await db.connect();
  await admin.query('CREATE SCHEMA clinic');
  await using files = await folder({ '0001_do.sql': 'DO $$ BEGIN PERFORM 1; END $$;\n', '0002_t.sql': 'CREATE TABLE t (id int);\n' });
  const connect = async (): Promise<pg.Client> => {
    const client = await connectTo(db.url);
    await client.query('SET search_path = clinic');
    return client;
  };
  await migratorOn(db, files.path, { connect, history: { schema: 'public' } }).migrator.up();
  expect(await rows(db, `SELECT relnamespace::regnamespace::text AS schema FROM pg_class WHERE relname = 't'`)).toEqual([{ schema: 'clinic' }]);
});
