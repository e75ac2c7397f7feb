import { expect, test } from 'vitest';

import { textsOfName } from '../../src/schema-script/copy.ts';
import { HERE, quoted, type Text } from '../../src/schema-script/text.ts';

const script = (...texts: readonly Text[]): Parameters<typeof textsOfName>[0] => ({
  statements: texts.map((text) => ({ phase: 'definition', text, locks: 1 })),
});

test('names that the catalogue keeps by their number follow a rename, and need nothing', () => {
  const made = script(
    ['CREATE TABLE "t" (id int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME ', HERE, '."t_id_seq"))'],
    ['GRANT USAGE ON SCHEMA ', HERE, ' TO PUBLIC'],
    ['CREATE FUNCTION "f"() RETURNS int LANGUAGE "sql" AS ', quoted(['SELECT 1'])],
  );
  expect(textsOfName(made, 'clinic')).toEqual([]);
});

test('routines that name their schema are replaced, in their order', () => {
  const made = script(
    ['CREATE FUNCTION "f"() RETURNS int LANGUAGE "sql"', ' SET "search_path" TO ', HERE, ' AS ', quoted(['SELECT 1'])],
    ['CREATE TABLE "t" ()'],
    ['CREATE PROCEDURE "p"() LANGUAGE "plpgsql" AS ', quoted(['BEGIN PERFORM ', quoted([HERE, '.t']), '; DELETE FROM ', HERE, '.t; END'])],
  );
  expect(textsOfName(made, `it's`)).toEqual([
    `CREATE OR REPLACE FUNCTION "f"() RETURNS int LANGUAGE "sql" SET "search_path" TO "it's" AS 'SELECT 1'`,
    `CREATE OR REPLACE PROCEDURE "p"() LANGUAGE "plpgsql" AS 'BEGIN PERFORM ''"it''''s".t''; DELETE FROM "it''s".t; END'`,
  ]);
});

test('a text of anything else that names the schema cannot be said again', () => {
  expect(textsOfName(script(['COMMENT ON TABLE "t" IS ', quoted(['of ', HERE])]), 'clinic')).toBeNull();
});
