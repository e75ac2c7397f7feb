import { testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import type pg from 'pg';
import { describe, expect, test } from 'vitest';

import { listSource } from '../../src/index.ts';
import { identifier } from '../../src/sql.ts';
import { connectTo, failureOf, rows } from '../support/target.ts';
import { connectIn, databasesOf, tenancyOn, type Mode } from '../support/tenancy.ts';

/** Rows of a tenant's table, as an administrator sees them. */
async function inTenant(db: TestDatabase, mode: Mode, place: string, table: string): Promise<unknown[]> {
  const client = await connectTo(mode === 'schema' ? db.url : db.server.url(place));
  try {
    return (await client.query(`SELECT * FROM ${identifier(mode === 'schema' ? place : 'public')}.${table}`)).rows;
  } finally {
    await client.end();
  }
}

describe.each(['schema', 'database'] as const)('with a %s each', (mode) => {
  test('a tenant is made once, whole and with its first rows, and migrated with the others', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    expect(await tenancy.list()).toEqual([]);
    expect(await tenancy.find('clinic')).toBeNull();
    expect(await rows(db, `SELECT relname FROM pg_class WHERE relname LIKE '%_tenants'`)).toEqual([]);
    let asked = 0;
    const initialise = async (client: unknown, tenant: { id: string; status: string }): Promise<void> => {
      asked++;
      expect(tenant).toMatchObject({ id: 'clinic', status: 'provisioning' });
      await (client as pg.Client).query(`INSERT INTO team_member VALUES (1, 'Dr. Ada') ON CONFLICT DO NOTHING`);
    };
    const made = await tenancy.create('clinic', { initialise });
    expect(made).toMatchObject({ outcome: 'created', tenant: { id: 'clinic', status: 'active', failure: null } });
    expect(await tenancy.create('clinic', { initialise })).toMatchObject({ outcome: 'present', by: null });
    expect(asked).toBe(1);
    expect(await tenancy.list()).toEqual([made.tenant]);
    expect(await inTenant(db, mode, made.tenant.place, 'team_member')).toEqual([{ id: 1, name: 'Dr. Ada' }]);
    expect((await tenancy.fleet().status()).groups.map((group) => [group.tenants, group.status.current?.version, group.status.pending])).toEqual([
      [['clinic'], '0003', []],
    ]);
    expect((await tenancy.fleet().down({ to: '2' })).counts.undone).toBe(1);
    expect((await tenancy.fleet().up()).counts.applied).toBe(1);
    expect(await tenancy.strays()).toEqual({ unknown: [], absent: [] });
  });

  test('one that fails is not active and says why without data; the next call goes on', async () => {
    await using db = await testDatabase();
    const broken = tenancyOn(db, mode, { tenancy: { requiredTables: ['team_member', 'invoice'] } });
    const failure = await failureOf(broken.create('a'));
    expect(failure).toMatchObject({ code: 'verificationFailed', message: expect.stringContaining('invoice') as string });
    expect(await broken.find('a')).toMatchObject({ status: 'failed', failure: expect.stringContaining('invoice') as string });
    const tenancy = tenancyOn(db, mode);
    const fill = (value: string): ((client: unknown) => Promise<void>) => {
      return async (client) => void (await (client as pg.Client).query(`INSERT INTO team_member VALUES ('${value}', 'x')`));
    };
    await failureOf(tenancy.create('a', { initialise: fill('Anna Geheim') }));
    const { status, failure: told } = (await tenancy.find('a')) ?? {};
    expect(status).toBe('failed');
    expect(told).toContain('invalid input syntax');
    expect(told).not.toContain('Geheim');
    expect((await tenancy.fleet().up()).total).toBe(0);
    expect(await tenancy.create('a', { initialise: fill('7') })).toMatchObject({ outcome: 'created', tenant: { status: 'active', failure: null } });
  });

  test('called at once, from several callers, one makes it and all have it', async () => {
    await using db = await testDatabase();
    let initialised = 0;
    const initialise = async (): Promise<void> => void initialised++;
    const callers = Array.from({ length: 5 }, () => tenancyOn(db, mode));
    const made = await Promise.all(callers.map((tenancy) => tenancy.create('clinic', { initialise })));
    expect(initialised).toBe(1);
    expect(made.every(({ tenant }) => tenant.status === 'active')).toBe(true);
    expect(made.some(({ outcome }) => outcome === 'created')).toBe(true);
  });

  test('whoever loses the tenant’s lock makes nothing active', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const cut = async (): Promise<void> =>
      void (await rows(
        db,
        `SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = '${db.name}')`,
      ));
    expect((await failureOf(tenancy.create('a', { initialise: cut }))).code).toBe('connection');
    expect((await tenancy.find('a'))?.status).toBe('provisioning');
    expect(await tenancy.create('a')).toMatchObject({ outcome: 'created', tenant: { status: 'active' } });
  });

  test('first rows are all or nothing, and their transaction is not their business', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const query = (client: unknown, text: string): Promise<unknown> => (client as pg.Client).query(text);
    const commits = async (client: unknown): Promise<void> => void (await query(client, 'COMMIT'));
    expect((await failureOf(tenancy.create('a', { initialise: commits }))).message).toContain('ended the transaction');
    const goesOn = async (client: unknown): Promise<void> => {
      await query(client, `INSERT INTO team_member VALUES (1, 'x')`);
      await query(client, 'SELECT 1/0').catch(() => undefined);
    };
    expect((await failureOf(tenancy.create('a', { initialise: goesOn }))).sqlState).toBe('25P02');
    const throws = async (client: unknown): Promise<void> => {
      await query(client, `INSERT INTO team_member VALUES (1, 'x')`);
      throw new TypeError('Dr. Ada is no member');
    };
    await failureOf(tenancy.create('a', { initialise: throws }));
    expect((await tenancy.find('a'))?.failure).toMatch(/first rows: TypeError$/);
    const { tenant } = await tenancy.create('a');
    expect(await inTenant(db, mode, tenant.place, 'team_member')).toEqual([]);
  });

  test('what is there and is not ours is never touched, nor registered', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const place = mode === 'schema' ? 'foreign' : `${db.name}_foreign`;
    const client = await db.connect();
    await client.query(`CREATE ${mode.toUpperCase()} ${identifier(place)}`);
    expect(await failureOf(tenancy.create('foreign'))).toMatchObject({
      code: 'invalidOptions',
      message: expect.stringContaining('not this tenant’s') as string,
    });
    expect(await tenancy.find('foreign')).toBeNull();
    expect((await failureOf(tenancy.drop('foreign'))).code).toBe('invalidOptions');
    expect((await databasesOf(db)).filter((name) => name.includes('_new_'))).toEqual([]);
  });

  test('a half made tenant whose place somebody else has taken meanwhile lets go of it', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const fail = (): Promise<never> => Promise.reject(new Error('no'));
    for (const end of ['create', 'drop', 'delete'] as const) {
      await failureOf(tenancy.create('half', { initialise: fail }));
      const { place = '' } = (await tenancy.find('half')) ?? {};
      const client = await db.connect();
      const kind = mode.toUpperCase();
      await client.query(`DROP ${kind} ${identifier(place)} ${mode === 'schema' ? 'CASCADE' : 'WITH (FORCE)'}`);
      await client.query(`CREATE ${kind} ${identifier(place)}`);
      const theirs = await connectIn(db, mode === 'schema' ? db.name : place);
      await theirs.query(`CREATE TABLE ${identifier(mode === 'schema' ? place : 'public')}.theirs (id int)`);
      await theirs.end();
      if (end === 'create') expect((await failureOf(tenancy.create('half'))).message).toContain('not this tenant’s');
      else expect(await tenancy.drop('half', { mode: end === 'drop' ? 'archive' : 'delete' })).toMatchObject({ place, status: 'failed', outcome: 'forgotten' });
      expect(await inTenant(db, mode, place, 'theirs')).toEqual([]);
      expect(await tenancy.find('half')).toBeNull();
      await client.query(`DROP ${kind} ${identifier(place)} ${mode === 'schema' ? 'CASCADE' : 'WITH (FORCE)'}`);
    }
  });

  test('dropped, it is kept under another name, with everything in it, until that is deleted', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const initialise = async (client: unknown): Promise<void> => void (await (client as pg.Client).query(`INSERT INTO team_member VALUES (1, 'x')`));
    const { tenant } = await tenancy.create('clinic', { initialise });
    // A session of the application must not keep it.
    const user = await connectTo(mode === 'schema' ? db.url : db.server.url(tenant.place));
    user.on('error', () => undefined);
    const archived = await tenancy.drop('clinic');
    await user.end().catch(() => undefined);
    expect(archived).toMatchObject({ status: 'archived', outcome: 'archived' });
    expect(archived.place).toMatch(/clinic_archived_\d{8}_[0-9a-f]{10}$/);
    expect(await inTenant(db, mode, archived.place, 'team_member')).toHaveLength(1);
    expect(await tenancy.drop('clinic')).toEqual(archived);
    expect((await tenancy.fleet().up()).total).toBe(0);
    expect(await tenancy.strays()).toEqual({ unknown: [], absent: [] });
    expect((await failureOf(tenancy.create('clinic'))).message).toContain('was dropped');
    await tenancy.drop('clinic', { mode: 'delete' });
    expect(await tenancy.find('clinic')).toBeNull();
    expect((await databasesOf(db)).filter((name) => !name.includes('_tpl_'))).toEqual([]);
    expect((await tenancy.create('clinic')).outcome).toBe('created');
    expect(await tenancy.drop('clinic', { mode: 'delete' })).toMatchObject({ status: 'active', outcome: 'deleted' });
    expect(await tenancy.list()).toEqual([]);
    expect((await failureOf(tenancy.drop('clinic'))).message).toContain('there is none');
  });

  test('strays of both kinds are found', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const [a, b, c] = [await tenancy.create('a'), await tenancy.create('b'), await tenancy.create('c')].map((made) => made.tenant);
    const client = await db.connect();
    await client.query(`DELETE FROM schema_migrations_test_tenants WHERE id = 'a'`);
    await client.query(mode === 'schema' ? `DROP SCHEMA b CASCADE` : `DROP DATABASE ${identifier(b?.place ?? '')}`);
    expect(await tenancy.strays()).toEqual({ unknown: [a?.place], absent: [b] });
    expect((await failureOf(tenancy.create('a'))).message).toContain('there already');
    // Gone without us: nothing is left but its name, which is forgotten when somebody says so.
    expect((await failureOf(tenancy.drop('b'))).message).toContain('is not on the server');
    await tenancy.drop('b', { mode: 'delete' });
    expect((await tenancy.list()).map((one) => one.id)).toEqual(['c']);
    expect(c?.status).toBe('active');
  });

  test('the application’s role may use a new tenant, and nobody else', async () => {
    await using db = await testDatabase();
    await using role = await testRole();
    await using other = await testRole();
    const { tenant } = await tenancyOn(db, mode, { applicationRole: role.name }).create('clinic');
    const kind = mode === 'schema' ? `has_schema_privilege(r, '${tenant.place}', 'USAGE')` : `has_database_privilege(r, '${tenant.place}', 'CONNECT')`;
    expect(await rows(db, `SELECT ${kind} AS may FROM unnest(ARRAY['${role.name}', '${other.name}']) WITH ORDINALITY u(r, n) ORDER BY n`)).toEqual([
      { may: true },
      { may: false },
    ]);
  });

  test('extensions are installed once, beside the tenants and on their search path', async () => {
    await using db = await testDatabase();
    const source = listSource([{ version: '1', description: 'note', up: 'CREATE TABLE note (mail citext PRIMARY KEY)', down: 'DROP TABLE note' }]);
    const tenancy = tenancyOn(db, mode, { tenancy: { extensions: ['citext'], source, requiredTables: ['note'] } });

    const tenants = [(await tenancy.create('a')).tenant, (await tenancy.create('b')).tenant];
    for (const { place } of tenants) {
      const client = await connectTo(mode === 'schema' ? db.url : db.server.url(place));
      const { rows: found } = await client.query(`SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'citext'`);
      expect(found).toEqual([{ nspname: 'extensions' }]);
      await client.end();
    }
    expect((await tenancy.fleet().up()).counts.upToDate).toBe(2);
  });
});
