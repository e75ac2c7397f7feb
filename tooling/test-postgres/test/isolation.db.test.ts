/** What finds faults must find them: tables made wrong on purpose, one way each. */

import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';

import { isolationFaults, type IsolatedSchema, probeIsolation, testDatabase, testRole, testTenants } from '../src/index.ts';

const [one, other] = testTenants;

/** A table `t` as it must be; each test makes it worse. */
const SOUND = (role: string): string => `
  CREATE FUNCTION get_current_tenant_id() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.current_tenant_id', true), '')::uuid $$;
  CREATE FUNCTION create_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
  CREATE TABLE t (tenant_id uuid NOT NULL, note text);
  CREATE INDEX t_tenant_idx ON t (tenant_id);
  ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
  CREATE POLICY tenant_isolation ON t USING (tenant_id = get_current_tenant_id()) WITH CHECK (tenant_id = get_current_tenant_id());
  CREATE TRIGGER t_audit AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION create_audit_entry();
  GRANT SELECT, INSERT, UPDATE, DELETE ON t TO ${role};
  INSERT INTO t VALUES ('${one.id}', 'one'), ('${other.id}', 'other');`;

const ways: readonly (readonly [worse: (role: string) => string, faults: readonly string[]])[] = [
  [() => '', []],
  [() => 'ALTER TABLE t DISABLE ROW LEVEL SECURITY', ['t: row-level security is not enabled']],
  [() => 'ALTER TABLE t NO FORCE ROW LEVEL SECURITY', ['t: row-level security is not forced']],
  [() => 'ALTER TABLE t ALTER tenant_id DROP NOT NULL', ['t: has no tenant_id NOT NULL']],
  [() => 'DROP INDEX t_tenant_idx; CREATE INDEX ON t (tenant_id) WHERE note IS NULL', ['t: has no whole index that leads with tenant_id']],
  [() => 'DROP POLICY tenant_isolation ON t', ['t: has no policy for all commands with USING and WITH CHECK on the tenant']],
  [() => 'ALTER POLICY tenant_isolation ON t WITH CHECK (true)', ['t: has no policy for all commands with USING and WITH CHECK on the tenant']],
  [() => 'DROP TRIGGER t_audit ON t', ['t: is not audited']],
  [() => 'ALTER TABLE t DISABLE TRIGGER t_audit', ['t: is not audited']],
  [
    () => 'DROP TRIGGER t_audit ON t; CREATE TRIGGER t_audit AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION create_audit_entry()',
    ['t: is not audited'],
  ],
  [(role) => `GRANT TRUNCATE ON t TO ${role}`, ['t: ROLE may TRUNCATE it']],
  [(role) => `ALTER TABLE t OWNER TO ${role}`, ['t: is owned by ROLE', 't: ROLE may TRUNCATE it', 'ROLE owns something']],
  [(role) => `ALTER ROLE ${role} BYPASSRLS`, ['ROLE has BYPASSRLS']],
  [(role) => `GRANT CREATE ON SCHEMA public TO ${role}`, ['ROLE may create in the schema']],
  [(role) => `GRANT pg_read_all_data TO ${role}`, ['ROLE is a member of other roles']],
  [() => 'CREATE VIEW v AS SELECT * FROM t', ['v: is no plain table']],
];

test.each(ways)('a schema made worse is found out: %s', async (worse, faults) => {
  await using role = await testRole({ label: `isolation_${randomBytes(2).toString('hex')}` });
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query(`${SOUND(role.name)} ${worse(role.name)}`);
  const on: IsolatedSchema = { client, schema: 'public', role: role.name, exclude: [] };
  const found = (await isolationFaults(on)).map((fault) => fault.replaceAll(role.name, 'ROLE'));
  expect(faults.filter((fault) => !found.includes(fault))).toEqual([]);
  if (faults.length === 0) expect(found).toEqual([]);
});

test('rows that another tenant can reach are counted', async () => {
  await using role = await testRole({ label: 'isolation' });
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query(`${SOUND(role.name)} CREATE POLICY everybody ON t USING (true)`);
  expect(await probeIsolation({ client, schema: 'public', role: role.name, exclude: [] })).toEqual([
    {
      table: 't',
      own: 1,
      seen: 2,
      foreignSeen: 1,
      foreignChanged: 1,
      foreignDeleted: 1,
      foreignInserted: null,
      seenByNobody: 2,
      seenByEmpty: 2,
      truncated: '42501',
    },
  ]);
});
