/** Whether a command is about tenants. What that means is loaded only then. Pure. */

import type { Options } from './options.ts';

/** Also where the flags make no sense together: whoever is loaded then says so. */
export function tenantsAsked({ tenantSchemas, tenantDatabases, tenant, concurrency, canary, maxFailures }: Options): boolean {
  return [tenantSchemas, tenantDatabases, tenant, concurrency, canary, maxFailures].some((one) => one !== undefined);
}
