import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { runOn, testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import { describe, expect, test } from 'vitest';

import { createTenancy, describeDifference, diffCatalogs, listSource, readCatalog, type Tenancy } from '../../src/index.ts';
import { directorySource } from '../../src/source/directory.ts';
import { identifier } from '../../src/sql.ts';
import { readCatalogOf } from '../support/catalog.ts';
import { clinicSource, firstRow, required } from '../support/clinic.ts';
import { connectTo, failureOf, folder, rows } from '../support/target.ts';
import { contentsOf, databasesOf, tenancyOn, type Mode, type TenancyChanges } from '../support/tenancy.ts';

function withSpares(db: TestDatabase, mode: Mode, spares: number, { tenancy, ...others }: TenancyChanges = {}): Tenancy {
  return tenancyOn(db, mode, { ...others, tenancy: { ...tenancy, spares } });
}

/** Names and oids of the spares that are there, also half made ones. */
async function sparesOf(db: TestDatabase, mode: Mode): Promise<{ name: string; oid: string }[]> {
  return mode === 'schema'
    ? rows(db, `SELECT nspname AS name, oid::text FROM pg_namespace WHERE nspname LIKE 'test\\_spare\\_%' ORDER BY 1`)
    : rows(db, `SELECT datname AS name, oid::text FROM pg_database WHERE starts_with(datname, '${db.name}_spare_') ORDER BY 1`);
}

/** By tenant: the oid of what was made for it. */
async function madeAs(db: TestDatabase): Promise<Map<string, string>> {
  const found = await rows<{ id: string; oid: string }>(db, 'SELECT id, made_as::text AS oid FROM schema_migrations_test_tenants');
  return new Map(found.map(({ id, oid }) => [id, oid]));
}

const manyKinds: ReturnType<typeof listSource> = listSource([
  {
    version: '0001',
    description: 'all kinds',
    up: `CREATE TYPE mood AS ENUM ('well', 'ill'); CREATE SEQUENCE public.codes START 7; CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
      CREATE TABLE public.patient (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code bigint DEFAULT nextval('public.codes'), mood mood DEFAULT 'well', name short);
      CREATE TABLE public.visit (id serial PRIMARY KEY, patient int REFERENCES public.patient, at timestamptz) ;
      CREATE INDEX ON visit (at) WHERE patient IS NOT NULL; ALTER TABLE visit ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON visit USING (patient = (SELECT max(id) FROM patient)); CREATE VIEW well AS SELECT * FROM patient WHERE mood = 'well';
      CREATE FUNCTION public.add() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.patient DEFAULT VALUES; RETURN currval('public.codes'); END $$;
      CREATE FUNCTION public.patients() RETURNS bigint LANGUAGE sql STABLE SET search_path = public AS 'SELECT count(*) FROM patient';
      CREATE PROCEDURE public.clean() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.visit; END $$;
      CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$;
      CREATE TRIGGER stamp BEFORE INSERT ON visit FOR EACH ROW EXECUTE FUNCTION stamp();
      COMMENT ON FUNCTION public.add() IS 'one more'; REVOKE ALL ON FUNCTION public.add() FROM PUBLIC; INSERT INTO patient (name) VALUES ('Ada')`,
    down: 'SELECT 1',
  },
]);

describe.each(['schema', 'database'] as const)('with a %s each', (mode: Mode) => {
  test('a tenant from a spare is what its migrations make, and one that was copied', async () => {
    await using application = await testRole();
    await using db = await testDatabase();
    await using other = await testDatabase();
    const changes = { applicationRole: application.name, tenancy: { source: manyKinds, requiredTables: ['patient', 'visit'], extensions: ['citext'] } };
    const tenancy = withSpares(db, mode, 2, changes);
    expect(await tenancy.prepareSpares()).toEqual({ ready: 2, made: 2, dropped: 0, error: null });
    const before = await sparesOf(db, mode);
    const enter =
      mode === 'schema'
        ? `has_schema_privilege($1, oid, 'USAGE') AS may FROM pg_namespace WHERE nspname`
        : `has_database_privilege($1, oid, 'CONNECT') AS may FROM pg_database WHERE datname`;
    const mayEnter = (name: string): Promise<{ may: boolean }[]> => rows(db, `SELECT ${enter.replace('$1', `'${application.name}'`)} = '${name}'`);
    expect(await mayEnter(before[0]?.name ?? '')).toEqual([{ may: false }]);
    const made = await tenancy.create('a');
    expect(await mayEnter(made.tenant.place)).toEqual([{ may: true }]);
    expect(made).toMatchObject({ outcome: 'created', by: 'template', tenant: { status: 'active', failure: null } });
    expect(before.map(({ oid }) => oid)).toContain((await madeAs(db)).get('a'));
    expect(await tenancy.spares()).toEqual({ wanted: 2, ready: 1 });
    const copied = await withSpares(db, mode, 0, changes).create('b');
    const places = [made.tenant.place, copied.tenant.place] as const;
    if (mode === 'schema') {
      const client = await db.connect();
      await client.query(`CREATE SCHEMA replayed; GRANT USAGE ON SCHEMA replayed TO ${identifier(application.name)}`);
      await (await tenancy.fleet().migrator(tenancy.target({ ...made.tenant, id: 'replayed', place: 'replayed' }))).up();
      const original = await readCatalog(client, { schema: 'replayed' });
      for (const schema of places) {
        const catalog = await readCatalog(client, { schema });
        expect(diffCatalogs(original, catalog).map(describeDifference)).toEqual([]);
        expect(catalog.text).not.toContain('spare');
      }
      const acl = await client.query(
        `SELECT nspacl::text, nspowner, obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE nspname = ANY ($1)`,
        [places],
      );
      expect(acl.rows[0]).toEqual(acl.rows[1]);
      const { rows: bodies } = await client.query(`SELECT prosrc || coalesce(proconfig::text, '') AS text FROM pg_proc WHERE pronamespace = 'a'::regnamespace`);
      expect(JSON.stringify(bodies)).not.toMatch(/spare|_tpl_/);
      expect((await client.query('SELECT a.add()')).rows).toEqual([{ add: '8' }]);
      expect((await client.query('SELECT a.patients()')).rows).toEqual([{ patients: '2' }]);
    } else {
      const replay = tenancyOn(other, mode, changes).fleet();
      await runOn(
        other.server,
        `CREATE SCHEMA extensions; GRANT USAGE ON SCHEMA extensions TO ${identifier(application.name)}; CREATE EXTENSION citext SCHEMA extensions`,
        other.name,
      );
      await (await replay.migrator({ tenant: 'replayed', database: other.name, searchPath: ['extensions'] })).up();
      const [spare, copy] = await Promise.all(places.map((place) => readCatalogOf(db.server.url(place))));
      expect(spare).toBe(copy);
      expect(spare).toBe((await readCatalogOf(other.url)).replaceAll(other.name, db.name));
      const { rows: kept } = await runOn(
        db.server,
        `SELECT datacl::text, datdba, datistemplate, datallowconn, shobj_description(d.oid, 'pg_database') AS comment, setconfig FROM pg_database d
 LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid WHERE datname IN ('${places.join(`', '`)}')`,
      );
      expect(kept[0]).toEqual(kept[1]);
    }
    const migrator = await tenancy.fleet().migrator(tenancy.target(made.tenant));
    expect((await migrator.up()).outcome).toBe('upToDate');
    expect((await migrator.log()).map(({ action, detail }) => [action, detail?.replace(/_tpl_.*/, '')])).toContainEqual([
      'clone',
      expect.stringMatching(/^cloned from /) as string,
    ]);
    expect((await tenancy.drop('a')).status).toBe('archived');
    expect((await tenancy.restore('a')).status).toBe('active');
    await tenancy.drop('a', { mode: 'delete' });
    expect(await tenancy.strays()).toEqual({ unknown: mode === 'schema' ? ['replayed'] : [], absent: [] });
    // What the role has rights on goes before it does.
    for (const name of await databasesOf(db)) {
      await runOn(db.server, `ALTER DATABASE ${identifier(name)} IS_TEMPLATE false`);
      await runOn(db.server, `DROP DATABASE ${identifier(name)} WITH (FORCE)`);
    }
  });

  test('fifty sign-ups at once: each spare is one tenant’s, and the others are copies', async () => {
    await using db = await testDatabase();
    const [one, two] = [withSpares(db, mode, 5), withSpares(db, mode, 5)];
    const [first, second] = await Promise.all([one.prepareSpares(), two.prepareSpares()]);
    expect([first.made + second.made, first.ready, second.ready, first.error, second.error]).toEqual([5, 5, 5, null, null]);
    const before = (await sparesOf(db, mode)).map(({ oid }) => oid);
    const count = mode === 'schema' ? 50 : 20;
    const made = await Promise.all(
      Array.from({ length: count }, (_, index) => (index % 2 === 0 ? one : two).create(`c${index}`, index % 3 === 0 ? { initialise: firstRow } : {})),
    );
    expect(new Set(made.map(({ by, tenant }) => `${by} ${tenant.status}`))).toEqual(new Set(['template active']));
    const after = await madeAs(db);
    expect(new Set(after.values()).size).toBe(count);
    expect([...after.values()].filter((oid) => before.includes(oid))).toHaveLength(5);
    expect(await sparesOf(db, mode)).toEqual([]);
    for (const index of [0, 1, 3, count - 1]) {
      const team = index % 3 === 0 ? 1 : 0;
      expect(await contentsOf(db, mode, made[index]?.tenant.place ?? '')).toEqual({ migrations: 3, tables: 3, team });
    }
    expect(await one.strays()).toEqual({ unknown: [], absent: [] });
  }, 120_000);

  test('a spare of other migrations, or without a table that is required now, is nobody’s, and is replaced', async () => {
    await using db = await testDatabase();
    const old = withSpares(db, mode, 2);
    await old.prepareSpares();
    const before = (await sparesOf(db, mode)).map(({ oid }) => oid);
    const source = listSource([{ version: '0001', description: 'other', up: 'CREATE TABLE other (id int)', down: 'DROP TABLE other' }]);
    const changes = { tenancy: { source, requiredTables: ['other'] } };
    const now = withSpares(db, mode, 1, changes);
    expect(await now.spares()).toEqual({ wanted: 1, ready: 0 });
    await now.create('a');
    expect(before).not.toContain((await madeAs(db)).get('a'));
    expect(await now.prepareSpares()).toEqual({ ready: 1, made: 1, dropped: 2, error: null });
    expect(await now.prepareSpares()).toEqual({ ready: 1, made: 0, dropped: 0, error: null });
    const [spare] = await sparesOf(db, mode);
    expect(before).not.toContain(spare?.oid);
    expect(await now.strays()).toEqual({ unknown: [], absent: [] });
    // The same template; its copy has to have more.
    const more = withSpares(db, mode, 1, { tenancy: { source, requiredTables: ['other', 'absent'] } });
    expect(await more.spares()).toEqual({ wanted: 1, ready: 0 });
    const failed = await more.prepareSpares();
    expect(failed).toMatchObject({ ready: 0, made: 0, dropped: 1 });
    expect(failed.error?.message).toContain('absent');
    expect(await sparesOf(db, mode)).toEqual([]);
  });

  test('builds of two releases that make theirs at the same time both come to an end', async () => {
    await using db = await testDatabase();
    const source = listSource([{ version: '0001', description: 'other', up: 'CREATE TABLE other (id int)', down: 'DROP TABLE other' }]);
    const builds = [withSpares(db, mode, 3), withSpares(db, mode, 3, { tenancy: { source, requiredTables: ['other'] } })];
    for (const before of builds) {
      await before.prepareSpares();
      const ended = await Promise.all([...builds, ...builds].map((one) => one.prepareSpares()));
      expect(ended.map(({ error }) => error)).toEqual([null, null, null, null]);
      expect((await sparesOf(db, mode)).filter(({ name }) => name.endsWith('_new'))).toEqual([]);
    }
    expect(await builds[1]?.prepareSpares()).toMatchObject({ ready: 3, error: null });
    expect(await sparesOf(db, mode)).toHaveLength(3);
  });

  test('spares are made before there is a registry, wherever that is going to be', async () => {
    await using db = await testDatabase();
    const tenancy = withSpares(db, mode, 1, { history: { schema: 'ops' } });
    expect(await tenancy.prepareSpares()).toEqual({ ready: 1, made: 1, dropped: 0, error: null });
    expect(await tenancy.list()).toEqual([]);
    await tenancy.create('a');
    expect(await tenancy.spares()).toEqual({ wanted: 1, ready: 0 });
    expect((await tenancy.fleet().up()).counts.upToDate).toBe(1);
  });

  test('what spares lack at a service’s start keeps no tenant from being made when it is there', async () => {
    await using db = await testDatabase();
    await using files = await folder({ '0001_team.sql': '-- migrate: requires=user@0001\nCREATE TABLE team (id int);\n' });
    const source = directorySource(files.path);
    let asked = 0;
    const requirements = async (): Promise<readonly string[]> => {
      if (asked++ > 0) return ['0001_user'];
      await sleep(500);
      return [];
    };
    const tenancy = withSpares(db, mode, 1, { requirements, tenancy: { source, requiredTables: ['team'] } });
    const preparing = tenancy.prepareSpares();
    await expect.poll(() => asked).toBe(1);
    const [{ tenant, by }, { error }] = await Promise.all([tenancy.create('a'), preparing]);
    expect([tenant.status, by]).toEqual(['active', 'template']);
    expect(error).toMatchObject({ code: 'unmetRequirement' });
    expect(await tenancy.prepareSpares()).toEqual({ ready: 1, made: 1, dropped: 0, error: null });
  });

  test('lowered to fewer, the others are dropped; lowered to none, all of them', async () => {
    await using db = await testDatabase();
    expect(await withSpares(db, mode, 3).prepareSpares()).toMatchObject({ ready: 3, made: 3 });
    const [oldest] = (await sparesOf(db, mode)).toSorted((a, b) => Number(a.oid) - Number(b.oid));
    expect(await withSpares(db, mode, 1).prepareSpares()).toEqual({ ready: 1, made: 0, dropped: 2, error: null });
    expect(await sparesOf(db, mode)).toEqual([oldest]);
    const none = withSpares(db, mode, 0);
    await none.create('a');
    expect(await sparesOf(db, mode)).toEqual([oldest]);
    expect(await none.prepareSpares()).toEqual({ ready: 0, made: 0, dropped: 1, error: null });
    expect([await sparesOf(db, mode), await none.spares()]).toEqual([[], { wanted: 0, ready: 0 }]);
  });

  test('a place that is somebody else’s is refused, and the spare waits for another tenant', async () => {
    await using db = await testDatabase();
    const tenancy = withSpares(db, mode, 1);
    await tenancy.prepareSpares();
    await runOn(db.server, `CREATE ${mode} ${mode === 'schema' ? 'taken' : `${db.name}_taken`}`, db.name);
    expect((await failureOf(tenancy.create('taken'))).message).toContain('is there already');
    expect((await failureOf(tenancy.create('taken', { initialise: firstRow }))).message).toContain('is there already');
    expect(await tenancy.spares()).toEqual({ wanted: 1, ready: 1 });
    expect((await tenancy.list()).map(({ id }) => id)).toEqual([]);
  });

  test('what somebody else made under a spare’s name is nobody’s', async () => {
    await using stranger = await testRole({ attributes: 'NOSUPERUSER' });
    await using db = await testDatabase();
    const tenancy = withSpares(db, mode, 1);
    await tenancy.prepareSpares();
    const [spare] = await sparesOf(db, mode);
    const change = `ALTER ${mode} ${identifier(spare?.name ?? '')} OWNER TO`;
    await runOn(db.server, `${change} ${identifier(stranger.name)}`, db.name);
    expect(await tenancy.spares()).toEqual({ wanted: 1, ready: 0 });
    await tenancy.create('a');
    expect((await madeAs(db)).get('a')).not.toBe(spare?.oid);
    await runOn(db.server, `${change} CURRENT_USER`, db.name);
  });

  test('a tenant that gets its first rows after it got a spare, and failed at that, is gone on with', async () => {
    await using db = await testDatabase();
    const tenancy = withSpares(db, mode, 1);
    await tenancy.prepareSpares();
    const [spare] = await sparesOf(db, mode);
    const failing = tenancy.create('a', { initialise: () => Promise.reject(new Error('no')) });
    expect((await failureOf(failing)).message).toContain('first rows');
    expect(await tenancy.find('a')).toMatchObject({ status: 'failed' });
    await tenancy.prepareSpares();
    const { tenant } = await tenancy.create('a', { initialise: firstRow });
    expect([tenant.status, (await madeAs(db)).get('a')]).toEqual(['active', spare?.oid]);
    expect(await contentsOf(db, mode, tenant.place)).toEqual({ migrations: 3, tables: 3, team: 1 });
    expect(await tenancy.spares()).toEqual({ wanted: 1, ready: 1 });
  });

  test('a stop ends the making, and is told', async () => {
    await using db = await testDatabase();
    const tenancy = withSpares(db, mode, 1);
    expect(await tenancy.prepareSpares({ signal: AbortSignal.abort() })).toMatchObject({ ready: 0, made: 0, error: { code: 'aborted' } });
    expect(await sparesOf(db, mode)).toEqual([]);
  });
});

test('a database that somebody is connected to waits for another tenant', async () => {
  await using db = await testDatabase();
  const tenancy = withSpares(db, 'database', 1);
  await tenancy.prepareSpares();
  const [spare] = await sparesOf(db, 'database');
  const monitor = await connectTo(db.server.url(spare?.name ?? ''));
  await tenancy.create('a');
  expect((await madeAs(db)).get('a')).not.toBe(spare?.oid);
  await monitor.end();
  expect((await databasesOf(db)).filter((name) => name.includes('_spare_'))).toEqual([spare?.name]);
});

test('where no copy can be made of a schema, there are no spares, and that is told', async () => {
  await using db = await testDatabase();
  const source = listSource([
    { version: '0001', description: 'operator', up: `CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); CREATE TABLE t (id int)` },
  ]);
  const tenancy = withSpares(db, 'schema', 1, { tenancy: { source, requiredTables: ['t'] } });
  const { error, ...counts } = await tenancy.prepareSpares();
  expect(counts).toEqual({ ready: 0, made: 0, dropped: 0 });
  expect(error?.message).toContain('===(integer,integer)');
  expect(await tenancy.create('a')).toMatchObject({ by: 'replay', tenant: { status: 'active' } });
});

test.each([-1, 51, 1.5, Number.NaN])('%s is no number of spares', (spares) => {
  const connect = (): Promise<never> => Promise.reject(new Error(randomUUID()));
  expect(() => createTenancy({ service: 'test', tenancy: { mode: 'schema', source: clinicSource, requiredTables: required, spares }, connect })).toThrow(
    /tenancy\.spares/,
  );
});
