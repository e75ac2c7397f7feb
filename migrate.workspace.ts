/** What the command line knows of this repository when it runs below this folder. */

import { type DatabaseRequest, ensureLocalPostgres } from '@org/local-postgres';

/** Where nothing names a server: the repository's own, with the databases and application roles made where missing. */
async function localDatabase(requests: readonly DatabaseRequest[]): Promise<{ host: string; port: number; user: string; password: string }> {
  const { host, port, user, password } = await ensureLocalPostgres({ services: requests });
  return { host, port, user, password };
}

export default {
  /** Folders that hold a `migrate.config.ts`. */
  services: ['services/*'],
  localDatabase,
};
