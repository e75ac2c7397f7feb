/**
 * The status of a fleet, as a process of its own: `fleet-status.ts URL FOLDER COUNT`. Prints how many tenants are up to date, and the most memory that the
 * process had at any time, in bytes.
 */

import { createFleet, directorySource, type DatabaseClient } from '@org/migrate-core';

import { connect } from './databases.ts';

const [url = '', folder = '', count = '0'] = process.argv.slice(2);

/** One by one, as a registry's cursor would: a list of them all would be this program's memory, not the library's. */
function* targets(): Generator<{ tenant: string; schema: string }> {
  for (let number = 1; number <= Number(count); number++) {
    const schema = `clinic_${String(number).padStart(6, '0')}`;
    yield { tenant: schema, schema };
  }
}

const fleet = createFleet({
  service: 'bench',
  source: directorySource(folder),
  targets,
  connect: async () => (await connect(url)) as unknown as DatabaseClient,
});
const { groups } = await fleet.status();
const current = groups.filter(({ status }) => status.pending.length === 0).reduce((sum, { tenants }) => sum + tenants.length, 0);
process.stdout.write(`${JSON.stringify({ current, peakBytes: process.resourceUsage().maxRSS * 1_024 })}\n`);
