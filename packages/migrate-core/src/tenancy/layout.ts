/** Where the things of a service's tenancy are called what. Pure. */

import { MigrationError } from '../errors.ts';
import type { FleetTarget } from '../fleet/target.ts';
import { historyTables } from '../history.ts';
import type { TenancyOptions, Tenant } from '../tenancy.ts';

export interface TenancyLayout {
  readonly kind: 'schema' | 'database';
  readonly service: string;
  /** The history table of the service and of each of its tenants. */
  readonly table: string;
  /** Where the registry is, and the compiled migrations of tenants with a schema each. */
  readonly schema: string;
  readonly extensions: readonly string[];
  readonly extensionsSchema: string;
  /** Places that are kept made ahead. */
  readonly spares: number;
}

/** More of them are room that nobody uses. */
export const MOST_SPARES = 50;

/** Throws `invalidOptions` for a history table that cannot be one, and for a number of spares that is none. */
export function tenancyLayout({ service, tenancy, history }: TenancyOptions): TenancyLayout {
  const { table = `schema_migrations_${service}`, schema = 'public' } = history ?? {};
  // Checks both names; `_tenants` is as long as the longest suffix of a history's tables.
  historyTables(schema, table);
  const { mode: kind, extensions = [], extensionsSchema = 'extensions', spares = 0 } = tenancy;
  if (!Number.isInteger(spares) || spares < 0 || spares > MOST_SPARES)
    throw new MigrationError({ code: 'invalidOptions', message: `tenancy.spares is ${spares}, and must be a whole number from 0 to ${MOST_SPARES}` });
  // Who reads a registry of its own makes no tenants.
  return { kind, service, table, schema, extensions, extensionsSchema, spares: tenancy.query === undefined ? spares : 0 };
}

/** Where a tenant is migrated. */
export function tenantTarget(layout: TenancyLayout, { id, place }: Pick<Tenant, 'id' | 'place'>): FleetTarget {
  const searchPath = layout.extensions.length === 0 ? undefined : behind(layout);
  return layout.kind === 'schema' ? { tenant: id, schema: place, searchPath } : { tenant: id, database: place, searchPath };
}

/** The whole search path of a tenant's migrations and of its first rows. */
export function tenantPath(layout: TenancyLayout, place: string): readonly string[] {
  return [layout.kind === 'schema' ? place : 'public', ...behind(layout)];
}

/** What is on the search path behind the tenant's own schema, which is `public` in a database of its own. */
function behind({ kind, extensions, extensionsSchema }: TenancyLayout): readonly string[] {
  return [...(extensions.length === 0 ? [] : [extensionsSchema]), ...(kind === 'schema' ? ['public'] : [])];
}
