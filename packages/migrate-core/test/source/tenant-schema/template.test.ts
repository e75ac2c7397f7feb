import fc from 'fast-check';
import { expect, test } from 'vitest';

import { writtenOffset } from '../../../src/position.ts';
import { parse } from '../../../src/source/parser.ts';
import { addText } from '../../../src/source/tenant-schema/created-in.ts';
import { CreatedNames } from '../../../src/source/tenant-schema/created.ts';
import { findPlaces } from '../../../src/source/tenant-schema/places.ts';
import { sentOffset, Template } from '../../../src/source/tenant-schema/template.ts';

const name = fc.constantFrom('t', '"T"', 'u', 'other', 'public', '"public"');
const schema = fc.constantFrom('public.', 'PUBLIC.', '"public" . ', String.raw`U&"p\0075blic".`, 'elsewhere.', '');
const relation = fc.tuple(schema, name).map(([of, what]) => of + what);
const space = fc.constantFrom(' ', '\n', ' /* public.t 😀 */ ', ' -- public.u\n');

const plain = fc.oneof(
  fc.tuple(relation, space).map(([of, gap]) => `SELECT public.id, '😀' FROM${gap}${of} AS public`),
  relation.map((of) => `SELECT '${of.replaceAll("'", "''")}'::regclass, 'public.t', ${of}.a FROM ${of}`),
  fc.tuple(relation, relation).map(([a, b]) => `CREATE TABLE IF NOT EXISTS ${a} (id int REFERENCES ${b} (id))`),
  relation.map((of) => `COMMENT ON COLUMN ${of}.public IS 'public.t 😀'`),
  fc.constant('GRANT USAGE ON SCHEMA public TO PUBLIC'),
  fc.constant('SET search_path = public'),
);
const body = fc.tuple(fc.constantFrom('$$', '$x$'), plain).map(([mark, sql]) => `DO ${mark} BEGIN ${sql.replace('SELECT', 'PERFORM')}; END ${mark}`);
const quotedBody = plain.map((sql) => `CREATE FUNCTION x() RETURNS void LANGUAGE sql AS '${sql.replaceAll("'", "''")}'`);
const script = fc
  .array(fc.tuple(space, fc.oneof(plain, body, quotedBody)), { minLength: 1, maxLength: 4 })
  .map((all) => all.map(([gap, sql]) => gap + sql).join(';'));

async function made(): Promise<CreatedNames> {
  const known = new CreatedNames();
  await addText('CREATE TABLE t (id int); CREATE TABLE "T" (); CREATE TABLE u (); CREATE TABLE public ();', known);
  return known;
}

/** A tree without its places. */
async function treeOf(sql: string): Promise<string> {
  const answer = await parse(sql);
  if (answer.kind !== 'parsed') throw new Error(`not parsed: ${sql}`);
  return JSON.stringify(
    answer.statements.map(({ kind, node }) => ({ kind, node })),
    (key, value: unknown) => (key === 'location' ? undefined : value),
  );
}

test('for the schema public, a script becomes what it is', async () => {
  const known = await made();
  await fc.assert(
    fc.asyncProperty(script, async (sql) => {
      const found = await findPlaces(sql, known);
      const { text } = new Template(sql, found?.places ?? []).render({ schema: 'public', behind: [] });
      const bare = (tree: string): string =>
        tree
          .replaceAll(String.raw`\"public\"`, 'public')
          .replaceAll(/public\s*\.\s*/gi, 'public.')
          .replaceAll(String.raw`U&\"p\\0075blic\"`, 'public');
      expect(bare(await treeOf(text))).toBe(bare(await treeOf(sql)));
    }),
    { numRuns: 150 },
  );
});

test('nothing but the places changes, and each offset finds its way back', async () => {
  const known = await made();
  await fc.assert(
    fc.asyncProperty(script, fc.constantFrom('clinic', 'public', `a"b'\\😀`), async (sql, clinic) => {
      const found = await findPlaces(sql, known);
      const { text, moved } = new Template(sql, found?.places ?? []).render({ schema: clinic, behind: ['public'] });
      let back = '';
      let from = 0;
      for (const { sent, written } of moved) {
        back += text.slice(from, sent.start) + sql.slice(written.start, written.end);
        from = sent.end;
        expect(sql.slice(written.start, written.end)).toMatch(/^(?:public|"public"|U&"p\\0075blic")$/i);
        expect(writtenOffset(moved, sent.start)).toBe(written.start);
      }
      expect(back + text.slice(from)).toBe(sql);
      for (let offset = 0; offset <= sql.length; offset++) {
        if (moved.some(({ written }) => offset > written.start && offset < written.end)) continue;
        if (moved.some(({ written }) => offset === written.start)) continue;
        expect(writtenOffset(moved, sentOffset(moved, offset))).toBe(offset);
      }
      expect((await parse(text)).kind).toBe('parsed');
    }),
    { numRuns: 150 },
  );
});

test('what is a tenant’s names nothing of public any more: rewritten again, it stays', async () => {
  const known = await made();
  await fc.assert(
    fc.asyncProperty(script, async (sql) => {
      const once = new Template(sql, (await findPlaces(sql, known))?.places ?? []).render({ schema: 'clinic', behind: ['shared'] }).text;
      expect((await findPlaces(once, known))?.places).toEqual([]);
    }),
    { numRuns: 100 },
  );
});
