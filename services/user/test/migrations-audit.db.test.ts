/** What the audit log says of changes, what it withholds, and that nobody rewrites it. The function is the same in every service. */

import { asTenant, refusal, rowId, serviceDatabase, testRole, testTenants, type ServiceDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { service } from './support/service.ts';

const [clinic, other] = testTenants;

async function ready(): Promise<ServiceDatabase> {
  const on = await serviceDatabase(service);
  await on.migrator.up();
  await on.fill();
  return on;
}

async function newest(on: ServiceDatabase): Promise<Record<string, unknown> | undefined> {
  return (await asTenant(on, clinic, 'SELECT * FROM user_audit_log ORDER BY id DESC LIMIT 1')).rows[0];
}

test('a change is logged with what changed, who asked for it and which role was connected', async () => {
  await using on = await ready();
  await asTenant(on, clinic, `SET LOCAL app.current_user_id = 'user-7'; UPDATE users SET first_name = 'Nour' WHERE id = '${rowId(clinic, 1)}'`);
  expect(await newest(on)).toMatchObject({
    tenant_id: clinic.id,
    table_name: 'users',
    row_id: rowId(clinic, 1),
    action: 'UPDATE',
    changed_columns: ['first_name', 'updated_at'],
    old_values: { first_name: 'Nora' },
    new_values: { first_name: 'Nour' },
    actor: 'user-7',
    db_role: 'postgres',
  });

  await asTenant(on, clinic, `DELETE FROM user_verifications WHERE id = '${rowId(clinic, 3)}'`);
  expect(await newest(on)).toMatchObject({ table_name: 'user_verifications', action: 'DELETE', new_values: null, actor: null });
});

test('a secret is never in the log, though its change is', async () => {
  await using on = await ready();
  await asTenant(on, clinic, `UPDATE users SET password_hash = 'scrypt$9$another' WHERE id = '${rowId(clinic, 1)}'`);
  expect(await newest(on)).toMatchObject({ changed_columns: ['password_hash', 'updated_at'], new_values: { password_hash: '(withheld)' } });
  const { rows } = await on.client.query('SELECT * FROM user_audit_log');
  const log = JSON.stringify(rows);
  expect(log).toContain('nurse@clinic-a.test');
  expect(log).not.toContain('scrypt$');
  const { rows: hashes } = await on.client.query<{ hash: string }>(`SELECT encode(token_hash, 'hex') AS hash FROM user_verifications`);
  expect(hashes).toHaveLength(2);
  for (const { hash } of hashes) expect(log).not.toContain(hash);
});

test('the log takes the clinic from the row: maintenance without a clinic is logged as well', async () => {
  await using on = await ready();
  await on.client.query(`UPDATE users SET last_name = 'Martin' WHERE tenant_id = '${other.id}'`);
  const { rows } = await on.client.query('SELECT tenant_id, table_name, action FROM user_audit_log ORDER BY id DESC LIMIT 1');
  expect(rows).toEqual([{ tenant_id: other.id, table_name: 'users', action: 'UPDATE' }]);
});

test('nobody writes the log by hand: the application may not, and the owner is refused by trigger', async () => {
  await using on = await ready();
  const insert = `INSERT INTO user_audit_log (tenant_id, table_name, action, changed_columns, db_role) VALUES ('${clinic.id}', 'users', 'UPDATE', '{}', 'me')`;
  for (const sql of [insert, 'UPDATE user_audit_log SET actor = NULL', 'DELETE FROM user_audit_log', 'TRUNCATE user_audit_log']) {
    expect({ sql, refused: await refusal(on, clinic, sql) }).toEqual({ sql, refused: '42501' });
  }
  for (const sql of ['UPDATE user_audit_log SET actor = NULL', 'DELETE FROM user_audit_log', 'TRUNCATE user_audit_log']) {
    await expect(on.client.query(sql)).rejects.toThrow('user_audit_log is append-only');
  }
});

test('the function of the log cannot be hung on a table of somebody else', async () => {
  await using on = await ready();
  await using role = await testRole();
  await on.client.query(`CREATE SCHEMA theirs AUTHORIZATION ${role.name}`);
  const theirs = await on.database.connect(role);
  await theirs.query(`CREATE TABLE theirs.bait (id int, tenant_id uuid)`);
  await expect(
    theirs.query(`CREATE TRIGGER t AFTER INSERT ON theirs.bait FOR EACH ROW EXECUTE FUNCTION public.create_audit_entry('user_audit_log')`),
  ).rejects.toMatchObject({
    code: '42501',
  });
});

test('without an argument the trigger finds the only log, and says so where there are two', async () => {
  await using on = await ready();
  await on.client.query(`CREATE TABLE projects (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL, name text);
    CREATE TRIGGER projects_audit_trigger AFTER INSERT OR UPDATE OR DELETE ON projects FOR EACH ROW EXECUTE FUNCTION create_audit_entry()`);
  await on.client.query(`INSERT INTO projects (tenant_id, name) VALUES ('${clinic.id}', 'first')`);
  expect(await newest(on)).toMatchObject({ table_name: 'projects', action: 'INSERT', new_values: { name: 'first' } });

  await on.client.query(`CREATE TABLE second_audit_log (LIKE user_audit_log INCLUDING ALL);
    CREATE TRIGGER second_audit_log_no_truncate BEFORE TRUNCATE ON second_audit_log FOR EACH STATEMENT EXECUTE FUNCTION create_audit_entry('second_audit_log')`);
  await expect(on.client.query(`INSERT INTO projects (tenant_id, name) VALUES ('${clinic.id}', 'second')`)).rejects.toThrow(
    'trigger projects_audit_trigger on projects: 2 audit logs are beside the table, so it must name its own',
  );
});

test('who signs in finds the one clinic whose subdomain they name, and no other', async () => {
  await using on = await ready();
  const found = async (subdomain: string): Promise<unknown[]> =>
    (await asTenant(on, null, `SET LOCAL app.lookup_subdomain = '${subdomain}'; SELECT subdomain FROM healthcare_entities`)).rows;
  expect(await found('clinic-b')).toEqual([{ subdomain: 'clinic-b' }]);
  expect(await found('clinic-%')).toEqual([]);
  expect(await found('')).toEqual([]);
  // To be read, and not to be changed.
  const changed = await asTenant(on, null, `SET LOCAL app.lookup_subdomain = 'clinic-b'; UPDATE healthcare_entities SET name = 'Taken over'`);
  expect(changed.rowCount).toBe(0);
});
