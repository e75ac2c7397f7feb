import { setTimeout as sleep } from 'node:timers/promises';

import { runOn, testDatabase, testRole } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';

import { identifier } from '../../src/sql.ts';
import { firstRow } from '../support/clinic.ts';
import { failureOf } from '../support/target.ts';
import { contentsOf, databasesOf, tenancyOn, type Mode } from '../support/tenancy.ts';

const connectAs =
  ({ host, port }: { readonly host: string; readonly port: number }, as: { readonly name: string; readonly password: string }, service: string) =>
  async (database: string | null): Promise<pg.Client> => {
    const client = new pg.Client({ host, port, user: as.name, password: as.password, database: database ?? service });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };

test.each(['schema', 'database'] as const)('with a %s each: the role that migrates needs no more than to make them', async (mode: Mode) => {
  await using migrator = await testRole({ attributes: mode === 'database' ? 'NOSUPERUSER CREATEDB' : 'NOSUPERUSER' });
  await using application = await testRole();
  await using db = await testDatabase();
  await runOn(db.server, `ALTER DATABASE ${identifier(db.name)} OWNER TO ${identifier(migrator.name)}`);
  await runOn(db.server, `ALTER SCHEMA public OWNER TO ${identifier(migrator.name)}`, db.name);
  const tenancy = tenancyOn(db, mode, { connect: connectAs(db.server, migrator, db.name), applicationRole: application.name });
  const { tenant } = await tenancy.create('clinic', { initialise: firstRow });
  expect(await contentsOf(db, mode, tenant.place)).toEqual({ migrations: 3, tables: 3, team: 1 });
  await tenancy.create('other');
  // It may not end the application's session, and waits for it.
  const user = await connectAs(db.server, application, db.name)(mode === 'schema' ? null : tenant.place);
  const dropping = tenancy.drop('clinic');
  await sleep(500);
  await user.end();
  expect((await dropping).status).toBe('archived');
  await tenancy.drop('clinic', { mode: 'delete' });
  expect((await tenancy.list()).map((one) => one.id)).toEqual(['other']);
  await tenancy.drop('other', { mode: 'delete' });
  // What the role owns goes before it does.
  for (const name of await databasesOf(db)) {
    await runOn(db.server, `ALTER DATABASE ${identifier(name)} IS_TEMPLATE false`);
    await runOn(db.server, `DROP DATABASE ${identifier(name)}`);
  }
  await runOn(db.server, `ALTER DATABASE ${identifier(db.name)} OWNER TO CURRENT_USER`);
});

test.each(['schema', 'database'] as const)('with a %s each: a role that may not make them is told what it needs', async (mode: Mode) => {
  await using role = await testRole();
  await using db = await testDatabase();
  await runOn(db.server, `GRANT CREATE ON SCHEMA public TO ${identifier(role.name)}`, db.name);
  const tenancy = tenancyOn(db, mode, { connect: connectAs(db.server, role, db.name) });
  const failure = await failureOf(tenancy.create('clinic'));
  expect(failure).toMatchObject({ sqlState: '42501', hint: expect.stringContaining(mode === 'schema' ? 'CREATE on the database' : 'CREATEDB') as string });
  expect(await tenancy.find('clinic')).toMatchObject({ status: 'failed', failure: expect.stringContaining('permission denied') as string });
});

test.each(['schema', 'database'] as const)('with a %s each: a role that did not make a tenant is told that only its owner puts it away', async (mode: Mode) => {
  await using role = await testRole();
  await using db = await testDatabase();
  await tenancyOn(db, mode).create('clinic');
  await runOn(db.server, `GRANT SELECT, INSERT, UPDATE ON schema_migrations_test_tenants TO ${identifier(role.name)}`, db.name);
  const failure = await failureOf(tenancyOn(db, mode, { connect: connectAs(db.server, role, db.name) }).drop('clinic'));
  expect(failure).toMatchObject({ sqlState: '42501', hint: expect.stringContaining('connect as the role that made it') as string });
  expect(await tenancyOn(db, mode).find('clinic')).toMatchObject({ status: 'active' });
  await runOn(db.server, `REVOKE ALL ON schema_migrations_test_tenants FROM ${identifier(role.name)}`, db.name);
});

test('a registry that somebody else made is not written into', async () => {
  await using stranger = await testRole();
  await using migrator = await testRole();
  await using db = await testDatabase();
  await runOn(db.server, `GRANT CREATE ON DATABASE ${identifier(db.name)} TO ${identifier(migrator.name)}`);
  await runOn(db.server, `GRANT CREATE ON SCHEMA public TO PUBLIC`, db.name);
  const planted = await connectAs(db.server, stranger, db.name)(null);
  await planted.query(
    `CREATE TABLE schema_migrations_test_tenants (id text, place text, kind text, status text, failure text, made_as oid, transit text, made_by text, created_at timestamptz, updated_at timestamptz);
     GRANT ALL ON schema_migrations_test_tenants TO PUBLIC`,
  );
  await planted.end();
  const tenancy = tenancyOn(db, 'schema', { connect: connectAs(db.server, migrator, db.name) });
  expect((await failureOf(tenancy.create('clinic'))).message).toContain(`the registry of tenants is not this role's`);
});
