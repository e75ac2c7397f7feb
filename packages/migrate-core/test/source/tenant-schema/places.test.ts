import { beforeAll, describe, expect, test } from 'vitest';

import { addText } from '../../../src/source/tenant-schema/created-in.ts';
import { CreatedNames } from '../../../src/source/tenant-schema/created.ts';
import { findPlaces } from '../../../src/source/tenant-schema/places.ts';
import { Template } from '../../../src/source/tenant-schema/template.ts';

/** What the source of these tests makes. */
const MADE = `
CREATE TABLE public.t (id serial PRIMARY KEY, a int UNIQUE, "public" text);
CREATE TABLE "T" (a int);
CREATE TABLE u (a int);
CREATE VIEW public.v AS SELECT 1 AS a;
CREATE SEQUENCE s;
CREATE TYPE mood AS ENUM ('glad');
CREATE DOMAIN public.mail AS text;
CREATE FUNCTION f(a int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE agg(int) (SFUNC = int4larger, STYPE = int);
CREATE OPERATOR + (FUNCTION = f, LEFTARG = t);
CREATE STATISTICS stats ON a, id FROM t;
CREATE INDEX named ON t (a);`;

let known: CreatedNames;
beforeAll(async () => {
  known = new CreatedNames();
  await addText(MADE, known);
});

const clinic = { schema: 'clinic', behind: ['public'] };

async function forClinic(sql: string, tenant = clinic): Promise<string> {
  const found = await findPlaces(sql, known);
  if (found === null) throw new Error('not parsed');
  return new Template(sql, found.places).render(tenant).text;
}

/** What stands in ‹ › is to become the clinic's schema; every other `public` is to stay. */
function marked(text: string): { sql: string; expected: string } {
  return { sql: text.replaceAll(/[‹›]/g, ''), expected: text.replaceAll(/‹[^›]*›/g, '"clinic"') };
}

describe('the schema public becomes the tenant’s', () => {
  test.each([
    // Relations.
    'SELECT * FROM ‹public›.t',
    'SELECT * FROM ‹"public"›."T", ‹PUBLIC›.t, ‹Public› . u',
    String.raw`SELECT * FROM ‹U&"publ\0069c"›.t`,
    `SELECT * FROM ‹U&"publ!0069c" UESCAPE '!'›.t`,
    'SELECT ‹public›.t.id, ‹public›.t.* FROM ‹public›.t',
    'INSERT INTO ‹public›.t (a) SELECT a FROM ‹public›.u ON CONFLICT DO NOTHING',
    'UPDATE ‹public›.t SET a = (SELECT max(a) FROM ‹public›.u)',
    'DELETE FROM ONLY ‹public›.t USING ‹public›.u',
    'MERGE INTO ‹public›.t USING ‹public›.u ON true WHEN MATCHED THEN DELETE',
    'TRUNCATE ‹public›.t, ‹public›.u',
    'LOCK TABLE ‹public›.t',
    `COPY ‹public›.t TO '/tmp/t'`,
    'WITH x AS (SELECT 1 FROM ‹public›.t) SELECT * FROM x',
    'CREATE TABLE x (id int REFERENCES ‹public›.t (id), LIKE ‹public›.u) INHERITS (‹public›.t)',
    'CREATE TABLE x PARTITION OF ‹public›.t FOR VALUES IN (1)',
    'ALTER TABLE ‹public›.t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES ‹public›.u (a)',
    'ALTER TABLE ‹public›.t RENAME TO x',
    'ALTER TABLE ‹public›.t ATTACH PARTITION ‹public›.u DEFAULT',
    'CREATE UNIQUE INDEX i ON ‹public›.t (a)',
    'CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON ‹public›.t (a)',
    'DROP INDEX CONCURRENTLY ‹public›.named',
    'REINDEX TABLE CONCURRENTLY ‹public›.t',
    'VACUUM ANALYZE ‹public›.t',
    'DROP TABLE IF EXISTS ‹public›.t, ‹public›.u CASCADE',
    'DROP INDEX ‹public›.t_pkey, ‹public›.t_a_key, ‹public›.t_a_idx1',
    'CREATE SEQUENCE x OWNED BY ‹public›.t.id',
    'ALTER SEQUENCE ‹public›.t_id_seq OWNED BY ‹public›.t.id',
    'REFRESH MATERIALIZED VIEW ‹public›.v',
    'CREATE OR REPLACE VIEW ‹public›.v AS SELECT 1 AS a',
    // Types.
    'ALTER TABLE ‹public›.t ADD b ‹public›.mood, ADD c ‹public›.mood[], ADD d ‹public›._mood',
    `SELECT 'glad'::‹public›.mood, CAST('glad' AS ‹public›.mood), ARRAY[]::‹public›.t[]`,
    `ALTER TYPE ‹public›.mood ADD VALUE 'public'`,
    'ALTER TYPE ‹public›.mood RENAME TO x',
    'DROP TYPE ‹public›.mood',
    'DROP DOMAIN ‹public›.mail',
    'ALTER DOMAIN ‹public›.mail SET NOT NULL',
    // Routines and operators.
    'SELECT ‹public›.f(1), ‹public›.agg(1)',
    'CALL ‹public›.p()',
    'CREATE FUNCTION x(a ‹public›.t, b ‹public›.t.id%TYPE) RETURNS SETOF ‹public›.t LANGUAGE c AS $$x$$, $$y$$',
    'ALTER FUNCTION ‹public›.f(int) OWNER TO public_owner',
    'DROP FUNCTION ‹public›.f(int, ‹public›.mood)',
    'GRANT EXECUTE ON FUNCTION ‹public›.f(int) TO PUBLIC',
    'CREATE TRIGGER x BEFORE INSERT ON ‹public›.t FOR EACH ROW EXECUTE FUNCTION ‹public›.f()',
    'SELECT a OPERATOR(‹public›.+) a FROM u',
    'CREATE AGGREGATE x(int) (SFUNC = ‹public›.f, STYPE = int)',
    // Objects named by lists.
    `COMMENT ON TABLE ‹public›.t IS 'in public.t'`,
    `COMMENT ON COLUMN ‹public›.t.public IS 'x'`,
    `COMMENT ON CONSTRAINT c ON ‹public›.t IS 'x'`,
    `COMMENT ON FUNCTION ‹public›.f(int) IS 'x'`,
    `COMMENT ON CONSTRAINT c ON DOMAIN ‹public›.mail IS 'x'`,
    'DROP TRIGGER x ON ‹public›.t',
    'DROP POLICY x ON ‹public›.t',
    'DROP STATISTICS ‹public›.stats',
    'CREATE POLICY x ON ‹public›.t USING (‹public›.f() = 1)',
    'CREATE RULE r AS ON INSERT TO ‹public›.t DO ALSO DELETE FROM ‹public›.u',
    'GRANT SELECT ON ‹public›.t TO PUBLIC',
    'GRANT USAGE ON TYPE ‹public›.mood TO public',
    // The schema itself.
    'CREATE SCHEMA IF NOT EXISTS ‹public›',
    'CREATE SCHEMA IF NOT EXISTS ‹"public"›',
    'GRANT USAGE ON SCHEMA ‹public› TO public',
    'REVOKE ALL ON ALL TABLES IN SCHEMA ‹public› FROM public',
    'ALTER DEFAULT PRIVILEGES IN SCHEMA ‹public› GRANT SELECT ON TABLES TO public',
    `COMMENT ON SCHEMA ‹public› IS 'public'`,
    'ALTER SCHEMA ‹public› OWNER TO x',
    'ALTER TABLE other.t SET SCHEMA ‹public›',
    'DROP SCHEMA ‹public› CASCADE',
    'REINDEX SCHEMA ‹public›',
    'IMPORT FOREIGN SCHEMA public FROM SERVER x INTO ‹public›',
    'CREATE PUBLICATION x FOR TABLES IN SCHEMA ‹public›',
    // Constants.
    `SELECT nextval('‹public›.s'), setval('‹public›.t_id_seq'::regclass, 1), currval('‹"public"›."s"'::text)`,
    `ALTER TABLE u ALTER a SET DEFAULT nextval('‹public›.s'::regclass)`,
    `SELECT '‹PUBLIC›.t'::regclass, to_regclass('‹public›.t'), CAST('‹public›."T"' AS pg_catalog.regclass), '‹public›'::regnamespace`,
    `SELECT '‹public›.mood'::regtype, '‹public›.f(int)'::regprocedure, pg_get_serial_sequence('‹public›.t', 'id')`,
    // Bodies.
    `CREATE FUNCTION x() RETURNS int LANGUAGE sql AS $$ SELECT id FROM ‹public›.t AS public WHERE public.id > 1 $$`,
    `CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT id FROM ‹"public"›.t WHERE a <> ''in public''::text'`,
    'CREATE FUNCTION x() RETURNS int BEGIN ATOMIC SELECT id FROM ‹public›.t; SELECT ‹public›.f(); END',
    `CREATE FUNCTION x() RETURNS trigger LANGUAGE plpgsql AS $x$
       DECLARE r ‹public›.t%ROWTYPE; n ‹"public"›."T" % ROWTYPE; w ‹public›."T"; o "T".a%TYPE; i ‹public›.t.id%TYPE := ‹public›.f(); m ‹public›.mood; c CURSOR FOR SELECT * FROM ‹public›.u;
       BEGIN
         SELECT * INTO r FROM ‹public›.t WHERE id = NEW.id;
         IF EXISTS (SELECT FROM ‹public›.u) THEN i := ‹public›.f(i); PERFORM ‹public›.f(); CALL ‹public›.p(); END IF;
         FOR r IN SELECT * FROM ‹public›.t LOOP RAISE NOTICE 'public.t has %', ‹public›.f(); END LOOP;
         EXECUTE 'TRUNCATE ‹public›.t';
         RETURN NEW; -- public.t
       END $x$`,
    'CREATE TYPE x AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = ‹public›.f)',
    `CREATE FUNCTION x(a ‹public›.t, OUT r ‹public›.mood) LANGUAGE plpgsql AS $$
       #variable_conflict use_column
       DECLARE m ‹public›.mood; list ‹public›.mood[]; c refcursor;
       BEGIN
         r := (SELECT 'glad'::‹public›.mood FROM ‹public›.t LIMIT 1);
         FOR i IN 1..‹public›.f() LOOP list[i] := 'glad'; END LOOP;
         FOREACH m IN ARRAY list LOOP NULL; END LOOP;
         OPEN c FOR SELECT * FROM ‹public›.t;
         CASE ‹public›.f() WHEN 1 THEN DELETE FROM ‹public›.t; ELSE UPDATE ‹public›.t SET a = ‹public›.f() WHERE CURRENT OF c; END CASE;
         ASSERT (SELECT count(*) FROM ‹public›.t) > 0, 'public';
       EXCEPTION WHEN OTHERS THEN RAISE WARNING 'public.t: %', SQLERRM;
       END $$`,
    `DO $$ DECLARE
         m ‹public›.mood := 'glad'::‹public›.mood;
         "N" CONSTANT ‹public›.mood[] NOT NULL DEFAULT ARRAY['public']::‹public›.mood[];
         c ‹public›.mood -- it is
           := 'glad'::‹public›.mood; d ‹public›.mood;
         r ‹public›.t := (SELECT x FROM ‹public›.t x LIMIT 1);
         s ‹public›.mood = CASE WHEN EXISTS (SELECT FROM ‹public›.u) THEN 'public' END;
       BEGIN
         r.a := ‹public›.f();
         DECLARE m ‹public›.mood := (SELECT 'glad'::‹public›.mood); BEGIN m := 'public'; END;
       END $$`,
    `DO $do$ BEGIN EXECUTE $e$ CREATE FUNCTION ‹public›.f() RETURNS int LANGUAGE sql AS $b$ SELECT id FROM ‹public›.t $b$ $e$; END $do$`,
    `DO $$ BEGIN CREATE TABLE ‹public›.u (a int); EXCEPTION WHEN duplicate_table THEN NULL; END $$`,
    `DO 'BEGIN PERFORM 1 FROM ‹public›.t WHERE a = 1 OR ''x'' = ''y''; END'`,
  ])('%s', async (text) => {
    const { sql, expected } = marked(text);
    expect(await forClinic(sql)).toBe(expected);
    expect((await findPlaces(sql, known))?.undecided).toEqual([]);
  });

  test.each([
    ['SET search_path = public, pg_temp', 'SET search_path = "clinic", "public", pg_temp'],
    [`SET search_path TO 'public'`, 'SET search_path TO "clinic", "public"'],
    [`SET SCHEMA 'public'`, 'SET search_path = "clinic", "public"'],
    [`SELECT set_config('search_path', 'public, x', true)`, `SELECT set_config('search_path', '"clinic", "public", x', true)`],
    [
      `CREATE FUNCTION x() RETURNS int LANGUAGE sql SET search_path = public AS 'SELECT 1'`,
      `CREATE FUNCTION x() RETURNS int LANGUAGE sql SET search_path = "clinic", "public" AS 'SELECT 1'`,
    ],
    ['CREATE EXTENSION IF NOT EXISTS citext', 'CREATE EXTENSION IF NOT EXISTS citext SCHEMA "public"'],
    [`CREATE EXTENSION x WITH VERSION '1' CASCADE -- there`, `CREATE EXTENSION x WITH VERSION '1' CASCADE SCHEMA "public" -- there`],
  ])('on the search path: %s', async (sql, expected) => {
    expect(await forClinic(sql)).toBe(expected);
  });
});

describe('the schema public stays', () => {
  test.each([
    'SELECT public.id, public.* FROM t AS public',
    'SELECT "public" FROM t',
    'SELECT t.public FROM t',
    'INSERT INTO t (public) VALUES (1)',
    'CREATE TABLE public (id int)',
    `UPDATE u SET a = 1 WHERE visibility = 'public' AND kind IN ('public', 'private')`,
    `CREATE TYPE kind AS ENUM ('public', 'private')`,
    `ALTER TABLE t ADD kind text DEFAULT 'public' CHECK (kind IN ('public'))`,
    `SELECT jsonb_build_object('visibility', 'public')`,
    'SELECT public.crypt(public.gen_salt(1)), x::public.citext FROM t',
    'SELECT * FROM public.spatial_ref_sys',
    'CREATE EXTENSION citext SCHEMA public',
    'ALTER EXTENSION citext SET SCHEMA public',
    'GRANT SELECT ON t TO PUBLIC',
    'SELECT 1 -- public.t\n/* public.t */',
    'SELECT * FROM other.public',
    'SAVEPOINT public',
    `DO $$ BEGIN RAISE NOTICE 'public.t'; END $$`,
    'CREATE INDEX ON t USING gin (a public.gin_trgm_ops)',
    'CREATE ROLE public_reader',
    `INSERT INTO u VALUES ('public'), ('very ' || 'public')`,
    `UPDATE u SET tags = tags || 'public' WHERE kind = 'not ' || 'public'`,
    `MERGE INTO u USING t ON true WHEN MATCHED THEN UPDATE SET a = 'x' || 'public'`,
    `ALTER TABLE t ADD kind text DEFAULT 'very ' || 'public' CHECK (kind <> 'x' || 'public')`,
    `CREATE INDEX ON t ((a || 'public'))`,
    `SELECT jsonb_build_object('visibility', 'very ' || 'public'), coalesce(a, 'public') FROM t`,
    `SELECT CASE a WHEN 'public' THEN 1 END || 'x', CASE WHEN a = 'public' THEN 'x' END || 'y' FROM t`,
    `DO $$ DECLARE n int := CASE WHEN 'a' = 'public' THEN 1 END; BEGIN CASE n::text WHEN 'public' THEN NULL; ELSE NULL; END CASE; END $$`,
    `DO $$ DECLARE v t.kind%TYPE := 'public'; m mood := 'public'; b boolean := a = 'public'; BEGIN v := 'public'; m := 'public'; END $$`,
    `DO $$ DECLARE s text := 'public schema'; BEGIN s := lower('public'); IF s = 'public' THEN INSERT INTO u VALUES ('public'); END IF; END $$`,
    `CREATE FUNCTION x() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.visibility := 'public'; NEW.kind = coalesce(NEW.kind, 'public'); RETURN NEW; END $$`,
  ])('%s', async (sql) => {
    expect(await findPlaces(sql, known)).toMatchObject({ places: [], undecided: [] });
  });
});

describe('what cannot be decided is told, and stays', () => {
  test.each([
    [`SELECT format('SELECT 1 FROM public.%I', 't')`, 'string'],
    [`SELECT 1 FROM information_schema.tables WHERE table_schema = 'public'`, 'string'],
    [`SELECT has_schema_privilege('public', 'USAGE')`, 'string'],
    [`DO $$ BEGIN EXECUTE format('DROP TABLE public.%I', 'x'); END $$`, 'string'],
    [`DO $$ BEGIN EXECUTE 'DROP TABLE public.' || quote_ident('x'); END $$`, 'string'],
    [`CREATE FUNCTION x() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SELECT FROM FROM public.t; $$`, 'parsed'],
    [`CREATE FUNCTION x() RETURNS int LANGUAGE sql AS $$ SELECT FROM FROM public.t $$`, 'parsed'],
    [`CREATE FUNCTION x() RETURNS int LANGUAGE plv8 AS $$ plv8.execute('SELECT FROM public.t') $$`, 'plv8'],
    ['ALTER ROLE x SET search_path = public', 'role'],
    ['DROP TABLE IF EXISTS public.legacy', 'none of these migrations'],
    ['DROP INDEX public.legacy_index', 'none of these migrations'],
    ['DROP FUNCTION public.legacy()', 'none of these migrations'],
    ['TRUNCATE public.legacy', 'none of these migrations'],
    ['ALTER TABLE public.legacy ADD x int', 'none of these migrations'],
    ['UPDATE public.legacy SET a = 1 FROM public.other', 'none of these migrations'],
    ['DO $$ BEGIN INSERT INTO public.legacy VALUES (1); END $$', 'none of these migrations'],
    [`INSERT INTO u SELECT 'public.t'`, 'string'],
    [`DO $$ BEGIN EXECUTE 'ALTER TABLE ' || 'public' || '.team ADD COLUMN IF NOT EXISTS hacked int'; END $$`, 'string'],
    [`DO $$ BEGIN EXECUTE 'TRUNCATE ' || ('"public"'::text || '.team'); END $$`, 'string'],
    [`DO $$ BEGIN EXECUTE 'TRUNCATE ' || CASE WHEN true THEN 'public' ELSE 'x' END || '.team'; END $$`, 'string'],
    [`DO $$ DECLARE s text := 'public'; BEGIN EXECUTE format('CREATE TABLE %I.x (id int)', s); END $$`, 'string'],
    [`DO $$ DECLARE s name := 'public'; BEGIN PERFORM 1 FROM pg_class WHERE relnamespace = s::regnamespace; END $$`, 'string'],
    [`DO $$ DECLARE s CONSTANT pg_catalog.varchar(63) NOT NULL DEFAULT '"public"'::text; BEGIN END $$`, 'string'],
    [`DO $$ DECLARE s pg_namespace.nspname%TYPE = 'public'; BEGIN END $$`, 'string'],
    [`DO $$ DECLARE s text; BEGIN s := 'public'; END $$`, 'string'],
    [`DO $$ DECLARE s text[]; BEGIN s[1] = coalesce(s[2], 'public'); END $$`, 'string'],
    [`DO $$ DECLARE s text; BEGIN s := 'TRUNCATE ' || 'public' || '.team'; EXECUTE s; END $$`, 'string'],
    [`CREATE FUNCTION x() RETURNS text LANGUAGE sql AS $$ SELECT 'public' || '.team' $$`, 'string'],
    [`SELECT run('TRUNCATE ' || 'public' || '.team')`, 'string'],
  ])('%s', async (sql, reason) => {
    const found = await findPlaces(sql, known);
    expect(found?.places).toEqual([]);
    expect(found?.undecided).toHaveLength(1);
    expect(found?.undecided[0]?.reason).toContain(reason);
    expect(sql.slice(found?.undecided[0]?.start)).toMatch(/^['"]?public/i);
  });

  test.each<[string, string | null]>([
    [`SELECT 1 FROM pg_constraint WHERE conname = 'x'`, 'pg_constraint'],
    [`DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.typname = 'x') THEN NULL; END IF; END $$`, 'pg_type'],
    [`SELECT 1 FROM information_schema.columns WHERE table_name = 't' AND column_name = 'a'`, 'columns'],
    [`SELECT 1 FROM pg_class c JOIN pg_index i ON true WHERE c.relname = 't'`, 'pg_class'],
    [`SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 't'`, null],
    [`SELECT 1 FROM pg_constraint WHERE conname = 'x' AND conrelid = 't'::regclass`, null],
    [`SELECT 1 FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = 't'`, null],
    ['SELECT count(*) FROM pg_class', null],
    [`SELECT 1 FROM pg_roles WHERE rolname = 'x'`, null],
  ])('a look for a name in any schema: %s', async (sql, catalog) => {
    const undecided = (await findPlaces(sql, known))?.undecided ?? [];
    expect(undecided.map(({ start, reason }) => [sql.slice(start).startsWith(catalog ?? '-'), reason.includes('another tenant')])).toEqual(
      catalog === null ? [] : [[true, true]],
    );
  });

  test('a deep statement is looked through, or it is as one that is not parsed', async () => {
    const sum = Array.from({ length: 3_000 }, (_, index) => index).join(' + ');
    // How deep is too deep depends on the stack that is left.
    expect([null, 1]).toContain((await findPlaces(`UPDATE public.t SET a = ${sum}`, known))?.places.length ?? null);
  });

  test('a name that nobody here makes, where migrations decide only when they run what they make', async () => {
    const some = new CreatedNames();
    await addText(`DO $$ BEGIN EXECUTE format('CREATE TABLE %I (id int)', 'x'); END $$`, some);
    expect(some.complete).toBe(false);
    expect((await findPlaces('SELECT * FROM public.x', some))?.undecided).toHaveLength(1);
  });
});

describe('a name goes into whatever it stands in', () => {
  const hostile = { schema: `a"b'c\\d`, behind: ['public'] };

  test.each([
    ['SELECT * FROM public.t', String.raw`SELECT * FROM "a""b'c\d".t`],
    [`SELECT nextval('public.s')`, String.raw`SELECT nextval('"a""b''c\d".s')`],
    [`SELECT nextval(E'public.s')`, String.raw`SELECT nextval(E'"a""b''c\\d".s')`],
    [`SELECT nextval(U&'publ!0069c.s' UESCAPE '!')`, String.raw`SELECT nextval(U&'"a""b''c\d".s' UESCAPE '!')`],
    [
      `CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT nextval(''public.s'')'`,
      String.raw`CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT nextval(''"a""b''''c\d".s'')'`,
    ],
    [
      `CREATE FUNCTION x() RETURNS int LANGUAGE sql AS E'SELECT \\'\\' FROM \\tpublic.t'`,
      String.raw`CREATE FUNCTION x() RETURNS int LANGUAGE sql AS E'SELECT \'\' FROM \t"a""b''c\\d".t'`,
    ],
    [`SELECT nextval('public' -- of\n'.s')`, String.raw`SELECT nextval('"a""b''c\d".s')`],
  ])('%s', async (sql, expected) => {
    expect(await forClinic(sql, hostile)).toBe(expected);
  });

  test('a name that would end the dollar quotes around it is refused', async () => {
    await expect(forClinic('DO $$ BEGIN PERFORM 1 FROM public.t; END $$', { schema: 'a$$; DROP TABLE t; --', behind: [] })).rejects.toThrow(/dollar quote/);
    expect(await forClinic('DO $x$ BEGIN PERFORM 1 FROM public.t; END $x$', { schema: 'a$$', behind: [] })).toContain('"a$$".t');
  });
});

describe('what a source makes', () => {
  test.each<[string, 'relation' | 'type' | 'routine' | 'operator' | 'other', string, boolean]>([
    ['CREATE TABLE x ()', 'relation', 'x', true],
    ['CREATE TABLE public.x ()', 'type', 'x', true],
    ['CREATE TABLE other.x ()', 'relation', 'x', false],
    ['CREATE TEMP TABLE x ()', 'relation', 'x', false],
    ['CREATE TABLE x ()', 'routine', 'x', false],
    ['CREATE FOREIGN TABLE x () SERVER s', 'relation', 'x', true],
    ['CREATE TABLE x AS SELECT 1', 'relation', 'x', true],
    ['SELECT 1 INTO x', 'relation', 'x', true],
    ['CREATE TABLE x (id int, CONSTRAINT y PRIMARY KEY (id))', 'relation', 'y', true],
    ['CREATE TABLE x (id int)', 'relation', 'x_id_seq', true],
    ['CREATE TABLE x (id int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME y))', 'relation', 'y', true],
    ['CREATE TYPE x AS RANGE (subtype = int)', 'type', 'x_multirange', true],
    ['CREATE TYPE x AS (a int)', 'type', 'x', true],
    ['CREATE TABLE x (); ALTER TABLE x RENAME TO y', 'relation', 'y', true],
    ['ALTER TABLE other.x SET SCHEMA public', 'relation', 'x', true],
    ['CREATE SCHEMA public CREATE TABLE x ()', 'relation', 'x', true],
    ['DO $$ BEGIN CREATE TABLE x (); END $$', 'relation', 'x', true],
    [`DO $$ BEGIN EXECUTE 'CREATE TABLE x ()'; END $$`, 'relation', 'x', true],
    ['CREATE FUNCTION y() RETURNS void LANGUAGE sql AS $$ CREATE TABLE x () $$', 'relation', 'x', true],
    ['CREATE COLLATION x (provider = icu, locale = $$de$$)', 'other', 'x', true],
    ['CREATE EXTENSION x', 'relation', 'x', false],
  ])('%s: %s %s', async (sql, kind, name, expected) => {
    const made = new CreatedNames();
    expect(await addText(sql, made)).toBe(true);
    expect(made.has(kind, name)).toBe(expected);
    expect(made.complete).toBe(true);
  });
});
