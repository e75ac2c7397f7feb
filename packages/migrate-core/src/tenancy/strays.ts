/** What the registry and the server do not agree on. */

import type { Session } from '../session.ts';
import { literal, textArray } from '../sql.ts';
import type { Tenant, TenantStrays } from '../tenancy.ts';
import { markOf } from './database-place.ts';
import type { TenancyLayout } from './layout.ts';
import { isSpareName } from './spare.ts';
import { isTemplateName } from './template.ts';

/** @param known Places that are no strays; @param active Tenants whose place must be there. */
export async function readStrays(session: Session, layout: TenancyLayout, known: ReadonlySet<string>, active: readonly Tenant[]): Promise<TenantStrays> {
  const found = await (layout.kind === 'schema' ? schemasWithHistory(session, layout) : markedDatabases(session, layout));
  const there = new Set<string>();
  for (let from = 0; from < active.length; from += 1_000) {
    const places = textArray(active.slice(from, from + 1_000).map((tenant) => tenant.place));
    const rows = await session.read(
      layout.kind === 'schema'
        ? `SELECT nspname AS place FROM pg_catalog.pg_namespace WHERE nspname = ANY (${places})`
        : `SELECT datname AS place FROM pg_catalog.pg_database WHERE datname = ANY (${places})`,
    );
    for (const row of rows) there.add(row['place'] ?? '');
  }
  return { unknown: found.filter((place) => !known.has(place)), absent: active.filter((tenant) => !there.has(tenant.place)) };
}

async function schemasWithHistory(session: Session, layout: TenancyLayout): Promise<readonly string[]> {
  const { table, schema } = layout;
  const rows = await session.read(
    `SELECT n.nspname AS place FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = ${literal(table)} AND c.relkind IN ('r', 'p') AND n.nspname <> ${literal(schema)} ORDER BY n.nspname`,
  );
  return rows.map((row) => row['place'] ?? '').filter((place) => !isTemplateName({ layout }, place) && !isSpareName({ layout }, place));
}

async function markedDatabases(session: Session, layout: TenancyLayout): Promise<readonly string[]> {
  const [row] = await session.read('SELECT pg_catalog.current_database() AS name');
  const mark = markOf(row?.['name'] ?? '', { layout });
  const rows = await session.read(
    `SELECT d.datname AS place FROM pg_catalog.pg_database d WHERE pg_catalog.shobj_description(d.oid, 'pg_database') = ${literal(mark)} ORDER BY d.datname`,
  );
  return rows.map((each) => each['place'] ?? '');
}
