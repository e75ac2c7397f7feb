/** The catalogues of several schemas of one database: the query is planned once for all of them, which takes as long as running it. */

import { randomBytes } from 'node:crypto';

import { type Catalog, catalogFrom } from '../catalog.ts';
import { catalogQuery } from '../catalog/query.ts';
import type { Session } from '../session.ts';
import { literal, textArray } from '../sql.ts';

/** In one message and one transaction, whose prepared statement ends with it: behind a pooler nobody else finds it. */
export async function readCatalogs(session: Session, schemas: readonly string[], exclude: readonly string[]): Promise<ReadonlyMap<string, Catalog>> {
  const name = `migrate_catalog_${randomBytes(6).toString('hex')}`;
  const statements = [
    'BEGIN',
    'SET LOCAL plan_cache_mode = force_generic_plan',
    `PREPARE ${name} (text, text[]) AS ${catalogQuery}`,
    ...schemas.map((schema) => `EXECUTE ${name} (${literal(schema)}, ${textArray(exclude)})`),
    `DEALLOCATE ${name}`,
    'COMMIT',
  ];
  try {
    const rows = await session.read(statements.join(';\n'));
    return new Map(schemas.map((schema, index) => [schema, catalogFrom(rows[index]?.['entries'] ?? null, schema)]));
  } catch (error) {
    // It outlives the transaction that failed; where it was never made there is nothing to take away.
    if (session.lost === null) await session.run(`DEALLOCATE ${name}`);
    throw error;
  }
}
