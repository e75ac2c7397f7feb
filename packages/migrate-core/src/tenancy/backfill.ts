/** What damaged tenants lack of the required tables. */

import type { Session } from '../session.ts';
import { literal, textArray } from '../sql.ts';

/** Those of the required tables that this schema does not have, in the order in which they are required. */
export async function missingTables(session: Session, schema: string, required: readonly string[]): Promise<readonly string[]> {
  if (required.length === 0) return [];
  const rows = await session.read(
    `SELECT t.name FROM pg_catalog.unnest(${textArray(required)}) WITH ORDINALITY t(name, place) WHERE NOT EXISTS (
  SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ${literal(schema)} AND c.relname = t.name AND c.relkind IN ('r', 'p')) ORDER BY t.place`,
  );
  return rows.map((row) => row['name'] ?? '');
}
