import { testDatabase, type TestDatabase } from '@org/test-postgres';
import type pg from 'pg';
import { describe, expect, test } from 'vitest';

import { describeDifference, diffCatalogs, listSource, readCatalog, type Tenancy } from '../../src/index.ts';
import { identifier } from '../../src/sql.ts';
import { connectIn, tenancyOn, type Mode } from '../support/tenancy.ts';

const migrations = [
  {
    version: '0001',
    description: 'clinic',
    up: `CREATE TYPE state AS ENUM ('new', 'done');
      CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
      CREATE TABLE patient (id serial PRIMARY KEY, name text NOT NULL, state state DEFAULT 'new', CONSTRAINT named CHECK (name <> ''));
      COMMENT ON COLUMN patient.name IS 'all of it';
      CREATE TABLE visit (id int PRIMARY KEY, patient int NOT NULL CONSTRAINT visit_patient REFERENCES patient ON DELETE CASCADE, note text);
      CREATE TABLE country (code text PRIMARY KEY, name text); INSERT INTO country VALUES ('CA', 'Canada'), ('MA', 'Morocco''s \\ "x"');
      CREATE TABLE other (id int)`,
    down: 'DROP TABLE visit, patient, country, other; DROP FUNCTION touch(); DROP TYPE state',
  },
  {
    version: '0002',
    description: 'more',
    up: `ALTER TABLE patient ADD country text REFERENCES country, ENABLE ROW LEVEL SECURITY;
      CREATE INDEX patient_name ON patient (lower(name)) WHERE state = 'new';
      CREATE VIEW named AS SELECT id, name FROM patient;
      CREATE TRIGGER touched BEFORE UPDATE ON patient FOR EACH ROW EXECUTE FUNCTION touch();
      CREATE POLICY all_of_them ON patient USING (true);
      CREATE POLICY of_patient ON visit USING (EXISTS (SELECT FROM patient p WHERE p.id = patient));
      GRANT SELECT ON patient TO PUBLIC`,
    down: `DROP VIEW named; DROP POLICY of_patient ON visit; REVOKE SELECT ON patient FROM PUBLIC; DROP POLICY all_of_them ON patient; DROP TRIGGER touched ON patient;
      DROP INDEX patient_name; ALTER TABLE patient DROP country, DISABLE ROW LEVEL SECURITY`,
  },
  {
    version: '0003',
    description: 'late',
    up: 'ALTER TABLE patient ADD phone text; CREATE TABLE late (id int)',
    down: 'DROP TABLE late; ALTER TABLE patient DROP phone',
  },
];

function clinics(db: TestDatabase, mode: Mode, count = migrations.length, requiredTables = ['patient', 'visit', 'country']): Tenancy {
  return tenancyOn(db, mode, { tenancy: { source: listSource(migrations.slice(0, count)), requiredTables } });
}

describe.each(['schema', 'database'] as const)('with a %s each', (mode) => {
  const place = (db: TestDatabase, id: string): string => (mode === 'schema' ? id : `${db.name}_${id}`);

  async function inside(db: TestDatabase, id: string, work: (client: pg.Client, schema: string) => Promise<void>): Promise<void> {
    const client = await connectIn(db, mode === 'schema' ? db.name : place(db, id));
    const schema = mode === 'schema' ? id : 'public';
    try {
      await client.query(`SET search_path = ${identifier(schema)}`);
      await work(client, schema);
    } finally {
      await client.end();
    }
  }

  async function differences(db: TestDatabase, id: string, from: string): Promise<string[]> {
    const texts: { text: string }[] = [];
    for (const one of [from, id]) await inside(db, one, async (client, schema) => void texts.push(await readCatalog(client, { schema })));
    return diffCatalogs(texts[0] as { text: string }, texts[1] as { text: string }).map(describeDifference);
  }

  test('a table that was dropped with CASCADE is made again, so that the catalogue equals a healthy tenant’s', async () => {
    await using db = await testDatabase();
    const tenancy = clinics(db, mode);
    for (const id of ['healthy', 'damaged', 'emptied']) await tenancy.create(id);
    await inside(db, 'damaged', async (client) => void (await client.query('INSERT INTO other VALUES (7); DROP TABLE patient, country CASCADE')));
    await inside(
      db,
      'emptied',
      async (client) => void (await client.query('DROP TABLE patient, visit, country CASCADE; DROP TYPE state; DROP FUNCTION touch()')),
    );
    const before = await differences(db, 'damaged', 'healthy');
    expect(before.length).toBeGreaterThan(4);
    const planned = await tenancy.backfill({ mode: 'plan' });
    expect(planned).toEqual([
      { tenant: 'damaged', created: ['patient', 'country'], filled: [], failure: null },
      { tenant: 'emptied', created: ['patient', 'visit', 'country'], filled: [], failure: null },
      { tenant: 'healthy', created: [], filled: [], failure: null },
    ]);
    expect(await differences(db, 'damaged', 'healthy')).toEqual(before);
    const made = await tenancy.backfill();
    expect(made.map(({ tenant, created, filled, failure }) => [tenant, created.toSorted(), filled, failure])).toEqual([
      ['damaged', ['country', 'patient'], ['country'], null],
      ['emptied', ['country', 'patient', 'visit'], ['country'], null],
      ['healthy', [], [], null],
    ]);
    for (const id of ['damaged', 'emptied']) expect(await differences(db, id, 'healthy')).toEqual([]);
    await inside(db, 'damaged', async (client) => {
      expect((await client.query('SELECT * FROM country ORDER BY code')).rows).toEqual([
        { code: 'CA', name: 'Canada' },
        { code: 'MA', name: `Morocco's \\ "x"` },
      ]);
      expect((await client.query('SELECT id FROM other')).rows).toEqual([{ id: 7 }]);
      expect((await client.query('SELECT count(*)::int AS n FROM schema_migrations_test')).rows).toEqual([{ n: 3 }]);
    });
    expect((await tenancy.backfill()).flatMap(({ created }) => created)).toEqual([]);
    if (mode === 'schema') {
      const client = await db.connect();
      expect((await client.query(`SELECT nspname FROM pg_namespace WHERE nspname LIKE '%\\_new'`)).rows).toEqual([]);
    }
  });

  test('a tenant that is behind gets what its own version has', async () => {
    await using db = await testDatabase();
    await clinics(db, mode, 2).create('behind');
    await clinics(db, mode, 2).create('reference');
    await inside(db, 'behind', async (client) => void (await client.query('DROP TABLE patient CASCADE')));
    const tenancy = clinics(db, mode, 3, ['patient', 'late']);
    const [behind] = await tenancy.backfill({ tenants: ['behind'] });
    expect(behind).toEqual({ tenant: 'behind', created: ['patient'], filled: [], failure: 'no migration that it has applied makes late: migrate it first' });
    expect(await differences(db, 'behind', 'reference')).toEqual([]);
    const migrator = await tenancy.fleet().migrator(tenancy.target((await tenancy.find('behind'))!));
    expect((await migrator.up()).applied).toHaveLength(1);
  });

  test('rows that point to what is gone are not touched, and that is told', async () => {
    await using db = await testDatabase();
    const tenancy = clinics(db, mode);
    await tenancy.create('one');
    await inside(db, 'one', async (client) => {
      await client.query(`INSERT INTO patient (id, name) VALUES (1, 'A'); INSERT INTO visit VALUES (1, 1)`);
      await client.query('DROP TABLE patient CASCADE');
    });
    const [one] = await tenancy.backfill();
    expect(one?.created).toEqual(['patient']);
    expect(one?.failure).toBe('constraint visit_patient of table visit holds for new rows only, since some that are there point to rows that are gone');
    await inside(db, 'one', async (client) => {
      expect((await client.query('SELECT id FROM visit')).rows).toEqual([{ id: 1 }]);
      await expect(client.query('INSERT INTO visit VALUES (2, 5)')).rejects.toThrow('violates foreign key');
    });
  });

  test('one tenant’s failure is its own', async () => {
    await using db = await testDatabase();
    const tenancy = clinics(db, mode);
    for (const id of ['a', 'b', 'c']) await tenancy.create(id);
    await inside(db, 'a', async (client) => void (await client.query('DROP TABLE patient CASCADE; CREATE VIEW patient AS SELECT 1')));
    await inside(db, 'b', async (client) => void (await client.query('DROP TABLE patient CASCADE; DELETE FROM schema_migrations_test')));
    await inside(db, 'c', async (client) => void (await client.query('DROP TABLE patient CASCADE')));
    const results = await tenancy.backfill();
    expect(results.map(({ created }) => created)).toEqual([[], [], ['patient']]);
    expect(results.map(({ failure }) => failure)).toEqual([
      expect.stringContaining('relation "patient" already exists'),
      'it lacks patient, and its history names no migration that makes them: migrate it first',
      null,
    ]);
  });
});
