/** Which clinic an address belongs to, asked before any tenant is known. */

import type { Database } from '@org/service-kit';

/** Nobody's: row-level security shows no tenant's rows to it. */
export const NO_TENANT = '00000000-0000-0000-0000-000000000000';

/** The clinic's id; `null` where none has this subdomain, or where it is closed. The one policy that allows it shows the row that is named, and no other. */
export async function clinicBySubdomain(database: Database, subdomain: string): Promise<string | null> {
  return await database.asTenant({ tenant: NO_TENANT, user: null }, async (db) => {
    await db.query(`SELECT set_config('app.lookup_subdomain', $1, true)`, [subdomain.toLowerCase()]);
    const { rows } = await db.query<{ id: string }>('SELECT id FROM healthcare_entities WHERE subdomain = $1 AND is_active', [subdomain.toLowerCase()]);
    return rows[0]?.id ?? null;
  });
}
