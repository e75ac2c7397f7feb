export { testDatabase, type TestDatabase, type TestDatabaseOptions } from './database.ts';
export { type PgBouncer, type PgBouncerOptions, requirePgBouncer, startPgBouncer, whyNoPgBouncer } from './pgbouncer.ts';
export { testRole, type TestRole, type TestRoleOptions } from './role.ts';
export { type OwnServer, runOn, type ServerOptions, startServer, testServer, type TestServer } from './server.ts';
