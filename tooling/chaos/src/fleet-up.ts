/**
 * `up` of a fleet, as a process of its own: `fleet-up.ts URL FOLDER COUNT CONCURRENCY at-once|when-told`. With `when-told` it gets everything loaded by
 * migrating a schema of its own, prints `ready`, and begins when its standard input ends. Prints which tenants it migrated itself; exits 4 when some failed.
 */

import { once } from 'node:events';

import { createFleet, directorySource, type DatabaseClient, type Fleet } from '@org/migrate-core';
import pg from 'pg';

import { createTenantSchemas, tenantSchemas } from './tenants.ts';

const [url = '', folder = '', count = '0', concurrency = '1', begin = 'at-once'] = process.argv.slice(2);
const migrated: string[] = [];

function fleetOf(schemas: readonly string[]): Fleet {
  return createFleet({
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
}

if (begin === 'when-told') {
  const own = [`warm_${process.pid}`];
  await createTenantSchemas(url, own);
  await fleetOf(own).up();
  migrated.length = 0;
  process.stdout.write('ready\n');
  process.stdin.resume();
  await once(process.stdin, 'end');
}
const { failures } = await fleetOf(tenantSchemas(Number(count))).up({ concurrency: Number(concurrency) });
process.stdout.write(`${JSON.stringify({ migrated, failures: failures.map((one) => ({ tenant: one.tenant, failed: one.failed })) })}\n`);
process.exitCode = failures.length > 0 ? 4 : 0;
