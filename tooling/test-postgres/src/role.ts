/** Roles for tests. They belong to the whole server, so each has a name of its own. */

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { runOn, testServer, type TestServer } from './server.ts';

export interface TestRole extends AsyncDisposable {
  readonly name: string;
  readonly password: string;
  /** The URL of a database for this role. */
  url(database: string): string;
}

export interface TestRoleOptions {
  readonly server?: TestServer;
  /** Part of the name. Default `role`. */
  readonly label?: string;
  /** As CREATE ROLE takes them. Default `NOSUPERUSER NOBYPASSRLS`. */
  readonly attributes?: string;
  /** Password; default: a random one. */
  readonly password?: string;
}

/** Creates a login role. Disposal drops it, with what it owns and was granted in the databases named there by `testDatabase`. */
export async function testRole(options: TestRoleOptions = {}): Promise<TestRole> {
  const server = options.server ?? (await testServer());
  const name = `${options.label ?? 'role'}_${randomBytes(6).toString('hex')}`;
  const password = options.password ?? randomBytes(9).toString('base64url');
  const quoted = pg.escapeIdentifier(name);
  await runOn(server, `CREATE ROLE ${quoted} LOGIN ${options.attributes ?? 'NOSUPERUSER NOBYPASSRLS'} PASSWORD ${pg.escapeLiteral(password)}`);
  return {
    name,
    password,
    url: (database) => server.url(database, { name, password }),
    async [Symbol.asyncDispose]() {
      await dropRole(server, name);
    },
  };
}

/** A role cannot go while any database holds something of it, and each such thing must be let go of in its own database. */
async function dropRole(server: TestServer, name: string): Promise<void> {
  const quoted = pg.escapeIdentifier(name);
  const { rows } = await runOn(
    server,
    `SELECT DISTINCT d.datname FROM pg_shdepend s JOIN pg_database d ON d.oid IN (s.dbid, CASE WHEN s.classid = 'pg_database'::regclass THEN s.objid END)
     WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = ${pg.escapeLiteral(name)}::regrole AND d.datallowconn`,
  );
  for (const { datname } of rows as { datname: string }[]) {
    // Another test's database may be dropped in this moment; then there is nothing to let go of.
    await runOn(server, `DROP OWNED BY ${quoted} CASCADE`, datname).catch(() => undefined);
  }
  await runOn(server, `DROP ROLE IF EXISTS ${quoted}`);
}
