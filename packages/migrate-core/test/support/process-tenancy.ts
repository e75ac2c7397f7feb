/** The tenancy of a process of its own, as the words of its command line have it. */

import { createTenancy, type Tenancy } from '../../src/index.ts';
import { clinicSource, required } from './clinic.ts';
import { connectTo } from './target.ts';

export function processTenancy(mode: string, url: string, prefix: string, spares = 0): Tenancy {
  return createTenancy({
    service: 'test',
    tenancy: { mode: mode as 'schema' | 'database', source: clinicSource, requiredTables: required, spares, place: (name) => `${prefix}${name}` },
    connect: (database) => {
      const there = new URL(url);
      if (database !== null) there.pathname = `/${encodeURIComponent(database)}`;
      return connectTo(there.href);
    },
  });
}
