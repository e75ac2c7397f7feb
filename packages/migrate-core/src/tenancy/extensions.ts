/** Extensions belong to a database, and their objects to a schema: one of their own, so that no tenant's migration owns or drops them. */

import type { Session } from '../session.ts';
import { identifier, literal, textArray } from '../sql.ts';
import { again } from './again.ts';
import type { TenancyLayout } from './layout.ts';
import { runDone } from './registry.ts';

/** Installs what this database lacks. One that is installed elsewhere in it stays where it is. */
export async function ensureExtensions(session: Session, { extensions, extensionsSchema }: TenancyLayout, role: string | undefined): Promise<void> {
  if (extensions.length === 0) return;
  const rows = await session.read(
    `SELECT t.name FROM pg_catalog.unnest(${textArray(extensions)}) t(name) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = t.name)
 OR pg_catalog.to_regnamespace(${literal(identifier(extensionsSchema))}) IS NULL`,
  );
  if (rows.length === 0) return;
  const schema = identifier(extensionsSchema);
  const statements = [
    `CREATE SCHEMA IF NOT EXISTS ${schema}`,
    ...(role === undefined ? [] : [`GRANT USAGE ON SCHEMA ${schema} TO ${identifier(role)}`]),
    ...extensions.map((name) => `CREATE EXTENSION IF NOT EXISTS ${identifier(name)} SCHEMA ${schema}`),
  ];
  await again(() => runDone(session, `BEGIN; ${statements.join('; ')}; COMMIT`));
}
