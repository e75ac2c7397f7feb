/** vitest's global set-up of the `db` project: one server for the whole run. */

import { startServer } from './server.ts';

/**
 * Starts the server that `testServer` and `testDatabase` use, and gives vitest the way to stop it. With TEST_DATABASE_URL set, that server is
 * used and left alone. The workers get the URL through the environment, which they and the programs they start inherit.
 */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env['TEST_DATABASE_URL']) return undefined;
  const server = await startServer({ fsync: process.env['TEST_FSYNC'] === 'on' ? 'on' : 'off' });
  process.env['TEST_DATABASE_URL'] = server.url();
  process.env['TEST_SERVER_ENDS'] = 'with-the-run';
  return async () => {
    delete process.env['TEST_SERVER_ENDS'];
    delete process.env['TEST_DATABASE_URL'];
    await server[Symbol.asyncDispose]();
  };
}
