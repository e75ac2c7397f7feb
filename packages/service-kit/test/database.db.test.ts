import { randomUUID } from 'node:crypto';
import { testDatabase, testRole } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';
import { openDatabase } from '../src/index.ts';

const setting = (name: string): string => `SELECT current_setting('${name}', true) AS value`;

test('a transaction has its tenant, its user, its role and its schema, and the next one on the connection has none of them', async () => {
  await using db = await testDatabase();
  await using role = await testRole({ label: 'application' });
  const client = await db.connect();
  await client.query('CREATE SCHEMA clinic; CREATE TABLE clinic.notes (id int); CREATE TABLE public.notes (id int, other int)');
  await client.query(`GRANT USAGE ON SCHEMA clinic TO ${role.name}; GRANT SELECT ON clinic.notes TO ${role.name}`);
  const pool = new pg.Pool({ connectionString: db.url, max: 1 });
  const database = openDatabase(pool, { role: role.name, schema: 'clinic' });
  const actor = { tenant: randomUUID(), user: randomUUID() };

  const seen = await database.asTenant(actor, async (tx) => [
    (await tx.query(setting('app.current_tenant_id'))).rows[0]?.['value'],
    (await tx.query(setting('app.current_user_id'))).rows[0]?.['value'],
    (await tx.query('SELECT current_user AS value')).rows[0]?.['value'],
    (await tx.query("SELECT 'notes'::regclass = 'clinic.notes'::regclass AS value")).rows[0]?.['value'],
  ]);
  expect(seen).toEqual([actor.tenant, actor.user, role.name, true]);

  const after = await pool.query(`${setting('app.current_tenant_id')} UNION ALL SELECT current_user UNION ALL SELECT current_setting('search_path')`);
  expect(after.rows.map((row: { value: string }) => row.value)).toEqual(['', 'postgres', '"$user", public']);
  await database.close();
});

test('an error rolls everything back, and the connection serves on', async () => {
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query('CREATE TABLE notes (id int PRIMARY KEY)');
  const pool = new pg.Pool({ connectionString: db.url, max: 1 });
  const database = openDatabase(pool, { role: null, schema: null });
  const actor = { tenant: randomUUID(), user: null };
  const twice = database.asTenant(actor, async (tx) => {
    await tx.query('INSERT INTO notes VALUES (1)');
    await tx.query('INSERT INTO notes VALUES (1)');
  });
  await expect(twice).rejects.toMatchObject({ code: '23505' });
  expect(await database.asTenant(actor, async (tx) => (await tx.query('SELECT id FROM notes')).rows)).toEqual([]);
  await database.close();
});

test('an owner that may not become the application’s role is refused, with what to grant', async () => {
  await using db = await testDatabase();
  await using owner = await testRole({ label: 'owner' });
  await using application = await testRole({ label: 'application' });
  const client = await db.connect();
  await client.query(`CREATE TABLE notes (id int); ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes OWNER TO ${owner.name}`);
  const pool = new pg.Pool({ connectionString: owner.url(db.name) });
  const database = openDatabase(pool, { role: application.name, schema: null });
  expect(await database.refusal()).toContain(`GRANT ${application.name} to it`);
  await client.query(`GRANT ${application.name} TO ${owner.name}`);
  expect(await database.refusal()).toBeNull();
  await database.close();
});
