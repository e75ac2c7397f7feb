import { runOn, startServer, testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { describeDifference, diffCatalogs, listSource, readCatalog } from '../../src/index.ts';
import { clinicSource, required } from '../support/clinic.ts';
import { tenancyOn } from '../support/tenancy.ts';
import { connectTo, rows } from '../support/target.ts';

const templates = `SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'test\\_tpl\\_%' ORDER BY oid`;

test('a new tenant is a copy of what the migrations make, with their rows, their sequences and a history of its own', async () => {
  await using db = await testDatabase();
  const source = listSource([
    ...(await listed()),
    {
      version: '0004',
      description: 'countries',
      up: `CREATE TABLE country (id serial PRIMARY KEY, code text NOT NULL UNIQUE); INSERT INTO country (code) VALUES ('CA'), ('MA');
        CREATE FUNCTION here() RETURNS text LANGUAGE sql SET search_path FROM CURRENT AS 'SELECT current_schema()::text'`,
      down: 'DROP TABLE country; DROP FUNCTION here()',
    },
  ]);
  const tenancy = tenancyOn(db, 'schema', { tenancy: { source, requiredTables: [...required, 'country'] } });
  const made = await tenancy.create('a "quoted" one');
  expect(made.by).toBe('template');
  const client = await db.connect();
  const { rows: templateRows } = await client.query(templates);
  expect(templateRows).toHaveLength(1);
  // Beside it, one by its migrations alone.
  await client.query('CREATE SCHEMA replayed');
  await (await tenancy.fleet().migrator({ tenant: 'replayed', schema: 'replayed' })).up();
  const copy = await readCatalog(client, { schema: 'a "quoted" one' });
  expect(diffCatalogs(await readCatalog(client, { schema: 'replayed' }), copy).map(describeDifference)).toEqual([]);
  expect((await client.query('SELECT id, code FROM "a ""quoted"" one".country ORDER BY id')).rows).toEqual([
    { id: 1, code: 'CA' },
    { id: 2, code: 'MA' },
  ]);
  expect((await client.query(`INSERT INTO "a ""quoted"" one".country (code) VALUES ('FR') RETURNING id`)).rows).toEqual([{ id: 3 }]);
  expect((await client.query('SELECT "a ""quoted"" one".here()')).rows).toEqual([{ here: 'a "quoted" one' }]);
  const { rows: log } = await client.query('SELECT action, name, detail FROM "a ""quoted"" one".schema_migrations_test_log');
  expect(log).toEqual([{ action: 'clone', name: '0004_countries', detail: `cloned from ${templateRows[0].name}` }]);
  const migrator = await tenancy.fleet().migrator(tenancy.target(made.tenant));
  expect((await migrator.up()).outcome).toBe('upToDate');
  expect((await migrator.down({ steps: 2 })).undone.map((step) => step.version)).toEqual(['0004', '0003']);
  expect((await migrator.up()).applied).toHaveLength(2);
  expect(await tenancy.strays()).toEqual({ unknown: ['replayed'], absent: [] });
});

async function listed(): Promise<{ version: string; description: string; up: string; down: string }[]> {
  const { migrations } = await clinicSource.list();
  const compiled = await clinicSource.compile(migrations.map((one) => one.name));
  return compiled.map(({ up, down }, index) => ({
    version: migrations[index]?.version ?? '',
    description: migrations[index]?.description ?? '',
    up: up.kind === 'sql' ? up.sql : '',
    down: down?.kind === 'sql' ? down.sql : '',
  }));
}

test('fifty sign-ups at once: fifty active tenants from one template', async () => {
  await using db = await testDatabase();
  const [one, two] = [tenancyOn(db, 'schema'), tenancyOn(db, 'schema')];
  const made = await Promise.all(Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? one : two).create(`clinic_${index}`)));
  expect(new Set(made.map(({ by }) => by))).toEqual(new Set(['template']));
  expect((await one.list()).filter((tenant) => tenant.status === 'active')).toHaveLength(50);
  expect(await rows(db, templates)).toHaveLength(1);
});

test('another state of the source gets another template, and of older ones the newest stays', async () => {
  await using db = await testDatabase();
  const more = await listed();
  for (const count of [1, 2, 3]) {
    const tenancy = tenancyOn(db, 'schema', { tenancy: { source: listSource(more.slice(0, count)), requiredTables: [] } });
    expect((await tenancy.create(`with_${count}`)).by).toBe('template');
  }
  expect(await rows(db, templates)).toHaveLength(2);
});

test('what a copy could not have is replayed', async () => {
  await using db = await testDatabase();
  const source = listSource([
    { version: '0001', description: 'operator', up: `CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); CREATE TABLE t (id int)` },
  ]);
  const tenancy = tenancyOn(db, 'schema', { tenancy: { source, requiredTables: ['t'] } });
  expect((await tenancy.create('one')).by).toBe('replay');
  expect((await tenancyOn(db, 'schema', { tenancy: { source, requiredTables: ['t'] } }).create('two')).by).toBe('replay');
  expect((await rows(db, `SELECT script FROM ${(await rows<{ name: string }>(db, templates))[0]?.name}.schema_migrations_test_tpl`))[0]).toMatchObject({
    script: expect.stringContaining('===(integer,integer)'),
  });
});

test('a migration that fails is told of the tenant, not of the template', async () => {
  await using db = await testDatabase();
  const source = listSource([{ version: '0001', description: 'wrong', up: 'CREATE TABLE t (id nothing)' }]);
  const tenancy = tenancyOn(db, 'schema', { tenancy: { source, requiredTables: [] } });
  await expect(tenancy.create('one')).rejects.toThrow(/one.*type "nothing" does not exist|type "nothing" does not exist/);
  expect(await tenancy.list()).toMatchObject([{ id: 'one', status: 'failed' }]);
  expect(await rows(db, templates)).toEqual([]);
});

test('a copy that was cut off between its transactions is begun again', async () => {
  await using db = await testDatabase();
  const tenancy = tenancyOn(db, 'schema');
  await tenancy.create('first');
  const client = await connectTo(db.url);
  await client.query(
    `UPDATE schema_migrations_test_tenants SET status = 'provisioning' WHERE id = 'first'; DELETE FROM first.schema_migrations_test; DROP TABLE first.contact`,
  );
  await client.end();
  expect(await tenancy.create('first')).toMatchObject({ outcome: 'created', by: 'template' });
  expect(await rows(db, 'SELECT count(*)::int AS n FROM first.contact')).toEqual([{ n: 0 }]);
});

test('what names its own schema names the tenant’s in a copy', async () => {
  await using db = await testDatabase();
  const source = listSource([
    {
      version: '0001',
      description: 'functions',
      up: `CREATE SEQUENCE public.codes START 7; CREATE TABLE public.patient (id int DEFAULT nextval('public.codes'));
        CREATE FUNCTION public.add() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.patient DEFAULT VALUES; RETURN currval('public.codes'); END $$;
        CREATE FUNCTION public.patients() RETURNS bigint LANGUAGE sql SET search_path = public AS 'SELECT count(*) FROM patient'`,
    },
  ]);
  const tenancy = tenancyOn(db, 'schema', { tenancy: { source, requiredTables: ['patient'] } });
  for (const id of ['One "x"', 'two']) expect((await tenancy.create(id)).by).toBe('template');
  const client = await db.connect();
  expect((await client.query('SELECT two.add(), two.add() AS again, "One ""x""".add() AS other')).rows).toEqual([{ add: '7', again: '8', other: '7' }]);
  expect((await client.query('SELECT two.patients(), "One ""x""".patients() AS other')).rows).toEqual([{ patients: '2', other: '1' }]);
});

test('where the lock table is small, a copy takes several transactions, and sign-ups at once wait for each other', async () => {
  await using server = await startServer({ settings: { max_locks_per_transaction: '10', max_connections: '30' } });
  await runOn(server, 'CREATE DATABASE small');
  const tables = Array.from(
    { length: 80 },
    (_, index) => `CREATE TABLE t${index} (id bigserial PRIMARY KEY, name text UNIQUE, other int); CREATE INDEX ON t${index} (other);`,
  );
  const source = listSource(tables.map((up, index) => ({ version: String(index + 1).padStart(4, '0'), description: `table ${index}`, up })));
  const tenancy = tenancyOn({ server, name: 'small' }, 'schema', { tenancy: { source, requiredTables: ['t79'] } });
  const made = await Promise.all(Array.from({ length: 6 }, (_, index) => tenancy.create(`clinic_${index}`)));
  expect(made.map(({ tenant }) => tenant.status)).toEqual(Array.from({ length: 6 }, () => 'active'));
  expect(made.filter(({ by }) => by === 'template').length).toBeGreaterThan(0);
});
