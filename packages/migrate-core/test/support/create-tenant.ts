/** A process of its own that makes a tenant: `create-tenant.ts MODE URL PLACE_PREFIX ID`. Says `begun`, then what came of it. */

import { firstRow } from './clinic.ts';
import { processTenancy } from './process-tenancy.ts';

const [mode = '', url = '', prefix = '', id = ''] = process.argv.slice(2);
const tenancy = processTenancy(mode, url, prefix);
process.stdout.write('begun\n');
const { outcome } = await tenancy.create(id, { initialise: firstRow });
process.stdout.write(`${outcome}\n`);
