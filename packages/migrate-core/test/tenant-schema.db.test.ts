import { requirePgBouncer, startPgBouncer, testDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createFleet, diffCatalogs, directorySource, listSource, readCatalog, type FleetEvent, type MigrationSource } from '../src/index.ts';
import { codePointOffset } from '../src/position.ts';
import { connectTo, failureOf, folder, migratorOn, rows, type Files } from './support/target.ts';

/** As Prisma writes them, with what people add by hand. */
const history: Files = {
  '20240101000000_init/migration.sql': `-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";
CREATE EXTENSION IF NOT EXISTS citext;
-- CreateEnum
CREATE TYPE "public"."Kind" AS ENUM ('public', 'private');
-- CreateTable
CREATE TABLE "public"."Team" ("id" SERIAL PRIMARY KEY, "name" public.citext NOT NULL, "kind" "public"."Kind" NOT NULL DEFAULT 'public', "public" text);
CREATE SEQUENCE public.numbers;
CREATE TABLE "public"."Member" ("id" int PRIMARY KEY DEFAULT nextval('public.numbers'::regclass), "team" int NOT NULL);
-- AddForeignKey
ALTER TABLE "public"."Member" ADD CONSTRAINT "Member_team_fkey" FOREIGN KEY ("team") REFERENCES "public"."Team"("id") ON DELETE CASCADE;
COMMENT ON COLUMN "public"."Team"."public" IS 'in public.Team';`,
  '20240101000000_init/rollback.sql': `DROP TABLE public."Member"; DROP SEQUENCE public.numbers; DROP TABLE public."Team"; DROP TYPE public."Kind";`,
  '20240102000000_code/migration.sql': `CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE one "public"."Team"%ROWTYPE;
BEGIN
  SELECT * INTO one FROM public."Team" WHERE id = NEW.team;
  IF one.id IS NULL THEN RAISE EXCEPTION 'no team in public'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER touch BEFORE INSERT ON "public"."Member" FOR EACH ROW EXECUTE FUNCTION "public"."touch"();
CREATE FUNCTION public.members() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM "public"."Member"';
CREATE FUNCTION public.teams() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM public."Team"; END;
CREATE VIEW public.overview AS SELECT public.id, public.name, t."kind"::"public"."Kind" FROM "public"."Team" AS public JOIN public."Team" t ON t.id = public.id;
DO $$ BEGIN
  INSERT INTO public."Team" (name) VALUES ('a team');
  PERFORM setval('public."Team_id_seq"', 10);
  EXECUTE 'CREATE INDEX ON public."Member" ("team")';
END $$;
INSERT INTO public."Member" (team) SELECT id FROM "public"."Team" AS public WHERE public.kind = 'public';
ALTER TYPE "public"."Kind" RENAME VALUE 'private' TO 'hidden';
GRANT USAGE ON SCHEMA public TO PUBLIC;`,
  '20240102000000_code/rollback.sql': `DROP VIEW public.overview; DROP FUNCTION public.touch() CASCADE; DROP FUNCTION public.members(); DROP FUNCTION public.teams(); DELETE FROM public."Team";
ALTER TYPE "public"."Kind" RENAME VALUE 'hidden' TO 'private'; DROP INDEX public."Member_team_idx";`,
};

const names = ['clinic a', `b"'$c`];
const exclude = ['', '_log', '_scripts'].map((suffix) => `schema_migrations_test${suffix}`);

async function makeSchemas(db: TestDatabase): Promise<void> {
  const client = await db.connect();
  for (const name of names) await client.query(`CREATE SCHEMA "${name.replaceAll('"', '""')}"`);
}

type Told = Readonly<Record<'notice' | 'warning', string[]>>;

function fleetOn(db: TestDatabase, source: MigrationSource, url = db.url): { fleet: ReturnType<typeof createFleet>; told: Told } {
  const told: Told = { notice: [], warning: [] };
  const fleet = createFleet({
    service: 'test',
    source,
    targets: () => names.map((schema) => ({ tenant: schema, schema })),
    connect: () => connectTo(url),
    onEvent: (event: FleetEvent) => {
      if (event.type === 'tenant' && (event.event.type === 'notice' || event.event.type === 'warning')) told[event.event.type].push(event.event.message);
    },
  });
  return { fleet, told };
}

test('a history full of "public" makes the same for each tenant as it makes in public, and leaves public alone', async () => {
  await using plain = await testDatabase();
  await using db = await testDatabase();
  await using files = await folder(history);
  await makeSchemas(db);
  await migratorOn(plain, files.path).migrator.up();
  const { fleet, told } = fleetOn(db, directorySource(files.path));
  expect(await fleet.up()).toMatchObject({ failures: [], counts: { applied: 2 } });
  expect(told).toEqual({ notice: [], warning: [] });
  const client = await db.connect();
  const [a, b] = await Promise.all(names.map((schema) => readCatalog(client, { schema, exclude })));
  expect(diffCatalogs(a as never, b as never)).toEqual([]);
  const wanted = await readCatalog(await plain.connect(), { schema: 'public', exclude });
  // The extension is the database's, and found on the search path.
  const differences = diffCatalogs(wanted, a as never).map((one) => [one.before, one.after]);
  expect(differences).toEqual([
    // Everybody has it on public anyway.
    [null, 'USAGE'],
    [expect.stringContaining('citext not null'), expect.stringContaining('public.citext not null')],
  ]);
  expect(
    await rows(db, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'schema_migrations%'`),
  ).toEqual([]);
  expect(await rows(db, `SELECT "b""'$c".members()::int AS members, "clinic a".teams()::int AS teams`)).toEqual([{ members: 1, teams: 1 }]);
  expect(await rows(db, `SELECT extnamespace::regnamespace::text AS schema FROM pg_extension WHERE extname = 'citext'`)).toEqual([{ schema: 'public' }]);
  // What is kept is what was written, once for all of them.
  expect(
    await rows(db, `SELECT count(*)::int AS scripts, bool_and(up LIKE '%public%' AND up NOT LIKE '%clinic%') AS written FROM schema_migrations_test_scripts`),
  ).toEqual([{ scripts: 2, written: true }]);
  expect(await fleet.down({ steps: 2 })).toMatchObject({ counts: { undone: 2, failed: 0 } });
  expect((await readCatalog(client, { schema: 'clinic a', exclude })).text).not.toMatch(/Team|Member|Kind/);
});

test('a stored down of an image that has no such file undoes the tenant’s own', async () => {
  await using db = await testDatabase();
  await using files = await folder(history);
  await makeSchemas(db);
  expect(await fleetOn(db, directorySource(files.path)).fleet.up()).toMatchObject({ failures: [] });
  await files.remove('20240102000000_code');
  await files.remove('20240101000000_init');
  await files.write({ '20230101000000_first/migration.sql': 'SELECT 1;' });
  const client = await db.connect();
  await client.query('CREATE TABLE public."Team" (id int); INSERT INTO public."Team" VALUES (1)');
  const { fleet } = fleetOn(db, directorySource(files.path));
  expect(await fleet.down({ steps: 2 })).toMatchObject({ counts: { undone: 2, failed: 0 } });
  expect((await readCatalog(client, { schema: 'clinic a', exclude })).text).not.toMatch(/Team|Member|Kind/);
  expect(await rows(db, 'SELECT id FROM public."Team"')).toEqual([{ id: 1 }]);
});

test('an error points into the file as it is written, whatever the schema is called', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_a.sql': `CREATE TABLE public.t (id int); /* 😀 */ SELECT '😀 😀', id FROM "public".t WHERE public.t.id IN (SELECT id FROM public.t) AND missing = 1;\n`,
    '0002_b.sql': 'SELECT 1;',
  });
  await makeSchemas(db);
  const { fleet } = fleetOn(db, directorySource(files.path));
  const { failures } = await fleet.up();
  const line = `CREATE TABLE public.t (id int); /* 😀 */ SELECT '😀 😀', id FROM "public".t WHERE public.t.id IN (SELECT id FROM public.t) AND missing = 1;`;
  expect(failures).toHaveLength(2);
  for (const { failed } of failures) {
    expect(failed).toMatchObject({ sqlState: '42703', name: '0001_a' });
    expect(failed?.position).toMatchObject({ line: 1, column: codePointOffset(line, line.indexOf('missing')) + 1, text: line });
    expect(failed?.statement).toMatch(/^SELECT .* FROM "public"\.t WHERE/);
  }
});

test('what cannot be decided stays, and is told once with its place, not once for each tenant', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_a.sql': `CREATE TABLE public.t (id int);\nDO $$ BEGIN\n  EXECUTE format('COMMENT ON SCHEMA public IS %L', 'x');\nEND $$;\n`,
  });
  await makeSchemas(db);
  const { fleet, told } = fleetOn(db, directorySource(files.path));
  expect(await fleet.up()).toMatchObject({ counts: { applied: 2 } });
  expect(told).toEqual({ notice: [], warning: [expect.stringMatching(/0001_a\.sql:3:37: left as it is for tenants: public in a string/)] });
});

test('what is not parsed and names public is refused with its place; without it, it runs', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': '-- migrate: parse=off\nCREATE TABLE t (id int);\nINSERT INTO public.t VALUES (1);\n' });
  await makeSchemas(db);
  const error = await failureOf(migratorOn(db, files.path, { schema: names[0] }).migrator.up());
  expect(error).toMatchObject({ code: 'invalidMigration', migration: '0001_a', position: { line: 3, column: 13 } });
  expect(error.message).toContain('names the schema public in a statement that is not parsed');
  await files.write({ '0001_a.sql': `-- migrate: parse=off\nCREATE TABLE t (id int);\nINSERT INTO t VALUES (1); GRANT SELECT ON t TO PUBLIC;\n` });
  expect(await migratorOn(db, files.path, { schema: names[0] }).migrator.up()).toMatchObject({ outcome: 'applied' });
});

test('a syntax error in what names public is told with its place, before anything runs', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE public.t (id int);\n', '0002_b.sql': 'SELECT 1;\nCREATE TABLE public.a (id int,);\n' });
  await makeSchemas(db);
  const error = await failureOf(migratorOn(db, files.path, { schema: names[0] }).migrator.up());
  expect(error).toMatchObject({ code: 'invalidMigration', migration: '0002_b', position: { line: 2, column: 31 } });
  expect(error.message).toContain('0002_b: syntax error at or near ")"');
  expect(await rows(db, `SELECT relname FROM pg_class WHERE relname = 't'`)).toEqual([]);
});

test('a schema of its own is never called as the search path calls the role’s', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE t (id int);\n' });
  expect(() => migratorOn(db, files.path, { schema: '$user' })).toThrow('"$user" cannot be the schema');
});

test('a live migration asks and makes in the tenant’s schema', async () => {
  await using db = await testDatabase();
  await makeSchemas(db);
  const source = listSource([
    { name: '0001_a', up: 'CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (7);' },
    {
      name: '0002_b',
      up: async (pgm) => {
        const { rows: found } = await pgm.db.query({ text: 'SELECT id FROM public.t WHERE id > $1', values: [1] });
        pgm.sql(`CREATE TABLE public.made AS SELECT ${Number((found[0] as { id: number }).id)} AS id; COMMENT ON TABLE public.made IS 'x'`);
      },
      down: false,
    },
  ]);
  expect(await fleetOn(db, source).fleet.up()).toMatchObject({ counts: { applied: 2, failed: 0 } });
  expect(await rows(db, `SELECT (SELECT id FROM "clinic a".made) AS a, (SELECT id FROM "b""'$c".made) AS b, to_regclass('public.made') AS none`)).toEqual([
    { a: 7, b: 7, none: null },
  ]);
});

test('a file’s own SET search_path, and its RESET, stay in the tenant’s schema', async () => {
  await using db = await testDatabase();
  await makeSchemas(db);
  const source = listSource([
    {
      name: '0001_a',
      up: `SET search_path = public; CREATE TABLE a (); RESET search_path; CREATE TABLE b (); SET SCHEMA 'public'; CREATE TABLE c (); SELECT set_config('search_path', 'public', false); CREATE TABLE d ();`,
    },
  ]);
  expect(await fleetOn(db, source).fleet.up()).toMatchObject({ counts: { applied: 2, failed: 0 } });
  expect(
    await rows(
      db,
      `SELECT relnamespace::regnamespace::text AS schema, string_agg(relname, '' ORDER BY relname) AS made FROM pg_class WHERE relname IN ('a', 'b', 'c', 'd') GROUP BY 1 ORDER BY 1`,
    ),
  ).toEqual([
    { schema: `"b""'$c"`, made: 'abcd' },
    { schema: '"clinic a"', made: 'abcd' },
  ]);
});

/** Each statement that runs by itself, with names that have no schema. */
const alone: Files = {
  '0001_a.sql': `CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE notes (id int PRIMARY KEY, name text, at date);
CREATE FUNCTION plain(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)';
CREATE TABLE events (at date) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE INDEX events_at ON events (at);`,
  '0002_b.sql': `CREATE INDEX CONCURRENTLY notes_name ON notes (plain(name), lower(name) COLLATE "C") WHERE name <> 'public';
CREATE INDEX CONCURRENTLY ON notes USING gin (name gin_trgm_ops);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS notes_at ON public.notes (at);
REINDEX TABLE CONCURRENTLY notes;
REINDEX INDEX CONCURRENTLY public.notes_at;
REINDEX INDEX events_at;
ALTER TABLE events DETACH PARTITION events_old CONCURRENTLY;
VACUUM (ANALYZE) notes, public.events;
DROP INDEX CONCURRENTLY notes_at;`,
};

test('behind a pooler, two tenants at once: what runs outside of transactions has its schema and no setting of the session', async (context) => {
  requirePgBouncer(context);
  await using db = await testDatabase();
  await using pooler = await startPgBouncer({ server: db.server, poolSize: 4 });
  await using files = await folder(alone);
  await makeSchemas(db);
  const client = await db.connect();
  // What a wrong name would hit.
  await client.query('CREATE TABLE public.notes (id int, name text, at date); CREATE INDEX notes_at ON public.notes (at)');
  const { fleet, told } = fleetOn(db, directorySource(files.path), pooler.url(db.name));
  const report = await fleet.up({ concurrency: 2 });
  expect(report.failures).toEqual([]);
  expect(report.counts).toMatchObject({ applied: 2 });
  expect([...told.notice, ...told.warning].filter((one) => /search_path/.test(one))).toEqual([]);
  const [a, b] = await Promise.all(names.map((schema) => readCatalog(client, { schema, exclude })));
  expect(diffCatalogs(a as never, b as never)).toEqual([]);
  expect(a?.text).toContain('notes_name');
  expect(a?.text).toContain('gin_trgm_ops');
  expect(a?.text).not.toContain('notes_at');
  expect(await rows(db, `SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = 'public.notes'::regclass`)).toEqual([{ name: 'notes_at' }]);
  // Nobody who gets a connection of the pool finds a search path of ours.
  const paths = new Set<string>();
  for (let n = 0; n < 12; n++) {
    const other = await connectTo(pooler.url(db.name));
    const { rows: found } = await other.query<{ search_path: string }>('SHOW search_path');
    paths.add(found[0]?.search_path ?? '');
    await other.end();
  }
  expect([...paths]).toEqual(['"$user", public']);
});

test('an interrupted CONCURRENTLY of a tenant is judged by the tenant’s own index', async () => {
  await using db = await testDatabase();
  await using files = await folder({
    '0001_a.sql': 'CREATE TABLE public.t (id int);',
    '0002_b.sql': 'CREATE UNIQUE INDEX CONCURRENTLY t_once ON public.t (id);\nCREATE INDEX CONCURRENTLY missing ON t (nothing);\n',
  });
  await makeSchemas(db);
  const client = await db.connect();
  await client.query('CREATE TABLE public.t (id int); CREATE UNIQUE INDEX t_once ON public.t (id)');
  const { migrator } = migratorOn(db, files.path, { schema: names[1] });
  const error = await failureOf(migrator.up());
  expect(error).toMatchObject({ code: 'migrationFailed', sqlState: '42703', position: { line: 2, column: 1 } });
  await files.write({ '0002_b.sql': 'CREATE UNIQUE INDEX CONCURRENTLY t_once ON public.t (id);\nCREATE INDEX CONCURRENTLY missing ON t (id);\n' });
  expect(await migratorOn(db, files.path, { schema: names[1] }).migrator.up()).toMatchObject({ outcome: 'applied' });
  expect(
    await rows(db, `SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid IN ('public.t'::regclass, '"b""''$c".t'::regclass) ORDER BY 1`),
  ).toEqual([{ name: `"b""'$c".missing` }, { name: `"b""'$c".t_once` }, { name: 't_once' }]);
});

test('a plan shows what a tenant gets', async () => {
  await using db = await testDatabase();
  await using files = await folder({ '0001_a.sql': 'CREATE TABLE public.t (id int);' });
  await makeSchemas(db);
  const { steps } = await migratorOn(db, files.path, { schema: names[0] }).migrator.plan({ direction: 'up' });
  expect(steps[0]?.sql).toBe('CREATE TABLE "clinic a".t (id int);\n');
  const { steps: inPublic } = await migratorOn(db, files.path).migrator.plan({ direction: 'up' });
  expect(inPublic[0]?.sql).toBe('CREATE TABLE public.t (id int);');
});

/** As pg_dump writes a schema. */
const dump = `SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
COMMENT ON EXTENSION pg_trgm IS 'of public';
CREATE TYPE public.status AS ENUM ('a', 'b');
CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'public', 'pg_temp'
  AS $$ BEGIN NEW.at := now(); INSERT INTO public.audit (what) VALUES (TG_TABLE_NAME); RETURN NEW; END $$;
CREATE TABLE public.notes (id integer NOT NULL, body text, status public.status DEFAULT 'a'::public.status, at timestamptz);
CREATE SEQUENCE public.notes_id_seq AS integer START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER SEQUENCE public.notes_id_seq OWNED BY public.notes.id;
CREATE TABLE public.audit (what text);
ALTER TABLE ONLY public.notes ALTER COLUMN id SET DEFAULT nextval('public.notes_id_seq'::regclass);
SELECT pg_catalog.setval('public.notes_id_seq', 5, true);
ALTER TABLE ONLY public.notes ADD CONSTRAINT notes_pkey PRIMARY KEY (id);
CREATE INDEX notes_body ON public.notes USING gin (body public.gin_trgm_ops);
CREATE TRIGGER stamp BEFORE INSERT ON public.notes FOR EACH ROW EXECUTE FUNCTION public.stamp();
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
INSERT INTO public.notes (body) VALUES ('public.notes');`;

test('a dump as the first migration, and index builds behind it, up and down through a pooler', async (context) => {
  requirePgBouncer(context);
  await using db = await testDatabase();
  await using pooler = await startPgBouncer({ server: db.server, poolSize: 8 });
  await makeSchemas(db);
  const source = listSource([
    { name: '0001_dump', up: dump },
    {
      name: '0002_index',
      up: 'CREATE INDEX CONCURRENTLY ON notes USING gin (body gin_trgm_ops); DROP INDEX CONCURRENTLY notes_body;',
      down: 'CREATE INDEX CONCURRENTLY notes_body ON notes USING gin (body gin_trgm_ops); DROP INDEX CONCURRENTLY notes_body_idx;',
    },
  ]);
  const { fleet } = fleetOn(db, source, pooler.url(db.name));
  expect(await fleet.up({ concurrency: 2 })).toMatchObject({ failures: [], counts: { applied: 2 } });
  const client = await db.connect();
  const equal = async (): Promise<string> => {
    const [a, b] = await Promise.all(names.map((schema) => readCatalog(client, { schema, exclude })));
    expect(diffCatalogs(a as never, b as never)).toEqual([]);
    return a?.text ?? '';
  };
  expect(await equal()).toContain('notes_body_idx');
  expect(await rows(db, `SELECT id, (SELECT count(*)::int FROM "clinic a".audit) AS audit, body FROM "clinic a".notes`)).toEqual([
    { id: 6, audit: 1, body: 'public.notes' },
  ]);
  expect(await rows(db, `SELECT to_regclass('public.notes') AS notes, to_regtype('public.status') AS status, to_regproc('public.stamp') AS stamp`)).toEqual([
    { notes: null, status: null, stamp: null },
  ]);
  expect(await fleet.down({ steps: 1, concurrency: 2 })).toMatchObject({ failures: [], counts: { undone: 2 } });
  expect(await equal()).not.toContain('notes_body_idx');
});
