/** A tenant whose schema or database is not on the server under its name: where it went, as far as the oid that it was made as tells. */

import type { Session } from '../session.ts';
import { identifier, literal } from '../sql.ts';
import type { LostTenant } from '../tenancy.ts';
import type { TenancyContext } from './context.ts';
import { markOf } from './database-place.ts';
import { invalidTenant } from './place.ts';
import type { RegisteredTenant } from './registry.ts';

/** `null` where its place is there. */
export async function lostTenant(context: Pick<TenancyContext, 'layout' | 'registry'>, session: Session, tenant: RegisteredTenant): Promise<LostTenant | null> {
  const { place, madeAs } = tenant;
  const { kind } = context.layout;
  const [catalog, name] = kind === 'schema' ? ['pg_namespace', 'nspname'] : ['pg_database', 'datname'];
  const [there] = await session.read(`SELECT 1 AS there FROM pg_catalog.${catalog} p WHERE p.${name} = ${literal(place)}`);
  if (there !== undefined) return null;
  // A restored server gives oids anew: what is there by this one has to be a tenant's of this service, and nobody else's.
  const [found] =
    madeAs === null
      ? []
      : await session.read(
          `SELECT p.${name} AS name FROM pg_catalog.${catalog} p WHERE p.oid = ${literal(madeAs)}::oid AND ${await ownMark(context, session)}
 AND NOT EXISTS (SELECT FROM ${context.registry.table} r WHERE r.kind = ${literal(kind)} AND r.place = p.${name}::text)`,
        );
  return describe(tenant, kind, found?.['name'] ?? null);
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

function describe({ id, place, status }: RegisteredTenant, kind: 'schema' | 'database', foundAs: string | null): LostTenant {
  const its = `its ${kind} ${JSON.stringify(place)} is not on the server`;
  if (foundAs === null) {
    const typed = /^[\w.-]+$/.test(id) ? id : 'ID';
    const hint = `get the ${kind} back from a backup; or, if the tenant is to be forgotten: migrate tenants drop ${typed} --delete`;
    return { id, place, kind, foundAs, error: invalidTenant(id, `${its}, also not under another name`, hint) };
  }
  const nextStep = `ALTER ${kind.toUpperCase()} ${identifier(foundAs)} RENAME TO ${identifier(place)}`;
  const error = invalidTenant(
    id,
    `${its} under that name: somebody renamed it, and it is there as ${JSON.stringify(foundAs)}`,
    `give it its name back${status === 'active' ? '' : ', and do the same again'}: ${nextStep}`,
  );
  return { id, place, kind, foundAs, error };
}
