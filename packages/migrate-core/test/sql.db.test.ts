import { testDatabase } from '@org/test-postgres';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { textArray } from '../src/sql.ts';

/** What an array's text gives a meaning to, and what a literal does. */
const special = fc.constantFrom('', 'NULL', 'null', '{', '}', '{}', ',', '"', '""', "'", '\\', '\\\\', '\\n', ' ', '\n', '\t', '$$', '/*', '--', 'é', '🩺');

test('the server reads an array as it was', async () => {
  await using db = await testDatabase();
  const client = await db.connect();
  const text = fc.array(fc.oneof(special, fc.string({ unit: 'grapheme' })), { maxLength: 4 }).map((parts) => parts.join('').replaceAll('\0', ''));
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 6 }), fc.constantFrom('on', 'off'), async (values, conforming) => {
      // Off is how old applications are served; a literal must not depend on it.
      await client.query(`SET standard_conforming_strings = ${conforming}`);
      const { rows } = await client.query<{ read: string[] }>(`SELECT ${textArray(values)} AS read`);
      expect(rows[0]?.read).toEqual(values);
    }),
    { numRuns: 300 },
  );
});
