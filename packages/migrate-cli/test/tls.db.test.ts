/** A server that takes only TLS, with certificates: what the connection names is used, and what is wrong is named. */

import { startServer, withTls } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migrate } from './support/command.ts';

test('an authority and a certificate of one’s own are used, from a URL and from PG*, and what is wrong with TLS says what to type', async () => {
  await using server = await startServer();
  const { authority, certificate, key } = await withTls(server);
  await using place = await folder({ 'm/0001_a.sql': 'CREATE TABLE a (id int);' });
  const at = (query: string): readonly string[] => ['status', '--dir', 'm', '--url', `postgres://tls_user@127.0.0.1:${server.port}/postgres${query}`];
  const told = async (args: readonly string[], env = {}): Promise<string> => {
    const { stdout, stderr } = await migrate(args, { cwd: place.path, env });
    return stdout + stderr;
  };
  const own = `sslcert=${certificate}&sslkey=${key}`;

  expect(await told(at('?sslmode=disable'))).toMatch(/nobody in from here without TLS[^]*\?sslmode=require behind the database/);
  expect(await told(at(`?sslmode=require&${own}`))).toContain('1 pending');
  expect(await told(at(`?sslmode=verify-ca&sslrootcert=${authority}&${own}`))).toContain('1 pending');
  expect(await told(at(`?sslmode=verify-full&${own}`))).toContain('name its authority with ?sslmode=verify-full&sslrootcert=FILE');
  const otherHost = await told(at(`?sslmode=verify-full&sslrootcert=${authority}&${own}`));
  expect(otherHost).toContain('the server’s certificate is not one of 127.0.0.1'.replace('’', "'"));
  expect(otherHost).toContain('sslmode=verify-ca in --url');

  const env = { PGHOST: '127.0.0.1', PGPORT: String(server.port), PGUSER: 'tls_user', PGDATABASE: 'postgres', PGSSLCERT: certificate, PGSSLKEY: key };
  const plain = ['status', '--dir', 'm'];
  expect(await told(plain, { ...env, PGSSLMODE: 'verify-ca', PGSSLROOTCERT: authority })).toContain('1 pending');
  expect(await told(plain, { ...env, PGSSLMODE: 'verify-ca' })).toContain('name its authority with PGSSLROOTCERT=FILE');
}, 60_000);
