/** Where the things of a service's tenancy are called what. Pure. */

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
}

/** Throws `invalidOptions` for a history table that cannot be one. */
export function tenancyLayout({ service, tenancy, history }: TenancyOptions): TenancyLayout {
  const { table = `schema_migrations_${service}`, schema = 'public' } = history ?? {};
  // Checks both names; `_tenants` is as long as the longest suffix of a history's tables.
  historyTables(schema, table);
  return { kind: tenancy.mode, service, table, schema, extensions: tenancy.extensions ?? [], extensionsSchema: tenancy.extensionsSchema ?? 'extensions' };
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
