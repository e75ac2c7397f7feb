import { testDatabase, testRole } from '@org/test-postgres';
import type pg from 'pg';
import { expect, test } from 'vitest';

import { describeDifference, diffCatalogs, readCatalog, readDatabaseCatalog } from '../src/catalog.ts';
import { identifier } from '../src/sql.ts';
import { inSomeOrder, schemaStatements } from './support/schema.ts';

/** Numbers that are the same in every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

async function build(client: pg.Client, schema: string, reader: string, seed: number): Promise<void> {
  const quoted = identifier(schema);
  const statements = inSomeOrder(schemaStatements(quoted, reader), numbers(seed));
  if (schema !== 'public') await client.query(`CREATE SCHEMA ${quoted}`);
  await client.query(`SET search_path = ${quoted}`);
  for (const sql of statements) await client.query(sql);
  await client.query('RESET search_path');
}

test('equal for equal schemas, whatever the order they were built in, their names and the search path', async () => {
  await using role = await testRole();
  await using db = await testDatabase();
  const client = await db.connect();
  const names = ['public', 'one', 'Two "quoted"', "it's\\three", 'pg', 'patients'];
  for (const [index, name] of names.entries()) await build(client, name, role.name, 17 + index * 1001);
  const first = await readCatalog(client, { schema: 'public' });
  expect(first.text).not.toContain('public.');
  expect(first.text.split('\n').length).toBeGreaterThan(60);
  for (const schema of names) {
    for (const path of ['public', identifier(schema), `pg_catalog, ${identifier(schema)}`, "''"]) {
      await client.query(`SET search_path = ${path}`);
      const other = await readCatalog(client, { schema });
      expect(diffCatalogs(first, other).map(describeDifference)).toEqual([]);
      expect(other.hash).toBe(first.hash);
    }
  }
});

test('equal on another database with other oids, and empty for a schema that does not exist', async () => {
  await using role = await testRole();
  await using one = await testDatabase();
  await using two = await testDatabase();
  const a = await one.connect();
  const b = await two.connect();
  await b.query('CREATE SEQUENCE moves_oids; DROP SEQUENCE moves_oids');
  await build(a, 'public', role.name, 5);
  await build(b, 'public', role.name, 99);
  expect((await readCatalog(a, { schema: 'public' })).hash).toBe((await readCatalog(b, { schema: 'public' })).hash);
  expect((await readDatabaseCatalog(a)).text).toBe((await readDatabaseCatalog(b)).text);
  expect((await readCatalog(a, { schema: 'nowhere' })).text).toBe('');
});

test('a dropped column leaves no trace, and neither do rows', async () => {
  await using role = await testRole();
  await using db = await testDatabase();
  const client = await db.connect();
  await build(client, 'public', role.name, 3);
  const before = await readCatalog(client, { schema: 'public' });
  await client.query(`ALTER TABLE patients ADD COLUMN extra text; ALTER TABLE patients DROP COLUMN extra;
    INSERT INTO patients (clinic, name) VALUES (1, 'A'); ANALYZE patients; REFRESH MATERIALIZED VIEW counts`);
  expect(diffCatalogs(before, await readCatalog(client, { schema: 'public' }))).toEqual([]);
});

/** Changes that older servers do not know, by the first version that does. */
const since: Readonly<Record<string, number>> = { 'NOT NULL, not valid yet': 18, 'a generated column': 17, "a view's options": 15 };

/** What is changed, by what, and the names of all that differs then. `$role` and `$reader` are roles. */
const changes: readonly (readonly [what: string, sql: string, names: readonly string[]])[] = [
  ['a new table, told alone', 'CREATE TABLE t (id int PRIMARY KEY, b text UNIQUE)', ['+ table t']],
  ['a dropped table', 'DROP TABLE events', ['- table events', '- table events_2026']],
  ['a new column', 'ALTER TABLE visits ADD COLUMN note text', ['+ column note of table visits']],
  ['a dropped column', 'ALTER TABLE visits DROP COLUMN at', ['- column at of table visits']],
  [
    'the order of columns',
    'ALTER TABLE events_2026 ADD CONSTRAINT c CHECK (what IS NOT NULL); ALTER TABLE visits DROP COLUMN at; ALTER TABLE visits ADD COLUMN at timestamptz DEFAULT now()',
    ['~ column order of table visits', '+ constraint c of table events_2026'],
  ],
  ["a column's type", 'ALTER TABLE visits ALTER COLUMN at TYPE timestamp', ['~ column at of table visits']],
  ["a column's length", 'ALTER TABLE patients ALTER COLUMN phone TYPE varchar(30)', ['~ column phone of table patients']],
  ["a column's default", 'ALTER TABLE visits ALTER COLUMN at DROP DEFAULT', ['~ column at of table visits']],
  ['NOT NULL', 'ALTER TABLE patients ALTER COLUMN born SET NOT NULL', ['~ column born of table patients']],
  ['NOT NULL, not valid yet', 'ALTER TABLE visits ADD CONSTRAINT at_given NOT NULL at NOT VALID', ['~ column at of table visits']],
  ["a column's collation", 'ALTER TABLE visits ADD COLUMN x text; ALTER TABLE visits ALTER COLUMN x TYPE text COLLATE "C"', ['+ column x of table visits']],
  ['the kind of identity', 'ALTER TABLE patients ALTER COLUMN id SET GENERATED BY DEFAULT', ['~ column id of table patients']],
  ["an identity's sequence", 'ALTER TABLE patients ALTER COLUMN id SET INCREMENT BY 2', ['~ column id of table patients']],
  ['identity dropped', 'ALTER TABLE patients ALTER COLUMN id DROP IDENTITY', ['~ column id of table patients']],
  ['a generated column', 'ALTER TABLE patients ALTER COLUMN full_name SET EXPRESSION AS (lower(name))', ['~ column full_name of table patients']],
  ["a column's storage", 'ALTER TABLE patients ALTER COLUMN phone SET STORAGE EXTERNAL', ['~ column phone of table patients']],
  ["a column's statistics target", 'ALTER TABLE visits ALTER COLUMN at SET STATISTICS 500', ['~ column at of table visits']],
  ['a table that is unlogged', 'ALTER TABLE visits SET UNLOGGED', ['~ table visits']],
  ["a table's settings", 'ALTER TABLE visits SET (fillfactor = 70)', ['~ table visits']],
  ['the replica identity', 'ALTER TABLE visits REPLICA IDENTITY FULL', ['~ table visits']],
  ['a check', 'ALTER TABLE visits ADD CONSTRAINT positive CHECK (id > 0)', ['+ constraint positive of table visits']],
  [
    'a check that is not valid',
    "ALTER TABLE patients DROP CONSTRAINT name_present, ADD CONSTRAINT name_present CHECK (name <> '') NOT VALID",
    ['~ constraint name_present of table patients'],
  ],
  ['a unique constraint', 'ALTER TABLE patients DROP CONSTRAINT phone_once', ['- constraint phone_once of table patients']],
  [
    "a foreign key's action",
    'ALTER TABLE visits DROP CONSTRAINT visits_patient, ADD CONSTRAINT visits_patient FOREIGN KEY (patient) REFERENCES patients',
    ['~ constraint visits_patient of table visits'],
  ],
  [
    'a deferrable foreign key',
    'ALTER TABLE visits ALTER CONSTRAINT visits_patient DEFERRABLE INITIALLY DEFERRED',
    ['~ constraint visits_patient of table visits'],
  ],
  [
    'an exclusion constraint',
    "ALTER TABLE visits ADD CONSTRAINT apart EXCLUDE USING gist (tstzrange(at, at, '[]') WITH &&)",
    ['+ constraint apart of table visits'],
  ],
  [
    "a constraint's name",
    'ALTER TABLE visits RENAME CONSTRAINT visits_patient TO visits_person',
    ['- constraint visits_patient of table visits', '+ constraint visits_person of table visits'],
  ],
  ['an index', 'DROP INDEX patients_name', ['- index patients_name of table patients']],
  ["an index's expression", 'DROP INDEX patients_name; CREATE INDEX patients_name ON patients (upper(name))', ['~ index patients_name of table patients']],
  [
    "a partial index's condition",
    "DROP INDEX planned_patients; CREATE INDEX planned_patients ON patients (clinic DESC) INCLUDE (name) WHERE state = 'done'",
    ['~ index planned_patients of table patients'],
  ],
  ["an index's method", 'DROP INDEX events_what; CREATE INDEX events_what ON events USING hash (what)', ['~ index events_what of table events']],
  [
    'an index that is invalid',
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'patients_name'::regclass",
    ['~ index patients_name of table patients'],
  ],
  ['an index only on the parent', 'DROP INDEX events_what; CREATE INDEX events_what ON ONLY events (what)', ['~ index events_what of table events']],
  ['a sequence', 'CREATE SEQUENCE s', ['+ sequence s']],
  ["a sequence's step", 'ALTER SEQUENCE codes INCREMENT 10', ['~ sequence codes']],
  ["a sequence's owner column", 'ALTER SEQUENCE patients_serial_no_seq OWNED BY NONE', ['~ sequence patients_serial_no_seq']],
  ['a view', 'CREATE OR REPLACE VIEW names AS SELECT id, name FROM patients WHERE clinic > 1', ['~ view names']],
  ["a view's options", 'ALTER VIEW names SET (security_invoker = true)', ['~ view names']],
  ['a materialized view', 'DROP MATERIALIZED VIEW counts', ['- materialized view counts']],
  ["a materialized view's index", 'DROP INDEX counts_patient', ['- index counts_patient of materialized view counts']],
  ["a function's body", 'CREATE OR REPLACE PROCEDURE tidy(days int) LANGUAGE sql AS $$ SELECT days + 1 $$', ['~ procedure tidy(integer)']],
  ["a function's settings", 'ALTER FUNCTION touch() RESET ALL', ['~ function touch()']],
  ["a function's search path", 'ALTER FUNCTION touch() SET search_path = pg_catalog', ['~ function touch()']],
  ["a function's volatility", 'ALTER FUNCTION tenant(int) VOLATILE', ['~ function tenant(integer)']],
  ["a function's security", 'ALTER FUNCTION touch() SECURITY INVOKER', ['~ function touch()']],
  ["a function's cost", 'ALTER FUNCTION touch() COST 5', ['~ function touch()']],
  ['an overload', 'CREATE FUNCTION touch(a int) RETURNS int RETURN a', ['+ function touch(integer)']],
  ['an aggregate', 'CREATE OR REPLACE AGGREGATE longest(int) (SFUNC = int4smaller, STYPE = int, INITCOND = 0)', ['~ aggregate longest(integer)']],
  ['a disabled trigger', 'ALTER TABLE visits DISABLE TRIGGER visits_touch', ['~ trigger visits_touch of table visits']],
  ['a trigger', 'DROP TRIGGER visits_touch ON visits', ['- trigger visits_touch of table visits']],
  [
    'disabled triggers of a foreign key',
    'ALTER TABLE visits DISABLE TRIGGER ALL; ALTER TABLE visits ENABLE TRIGGER visits_touch',
    ['~ constraint visits_patient of table visits'],
  ],
  ['a rule', 'DROP RULE keep ON visits', ['- rule keep of table visits']],
  ['a policy', 'ALTER POLICY own_clinic ON patients WITH CHECK (true)', ['~ policy own_clinic of table patients']],
  ["a policy's roles", 'ALTER POLICY own_clinic ON patients TO $reader', ['~ policy own_clinic of table patients']],
  ['FORCE ROW LEVEL SECURITY', 'ALTER TABLE patients NO FORCE ROW LEVEL SECURITY', ['~ table patients']],
  ['ENABLE ROW LEVEL SECURITY', 'ALTER TABLE visits ENABLE ROW LEVEL SECURITY', ['~ table visits']],
  ["a table's grants", 'GRANT INSERT ON patients TO $reader', ['~ grants to $reader of table patients']],
  ["a column's grants", 'REVOKE UPDATE (phone) ON patients FROM $reader', ['- grants to $reader of column phone of table patients']],
  ['a grant to everybody', 'GRANT SELECT ON visits TO PUBLIC', ['+ grants to public of table visits']],
  ['a right that the owner lost', 'REVOKE DELETE ON visits FROM CURRENT_USER', ['+ grants to the owner of table visits']],
  ["a function's grants", 'GRANT EXECUTE ON FUNCTION tenant(int) TO PUBLIC', ['- grants to public of function tenant(integer)']],
  ["a sequence's grants", 'GRANT USAGE ON SEQUENCE codes TO $reader', ['+ grants to $reader of sequence codes']],
  ["the schema's grants", 'GRANT CREATE ON SCHEMA public TO $reader', ['+ grants to $reader of schema']],
  [
    'default privileges',
    'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO $reader',
    ['+ grants to $reader of default privileges tables by postgres'],
  ],
  ["a table's comment", "COMMENT ON TABLE patients IS 'Others'", ['~ comment of table patients']],
  ["a column's comment", 'COMMENT ON COLUMN patients.phone IS NULL', ['- comment of column phone of table patients']],
  ["an index's comment", "COMMENT ON INDEX patients_name IS 'x'", ['+ comment of index patients_name of table patients']],
  ["a constraint's comment", "COMMENT ON CONSTRAINT name_present ON patients IS 'x'", ['+ comment of constraint name_present of table patients']],
  ["a trigger's comment", "COMMENT ON TRIGGER visits_touch ON visits IS 'x'", ['+ comment of trigger visits_touch of table visits']],
  ["a policy's comment", "COMMENT ON POLICY own_clinic ON patients IS 'x'", ['+ comment of policy own_clinic of table patients']],
  ["an enum's values", "ALTER TYPE status ADD VALUE 'cancelled' AFTER 'planned'", ['~ type status']],
  ["an enum value's name", "ALTER TYPE status RENAME VALUE 'done' TO 'over'", ['~ type status']],
  ["a domain's default", 'ALTER DOMAIN email DROP DEFAULT', ['~ domain email']],
  ["a domain's NOT NULL", 'ALTER DOMAIN email SET NOT NULL', ['~ domain email']],
  ["a domain's check", 'ALTER DOMAIN email DROP CONSTRAINT has_at', ['- constraint has_at of domain email']],
  ["a composite type's column", 'ALTER TYPE address ADD ATTRIBUTE zip text', ['+ column zip of type address']],
  ['a range type', 'DROP TYPE period', ['- type period']],
  ["a table's owner", 'ALTER TABLE visits OWNER TO $role', ['+ owner of table visits']],
  ["a function's owner", 'ALTER FUNCTION touch() OWNER TO $role', ['+ owner of function touch()']],
  ["a type's owner", 'ALTER TYPE status OWNER TO $role', ['+ owner of type status']],
  ["a view's owner", 'ALTER VIEW names OWNER TO $role', ['+ owner of view names']],
  ['an extension, without what is in it', 'CREATE EXTENSION pg_trgm', ['+ extension pg_trgm']],
  [
    'a partition',
    'ALTER TABLE events DETACH PARTITION events_2026',
    ['~ table events_2026', '~ column at of table events_2026', '~ column what of table events_2026', '+ index events_2026_what_idx of table events_2026'],
  ],
  ["a partition's bounds", "CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')", ['+ table events_2027']],
  ['extended statistics', 'DROP STATISTICS by_clinic', ['- statistics by_clinic']],
  ['a collation', "CREATE COLLATION plain (locale = 'C')", ['+ collation plain']],
  ['an operator', 'CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)', ['+ operator === (integer, integer)']],
  ['a text search configuration', 'CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple)', ['+ text search configuration plain']],
];

test('every kind of change is seen, and named', async () => {
  await using role = await testRole();
  await using reader = await testRole();
  await using db = await testDatabase();
  const client = await db.connect();
  await build(client, 'public', reader.name, 11);
  const before = await readCatalog(client, { schema: 'public' });
  const seen: Record<string, readonly string[]> = {};
  const expected: Record<string, readonly string[]> = {};
  const { rows: version } = await client.query<{ major: number }>(`SELECT current_setting('server_version_num')::int / 10000 AS major`);
  for (const [what, sql, names] of changes) {
    if (Number(version[0]?.major) < (since[what] ?? 0)) continue;
    const named = (text: string): string => text.replaceAll('$role', role.name).replaceAll('$reader', reader.name);
    await client.query('BEGIN');
    await client.query(named(sql));
    const after = await readCatalog(client, { schema: 'public' });
    await client.query('ROLLBACK');
    const differences = diffCatalogs(before, after);
    seen[what] = differences.map(({ change, name }) => `${{ added: '+', removed: '-', changed: '~' }[change]} ${name}`).toSorted();
    expected[what] = names.map(named).toSorted();
    // Seen from the other side, the same names.
    expect(diffCatalogs(after, before).map(({ name }) => name)).toEqual(differences.map(({ name }) => name));
    expect(after.hash === before.hash).toBe(differences.length === 0);
  }
  expect(seen).toEqual(expected);
  expect((await readCatalog(client, { schema: 'public' })).hash).toBe(before.hash);
});

test('what is excluded is left out with everything on it', async () => {
  await using role = await testRole();
  await using db = await testDatabase();
  const client = await db.connect();
  await build(client, 'public', role.name, 7);
  const before = await readCatalog(client, { schema: 'public' });
  await client.query(`CREATE TABLE history (id serial PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY, t text CHECK (t <> ''));
    CREATE INDEX history_t ON history (t); COMMENT ON TABLE history IS 'ours'; GRANT SELECT ON history TO ${role.name}; CREATE SEQUENCE log_seq`);
  expect((await readCatalog(client, { schema: 'public', exclude: ['history', 'log_seq'] })).hash).toBe(before.hash);
  expect((await readCatalog(client, { schema: 'public' })).hash).not.toBe(before.hash);
});

test('a reader inside a transaction keeps its search path, and may be read-only', async () => {
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query('BEGIN READ ONLY');
  await client.query(`SET LOCAL search_path = pg_catalog, public`);
  await readCatalog(client, { schema: 'public' });
  expect((await client.query('SHOW search_path')).rows).toEqual([{ search_path: 'pg_catalog, public' }]);
  await client.query('COMMIT');
});

test('a schema whose own names are those of the system is read all the same', async () => {
  await using db = await testDatabase();
  const client = await db.connect();
  const before = await readCatalog(client, { schema: 'hostile' });
  await client.query(`CREATE SCHEMA hostile; SET search_path = hostile, pg_catalog;
    CREATE TABLE pg_class (oid int, relname text); CREATE FUNCTION format_type(oid, int) RETURNS text RETURN 'wrong';
    CREATE TYPE text AS (a int); CREATE FUNCTION nameeq(name, name) RETURNS boolean RETURN true; CREATE OPERATOR = (LEFTARG = name, RIGHTARG = name, FUNCTION = hostile.nameeq)`);
  await client.query('RESET search_path');
  const names = diffCatalogs(before, await readCatalog(client, { schema: 'hostile' })).map(({ object }) => object);
  expect(names).toContain('table pg_class');
  expect(names).toContain('function format_type(oid, integer)');
  expect(names).toContain('operator = (name, name)');
});

test('fifteen tables are read in a few dozen milliseconds', async () => {
  await using db = await testDatabase();
  const client = await db.connect();
  for (let n = 1; n <= 15; n++) {
    await client.query(`CREATE TABLE t${n} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text NOT NULL, b int DEFAULT ${n}, c timestamptz DEFAULT now(), d jsonb,
      e text CHECK (e <> ''), UNIQUE (a, b)); CREATE INDEX ON t${n} (c); COMMENT ON TABLE t${n} IS 'number ${n}'`);
  }
  const times: number[] = [];
  for (let round = 0; round < 10; round++) {
    const start = performance.now();
    await readCatalog(client, { schema: 'public' });
    times.push(performance.now() - start);
  }
  // Some 15 ms on a quiet machine; the limit only tells a query that has become quadratic.
  expect(Math.min(...times)).toBeLessThan(150);
  if (process.env['SHOW_TIMES']) console.log(times.map((time) => time.toFixed(1)).join(' '));
});
