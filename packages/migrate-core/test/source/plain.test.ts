import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { split } from '../../src/source/lexer.ts';
import { parse } from '../../src/source/parser.ts';
import { readPlain } from '../../src/source/plain.ts';
import { Classifier, type Classified } from '../../src/source/statement.ts';

interface Told {
  readonly kind: string;
  readonly classified: Classified;
}

/** What the parser tells of each statement, and what its words alone do, `null` where they leave it to the parser. */
async function bothWays(sql: string): Promise<readonly (readonly [Told, Told | null])[]> {
  const answer = await parse(sql);
  if (answer.kind !== 'parsed') throw new Error(`not parsed: ${JSON.stringify(answer)}`);
  expect(split(sql).spans).toEqual(answer.statements.map(({ start, end }) => ({ start, end })));
  const byParser = new Classifier('per-migration');
  const byWords = new Classifier('per-migration');
  return answer.statements.map(({ kind, node, start, end }) => {
    const text = sql.slice(start, end);
    const plain = readPlain(text);
    // Both remember what was made before.
    const here = { kind, classified: byParser.parsed(kind, node, text) };
    const { kind: named, node: tree } = plain ?? { kind, node };
    const there = { kind: named, classified: byWords.parsed(named, tree, text) };
    return [here, plain === null ? null : there] as const;
  });
}

const PLAIN: readonly string[] = [
  'CREATE TABLE t (a int)',
  'CREATE TABLE IF NOT EXISTS s.t (a int)',
  'CREATE TABLE "S"."T t" (a int, "b""c" text)',
  'CREATE TABLE T (a int REFERENCES other, b int REFERENCES s."Third" (id) ON DELETE CASCADE, FOREIGN KEY (a, b) REFERENCES fourth (x, y))',
  'CREATE TABLE t (parent int REFERENCES t (id))',
  "CREATE TABLE t (a text DEFAULT 'REFERENCES u', b int CHECK (b > (1 + (2))) /* references v */) -- references w",
  'ALTER TABLE t ADD COLUMN a int',
  'ALTER TABLE IF EXISTS ONLY s.t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (id) NOT VALID',
  'ALTER TABLE t ADD COLUMN a int REFERENCES u, ADD COLUMN b int REFERENCES v, DROP COLUMN c',
  'ALTER TABLE t ALTER COLUMN a SET NOT NULL, ALTER COLUMN b TYPE bigint USING b::bigint',
  'ALTER TABLE t VALIDATE CONSTRAINT c',
  'ALTER TABLE t ENABLE ROW LEVEL SECURITY',
  'ALTER TABLE t FORCE ROW LEVEL SECURITY',
  'ALTER TABLE t OWNER TO somebody',
  'ALTER TABLE t RENAME COLUMN a TO b',
  'ALTER TABLE t RENAME TO u',
  "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'calm' BEFORE 'angry'",
  'ALTER POLICY p ON s.t USING (true)',
  'ALTER POLICY p ON s.t RENAME TO q',
  'CREATE INDEX ON t (a)',
  'CREATE INDEX i ON ONLY t (a)',
  'CREATE UNIQUE INDEX IF NOT EXISTS i ON s.t USING btree (lower(a)) WHERE a IS NOT NULL',
  'CREATE VIEW v AS SELECT 1',
  'CREATE OR REPLACE VIEW s.v (a) AS SELECT 1',
  'CREATE SEQUENCE s',
  'CREATE SEQUENCE IF NOT EXISTS a.s START 5',
  "CREATE TYPE mood AS ENUM ('calm', 'angry')",
  'CREATE TYPE pair AS (a int, b int)',
  'CREATE EXTENSION IF NOT EXISTS pgcrypto',
  "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2'",
  'CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$',
  'CREATE TRIGGER g BEFORE UPDATE OF a, b ON s.t FOR EACH ROW EXECUTE FUNCTION f()',
  'CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()',
  'CREATE POLICY p ON t USING (true) WITH CHECK (a = 1)',
  'COMMENT ON TABLE t IS NULL',
  'GRANT SELECT, UPDATE (a, b) ON t TO somebody',
  'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC',
  'DROP TABLE t',
  'DROP TABLE IF EXISTS a, s.b, "C" CASCADE',
  'DROP INDEX i',
  'DROP VIEW v',
  'DROP SEQUENCE s',
  'DROP TRIGGER IF EXISTS g ON s.t',
  'DROP POLICY p ON t',
  'DROP FUNCTION IF EXISTS f(int, text), g',
  'DROP TYPE mood',
  'INSERT INTO s.t (a) VALUES (1) ON CONFLICT DO NOTHING RETURNING a',
  'UPDATE ONLY t SET a = 1 FROM u WHERE t.id = u.id',
  'DELETE FROM t USING u WHERE t.id = u.id',
  "SELECT setval('s', 5)",
  'DO $$ BEGIN NULL; END $$',
];

/** Words do not tell enough of these, or not what their first ones suggest. */
const DOUBTFUL: readonly string[] = [
  'CREATE TEMP TABLE t (a int)',
  'CREATE UNLOGGED TABLE t (a int)',
  'CREATE TABLE t PARTITION OF u FOR VALUES IN (1)',
  'CREATE TABLE t (a int) INHERITS (u)',
  'CREATE TABLE t (a int) PARTITION BY LIST (a)',
  'CREATE TABLE t AS SELECT 1',
  'CREATE TABLE t (a) AS (SELECT 1)',
  'CREATE TABLE a.b.c (a int)',
  `CREATE TABLE ${'t'.repeat(70)} (a int)`,
  'CREATE TABLE été (a int)',
  'CREATE TABLE U&"d\\0061ta" (a int)',
  'CREATE TABLE t (a int REFERENCES été)',
  'CREATE SEQUENCE if START 5',
  'CREATE INDEX if ON t (a)',
  'CREATE INDEX CONCURRENTLY i ON t (a)',
  'CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)',
  'DROP INDEX CONCURRENTLY i',
  'CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END',
  'CREATE DATABASE d',
  'CREATE SCHEMA s',
  'ALTER TABLE t ATTACH PARTITION u FOR VALUES IN (1)',
  'ALTER TABLE t DETACH PARTITION u CONCURRENTLY',
  'ALTER TABLE t INHERIT u',
  'ALTER TABLE t NO INHERIT u',
  'ALTER TABLE t ADD COLUMN a int, INHERIT u',
  'ALTER TABLE t SET SCHEMA s',
  'ALTER TABLE t SET (fillfactor = 50)',
  'ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b',
  'ALTER TYPE mood RENAME TO moods',
  'GRANT a TO b',
  'DROP SCHEMA s CASCADE',
  'DROP OWNED BY a',
  'SELECT 1 INTO t',
  'UPDATE INTO found t SET a = 1',
  'CREATE TRIGGER g INTO found BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()',
  'INSERT INTO t WITH w AS (INSERT INTO u VALUES (1) RETURNING a) SELECT a FROM w',
  'WITH w AS (DELETE FROM t RETURNING a) INSERT INTO u SELECT a FROM w',
  'TRUNCATE t',
  'VACUUM',
  'LOCK TABLE t',
  'SAVEPOINT s',
  'CONSTRUCTOR s',
  'DROP CONSTRUCTOR s',
  'REFRESH MATERIALIZED VIEW v',
  'CREATE MATERIALIZED VIEW v AS SELECT 1',
  'CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING',
];

describe('the words of a statement tell what the parser tells', () => {
  test.each(PLAIN)('%s', async (sql) => {
    const [[byParser, byWords] = []] = await bothWays(sql);
    expect(byWords).toEqual(byParser);
  });

  test('also of what one file has made itself, in any spelling', async () => {
    const sql = `CREATE TABLE Notes (id int); CREATE INDEX ON "notes" (id); ALTER TABLE notes ADD COLUMN a int; ALTER TABLE s.notes ADD COLUMN a int;
      CREATE TABLE more (note int REFERENCES NOTES); DROP TABLE notes; CREATE TABLE IF NOT EXISTS maybe (id int); DROP TABLE maybe`;
    const told = await bothWays(sql);
    expect(told.map(([, byWords]) => byWords)).toEqual(told.map(([byParser]) => byParser));
    expect(told.map(([{ classified }]) => classified.strongLock)).toEqual([false, false, false, true, false, false, false, true]);
  });

  test('wherever spaces and comments stand', async () => {
    const space = fc.constantFrom(' ', '\n', '\t', ' /* on a; into */ ', ' -- references u\n');
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...PLAIN), fc.array(space, { minLength: 30, maxLength: 30 }), async (sql, spaces) => {
        let at = 0;
        const spaced = sql.split(/(?<=^[^'$]*) /).reduce((whole, word) => `${whole}${spaces[at++ % spaces.length]}${word}`);
        for (const [byParser, byWords] of await bothWays(spaced)) if (byWords !== null) expect(byWords).toEqual(byParser);
      }),
      { numRuns: 300 },
    );
  });

  test('in every migration of the services', async () => {
    const services = new URL('../../../../services/', import.meta.url).pathname;
    const files = (await readdir(services, { recursive: true })).filter((path) => /migrations\/.*\.sql$/.test(path) && !path.includes('node_modules'));
    let plain = 0;
    let all = 0;
    for (const file of files) {
      for (const [byParser, byWords] of await bothWays(await readFile(join(services, file), 'utf8'))) {
        all++;
        if (byWords === null) continue;
        plain++;
        expect(byWords, file).toEqual(byParser);
      }
    }
    // Or the parser is loaded after all.
    expect(plain).toBeGreaterThan(all * 0.8);
  });
});

test.each(DOUBTFUL)('%s is left to the parser', (sql) => {
  expect(readPlain(sql)).toBeNull();
});
