/** A process of its own that makes a tenant: `create-tenant.ts MODE URL PLACE_PREFIX ID`. Says `begun`, then what came of it. */

import { createTenancy } from '../../src/index.ts';
import { clinicSource, firstRow, required } from './clinic.ts';
import { connectTo } from './target.ts';

const [mode = '', url = '', prefix = '', id = ''] = process.argv.slice(2);
const tenancy = createTenancy({
  service: 'test',
  tenancy: { mode: mode as 'schema' | 'database', source: clinicSource, requiredTables: required, place: (name) => `${prefix}${name}` },
  connect: (database) => {
    const there = new URL(url);
    if (database !== null) there.pathname = `/${encodeURIComponent(database)}`;
    return connectTo(there.href);
  },
});
process.stdout.write('begun\n');
const { outcome } = await tenancy.create(id, { initialise: firstRow });
process.stdout.write(`${outcome}\n`);
