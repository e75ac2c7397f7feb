import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createMigrator, listSource } from '../../src/index.ts';
import { connectTo, failureOf, folder, migratorOn, rows } from '../support/target.ts';

test('an operator that another role made is not called by the record', async () => {
  await using db = await testDatabase();
  const role = `app_${randomBytes(4).toString('hex')}`;
  const admin = await db.connect();
  await admin.query(`CREATE ROLE ${role}; GRANT CREATE, USAGE ON SCHEMA public TO ${role}`);
  try {
    await admin.query(`SET ROLE ${role}`);
    await admin.query(
      `CREATE FUNCTION public.times(numeric, int) RETURNS numeric LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE ${role} SUPERUSER'; RETURN 0; END $$;
       CREATE OPERATOR public.* (FUNCTION = public.times, LEFTARG = numeric, RIGHTARG = int)`,
    );
    await admin.query('RESET ROLE');
    await using files = await folder({ '0001_t.sql': 'CREATE TABLE t (id int);\n' });
    await migratorOn(db, files.path)
      .migrator.up()
      .catch(() => undefined);
    expect(await rows(db, `SELECT rolsuper FROM pg_roles WHERE rolname = '${role}'`)).toEqual([{ rolsuper: false }]);
  } finally {
    await admin.query(`RESET ROLE; DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`).catch(() => undefined);
  }
});

test('a live migration that commits by itself and then fails is not told as having done nothing', async () => {
  await using db = await testDatabase();
  const source = listSource([
    {
      version: '0001',
      description: 'live',
      up: async (pgm) => {
        await pgm.db.query('CREATE TABLE half (id int)');
        await pgm.db.query('COMMIT');
        await pgm.db.query('SELECT 1/0');
      },
      down: false,
    },
  ]);
  const error = await failureOf(createMigrator({ service: 'test', source, connect: () => connectTo(db.url) }).up());
  const half = await rows<{ half: string | null }>(db, `SELECT to_regclass('half')::text AS half`);
  // Either nothing of it stands, or the error says why not.
  expect(half[0]?.half === null || /commit|transaction/i.test(error.message)).toBe(true);
});

test('values in dynamic SQL stay out of the message and the log', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_t.sql': `CREATE TABLE t (name text);\nINSERT INTO t VALUES ('Jane');\n`,
    '0002_do.sql': `DO $$ DECLARE r record; BEGIN FOR r IN SELECT name FROM t LOOP EXECUTE 'SELECT ' || r.name; END LOOP; END $$;\n`,
  });
  const { migrator } = migratorOn(db, files.path);
  const error = await failureOf(migrator.up());
  expect(JSON.stringify([error.message, error.report, await migrator.log()]).toLowerCase()).not.toContain('"jane\\');
});

test('the role’s own lock_timeout does not end a concurrent build', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_t.sql': 'CREATE TABLE t (id int);\n', '0002_i.sql': 'CREATE INDEX CONCURRENTLY t_id ON t (id);\n' });
  await migratorOn(db, files.path).migrator.up({ to: '1' });
  const client = await db.connect();
  await client.query(`ALTER DATABASE "${db.name}" SET lock_timeout = '500ms'`);
  const writer = await db.connect();
  await writer.query('BEGIN; INSERT INTO t VALUES (1)');
  const run = migratorOn(db, files.path)
    .migrator.up()
    .then(
      (report) => report.outcome,
      (error: Error) => error.message,
    );
  await sleep(1_500);
  await writer.query('COMMIT');
  expect(await run).toBe('applied');
});

test('an abort ends a run on a given client when no second connection can be had', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_slow.sql': 'SELECT pg_sleep(15);\n' });
  const stop = new AbortController();
  const client = await db.connect();
  const connect = (): ReturnType<typeof connectTo> => Promise.reject(new Error('too many connections'));
  const run = failureOf(migratorOn(db, files.path, { client, connect, signal: stop.signal }).migrator.up());
  await sleep(500);
  const began = performance.now();
  stop.abort();
  await run;
  expect(performance.now() - began).toBeLessThan(10_000);
});
