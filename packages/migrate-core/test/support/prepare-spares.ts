/** A process of its own that makes spares, and then tenants of them: `prepare-spares.ts MODE URL PLACE_PREFIX ID...`. Says `begun`, then what came of each. */

import { firstOf } from './clinic.ts';
import { processTenancy } from './process-tenancy.ts';

const [mode = '', url = '', prefix = '', ...ids] = process.argv.slice(2);
const tenancy = processTenancy(mode, url, prefix, 3);
process.stdout.write('begun\n');
await tenancy.prepareSpares();
for (const id of ids) {
  const { outcome } = await tenancy.create(id, firstOf(id));
  process.stdout.write(`${outcome}\n`);
}
