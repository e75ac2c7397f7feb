/** A tenant whose own schema or database is not on the server under its name: where it went, as far as the oid that it was made as tells. */

import type { Session } from '../session.ts';
import { identifier, literal } from '../sql.ts';
import type { LostTenant } from '../tenancy.ts';
import type { TenancyContext } from './context.ts';
import { markOf } from './database-place.ts';
import { invalidTenant, nameWith } from './place.ts';
import type { RegisteredTenant } from './registry.ts';
import { isTemplateName } from './template.ts';
import { inQuotes } from '../shell.ts';

/** `null` where its place is there. Another one under its name is told from its own where that is still there. */
export async function lostTenant(context: Pick<TenancyContext, 'layout' | 'registry'>, session: Session, tenant: RegisteredTenant): Promise<LostTenant | null> {
  const { place, madeAs } = tenant;
  const { kind, schema } = context.layout;
  const [catalog, column] = kind === 'schema' ? ['pg_namespace', 'nspname'] : ['pg_database', 'datname'];
  const [there] = await session.read(`SELECT p.oid FROM pg_catalog.${catalog} p WHERE p.${column} = ${literal(place)}`);
  if (there !== undefined && (madeAs === null || there['oid'] === madeAs)) return null;
  // A restored server gives oids anew: what is there by this one has to be a tenant's of this service, and nobody else's.
  const [found] =
    madeAs === null
      ? []
      : await session.read(
          `SELECT p.${column} AS name FROM pg_catalog.${catalog} p WHERE p.oid = ${literal(madeAs)}::oid AND ${await ownMark(context, session)}
 AND NOT EXISTS (SELECT FROM ${context.registry.table} r WHERE r.kind = ${literal(kind)} AND r.place = p.${column}::text)`,
        );
  const name = found?.['name'] ?? null;
  const isShared = name !== null && kind === 'schema' && (name === schema || isTemplateName(context, name));
  const foundAs = isShared ? null : name;
  // Under its name, and with an oid that was given anew: it is its own.
  if (there !== undefined && foundAs === null) return null;
  return describe(tenant, kind, foundAs, there === undefined ? 'nothing' : 'another');
}

/** A tenant that was put away since somebody set out for its place; else `null`. */
export function leftTenant(now: RegisteredTenant | null, was: Pick<LostTenant, 'id' | 'place' | 'kind'>): LostTenant | null {
  const { id, place } = was;
  if (now?.status !== 'archived' || now.place === place) return null;
  const error = invalidTenant(id, 'it was put away meanwhile', `bring it back with: migrate tenants restore ${inQuotes(id)}`);
  return { ...was, foundAs: now.place, instead: 'nothing', error };
}

/** Throws `invalidOptions` for an active tenant whose place is not there; not for one that somebody puts away at the same time. */
export async function refuseLost(context: Pick<TenancyContext, 'layout' | 'registry'>, session: Session, tenant: RegisteredTenant): Promise<void> {
  const lost = await lostTenant(context, session, tenant);
  if (lost === null) return;
  const now = await context.registry.find(session, tenant.id);
  if (now?.status === tenant.status && now.place === tenant.place) throw lost.error;
}

/** By which a schema or database `p` is known as one of this service's tenants. */
async function ownMark({ layout }: Pick<TenancyContext, 'layout'>, session: Session): Promise<string> {
  if (layout.kind === 'schema') return `EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = p.oid AND c.relname = ${literal(layout.table)})`;
  const [row] = await session.read('SELECT pg_catalog.current_database() AS name');
  return `pg_catalog.shobj_description(p.oid, 'pg_database') = ${literal(markOf(row?.['name'] ?? '', { layout }))}`;
}

function describe({ id, place, status }: RegisteredTenant, kind: 'schema' | 'database', foundAs: string | null, instead: LostTenant['instead']): LostTenant {
  const its = `its ${kind} ${JSON.stringify(place)} is not on the server`;
  if (foundAs === null) {
    const hint = `get the ${kind} back from a backup; or, if the tenant is to be forgotten: migrate tenants drop ${inQuotes(id)} --delete`;
    return { id, place, kind, foundAs, instead, error: invalidTenant(id, `${its}, also not under another name`, hint) };
  }
  const rename = (from: string, to: string): string => `ALTER ${kind.toUpperCase()} ${identifier(from)} RENAME TO ${identifier(to)}`;
  const other = instead === 'nothing' ? '' : `. What has that name now is another ${kind}, which was not touched`;
  const aside = instead === 'nothing' ? '' : `${rename(place, nameWith(place, '_aside'))}; `;
  const error = invalidTenant(
    id,
    `${its} under that name: somebody renamed it, and it is there as ${JSON.stringify(foundAs)}${other}`,
    `give it its name back${status === 'active' ? '' : ', and do the same again'}: ${aside}${rename(foundAs, place)}`,
  );
  return { id, place, kind, foundAs, instead, error };
}
