/** A process of its own that makes spares, and then tenants of them: `prepare-spares.ts MODE URL PLACE_PREFIX ID...`. Says `begun`, then what came of each. */

import { createTenancy } from '../../src/index.ts';
import { clinicSource, firstOf, required } from './clinic.ts';
import { connectTo } from './target.ts';

const [mode = '', url = '', prefix = '', ...ids] = process.argv.slice(2);
const tenancy = createTenancy({
  service: 'test',
  tenancy: { mode: mode as 'schema' | 'database', source: clinicSource, requiredTables: required, spares: 3, place: (name) => `${prefix}${name}` },
  connect: (database) => {
    const there = new URL(url);
    if (database !== null) there.pathname = `/${encodeURIComponent(database)}`;
    return connectTo(there.href);
  },
});
process.stdout.write('begun\n');
await tenancy.prepareSpares();
for (const id of ids) {
  const { outcome } = await tenancy.create(id, firstOf(id));
  process.stdout.write(`${outcome}\n`);
}
