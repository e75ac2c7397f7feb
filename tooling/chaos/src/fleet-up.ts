/**
 * `up` of a fleet, as a process of its own: `fleet-up.ts URL FOLDER COUNT CONCURRENCY`. Prints the counts of the report and the names of the tenants that
 * it migrated itself; exits 4 when some failed.
 */

import { createFleet, directorySource, type DatabaseClient } from '@org/migrate-core';
import pg from 'pg';

import { tenantSchemas } from './tenants.ts';

const [url = '', folder = '', count = '0', concurrency = '1'] = process.argv.slice(2);
const schemas = tenantSchemas(Number(count));
const migrated: string[] = [];
const fleet = createFleet({
  service: 'chaos',
  source: directorySource(folder),
  targets: () => schemas.map((schema) => ({ tenant: schema, schema })),
  history: { table: 'schema_migrations' },
  connect: async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return client as unknown as DatabaseClient;
  },
  onEvent: (event) => {
    if (event.type === 'result' && event.result.outcome === 'applied') migrated.push(event.result.tenant);
  },
});
const { counts, failures } = await fleet.up({ concurrency: Number(concurrency) });
process.stdout.write(`${JSON.stringify({ counts, migrated, failures: failures.map((one) => ({ tenant: one.tenant, failed: one.failed })) })}\n`);
process.exitCode = failures.length > 0 ? 4 : 0;
