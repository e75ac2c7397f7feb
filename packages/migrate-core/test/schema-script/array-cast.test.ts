import { expect, test } from 'vitest';

import { withoutArrayCasts } from '../../src/schema-script/array-cast.ts';

test.each([
  [
    "CHECK (((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
    "CHECK (((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying]))))",
  ],
  ["status::text <> ALL (ARRAY['x'::character varying]::text[]) OR b", "status::text <> ALL (ARRAY['x'::character varying]) OR b"],
  ['x = ANY (ARRAY[a[1], \'a])::text[])\'::character varying]::"Odd ""name"""[])', "x = ANY (ARRAY[a[1], 'a])::text[])'::character varying])"],
  [
    "a = ANY (ARRAY['x'::varchar]::text[]) AND b = ANY (ARRAY['y'::varchar]::pg_catalog.text[])",
    "a = ANY (ARRAY['x'::varchar]) AND b = ANY (ARRAY['y'::varchar])",
  ],
])('a list is compared as it was: %s', (text, expected) => {
  expect(withoutArrayCasts(text)).toBe(expected);
});

test.each([
  "status = ANY (ARRAY['a'::text, 'b'::text])",
  "tags && (ARRAY['a'::character varying])::text[]",
  "SELECT 'x = ANY (ARRAY[1]::text[])'",
  "x = ANY ('{a,b}'::text[])",
  'x = ANY (ARRAY[1, 2]::bigint[] || y)',
])('everything else stays: %s', (text) => {
  expect(withoutArrayCasts(text)).toBe(text);
});
