import { chooseConnection } from '@org/migrate-core';
import { startServer, withTls } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { connectWith } from '../src/connect.ts';

test('a service connects with the certificates that its URL names, as the command line does', async () => {
  await using server = await startServer();
  const { authority, certificate, key } = await withTls(server);
  const url = `postgres://tls_user@127.0.0.1:${server.port}/postgres?sslmode=verify-ca&sslrootcert=${authority}&sslcert=${certificate}&sslkey=${key}`;
  const chosen = chooseConnection({ service: 'user', database: 'postgres', environment: { USER_DATABASE_URL: url } });
  if (chosen === null) throw new Error('nothing was chosen');
  const client = await connectWith(chosen.settings, 'test')();
  try {
    expect((await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).rows).toEqual([{ ssl: true }]);
  } finally {
    await client.end();
  }
}, 60_000);
