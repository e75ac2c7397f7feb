import { randomBytes } from 'node:crypto';

import { testDatabase, type TestDatabase } from '@org/test-postgres';
import type pg from 'pg';
import { expect, test } from 'vitest';

import { folder, migratorOn, rows } from '../support/target.ts';

const UP = { '0001_t.sql': 'CREATE TABLE t (id int);\n-- Down Migration\nDROP TABLE t;\n' };

/** All three tables, made by a role that may create in the schema before the first migration ran. */
function tables(at: string): string {
  return `CREATE TABLE schema_migrations_test (name text PRIMARY KEY, version text, description text, checksum text, seq bigint, state text, applied_at timestamptz DEFAULT now(),
   applied_by text DEFAULT SESSION_USER, duration_ms bigint DEFAULT 0, run_id text, tool text, requires text[] DEFAULT '{}', progress json, script text, reversible boolean);
 CREATE TABLE schema_migrations_test_log (seq bigint PRIMARY KEY, at timestamptz DEFAULT ${at}, action text, name text, by text DEFAULT SESSION_USER, "from" text, run_id text, duration_ms bigint, detail text);
 CREATE TABLE schema_migrations_test_scripts (key text PRIMARY KEY, up text, down text, down_checksum text, down_transaction text, down_parse text)`;
}

async function asAttacker(db: TestDatabase, work: (role: string, admin: pg.Client) => Promise<void>): Promise<void> {
  const role = `app_${randomBytes(4).toString('hex')}`;
  const admin = await db.connect();
  await admin.query(`CREATE ROLE ${role}; GRANT CREATE, USAGE ON SCHEMA public TO ${role}; SET ROLE ${role}`);
  try {
    await work(role, admin);
  } finally {
    await admin.query(`RESET ROLE; DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`).catch(() => undefined);
  }
}

test('tables that another role made before run none of its code', async () => {
  await using db = await testDatabase();
  await asAttacker(db, async (role, admin) => {
    await admin.query(
      `CREATE FUNCTION now_and_more() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE ${role} SUPERUSER'; RETURN now(); END $$; ${tables('now_and_more()')}`,
    );
    await admin.query('RESET ROLE');
    await using files = await folder(UP);
    await migratorOn(db, files.path)
      .migrator.up()
      .catch(() => undefined);
    expect(await rows(db, `SELECT rolsuper FROM pg_roles WHERE rolname = '${role}'`)).toEqual([{ rolsuper: false }]);
  });
});
