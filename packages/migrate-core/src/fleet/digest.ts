/** Histories of thousands of schemas in a few queries: a digest of each, computed by the server, and compared with what this build expects. */

import { createHash } from 'node:crypto';

import type { AvailableMigration } from '../plan.ts';
import type { Session } from '../session.ts';
import { literal, qualified, textArray } from '../sql.ts';

/** How many histories one message reads: a statement each, which is cheaper than one UNION of them. */
const TOGETHER = 50;

export type SchemaState =
  | { readonly kind: 'history'; readonly digest: string }
  /** The schema is there, and was never migrated. */
  | { readonly kind: 'unused' }
  | { readonly kind: 'noSchema' };

/** The digest of a history in which exactly these are applied. */
export function digestOf(migrations: readonly Pick<AvailableMigration, 'name' | 'checksum'>[]): string {
  // By bytes, as the server's collation "C" sorts.
  const lines = migrations.map(({ name, checksum }) => ({ key: Buffer.from(name), line: `${name} ${checksum} applied` }));
  lines.sort((a, b) => Buffer.compare(a.key, b.key));
  return createHash('sha256')
    .update(lines.map(({ line }) => line).join('\n'))
    .digest('hex');
}

/** What each of these schemas of one database has; each is in the answer. */
export async function readSchemas(session: Session, table: string, schemas: readonly string[]): Promise<ReadonlyMap<string, SchemaState>> {
  const states = new Map<string, SchemaState>(schemas.map((schema) => [schema, { kind: 'noSchema' }]));
  const found = await session.read(
    `SELECT n.nspname AS schema, EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname = ${literal(table)} AND c.relkind IN ('r', 'p')) AS used
 FROM pg_catalog.pg_namespace n WHERE n.nspname = ANY (${textArray(schemas)})`,
  );
  const used: string[] = [];
  for (const row of found) {
    states.set(row['schema'] ?? '', { kind: 'unused' });
    if (row['used'] === 't') used.push(row['schema'] ?? '');
  }
  for (let from = 0; from < used.length; from += TOGETHER) {
    for (const [schema, digest] of await readDigests(session, table, used.slice(from, from + TOGETHER))) states.set(schema, { kind: 'history', digest });
  }
  return states;
}

/** A table that is another tool's, or vanished meanwhile, fails them all: then one by one, where it is `unreadable`, which equals nothing. */
async function readDigests(session: Session, table: string, schemas: readonly string[]): Promise<readonly (readonly [string, string])[]> {
  const statement = schemas
    .map(
      (schema) => `SELECT ${literal(schema)} AS schema, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(COALESCE(
 pg_catalog.string_agg(name || ' ' || checksum || ' ' || state, E'\\n' ORDER BY name COLLATE "C"), ''), 'UTF8')), 'hex') AS digest FROM ${qualified(schema, table)}`,
    )
    .join(';\n');
  try {
    return (await session.read(statement)).map((row) => [row['schema'] ?? '', row['digest'] ?? '']);
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined || session.lost !== null) throw error;
    if (schemas.length === 1) return [[schemas[0] as string, 'unreadable']];
    const halves = [schemas.slice(0, schemas.length >> 1), schemas.slice(schemas.length >> 1)];
    return [...(await readDigests(session, table, halves[0] as string[])), ...(await readDigests(session, table, halves[1] as string[]))];
  }
}
