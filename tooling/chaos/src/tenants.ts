/** Tenant schemas to be hurt. */

import pg from 'pg';

export function tenantSchemas(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `clinic_${String(index + 1).padStart(4, '0')}`);
}

export async function createTenantSchemas(url: string, schemas: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const schema of schemas) await client.query(`CREATE SCHEMA ${schema}`);
  await client.end();
}
