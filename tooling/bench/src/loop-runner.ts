/** node-pg-migrate, called as its users call it for tenants: once for each schema. */

import { runner } from 'node-pg-migrate';
import type pg from 'pg';

/** How many migrations it applied to the schema. */
export async function runInSchema(client: pg.Client, dir: string, schema: string): Promise<number> {
  const done = await runner({
    dbClient: client,
    dir,
    schema,
    migrationsSchema: schema,
    direction: 'up',
    migrationsTable: 'done',
    log: () => undefined,
    logger: silent,
  });
  return done.length;
}

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
