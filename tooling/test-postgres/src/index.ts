export { testDatabase, type TestDatabase, type TestDatabaseOptions } from './database.ts';
export { type PgBouncer, type PgBouncerOptions, requirePgBouncer, startPgBouncer, whyNoPgBouncer } from './pgbouncer.ts';
export { testRole, type TestRole, type TestRoleOptions } from './role.ts';
export { type OwnServer, runOn, type ServerOptions, startServer, testServer, type TestServer } from './server.ts';
export { type IsolatedSchema, type IsolationProbe, isolationFaults, probeIsolation } from './isolation.ts';
export { differences, readRows, type Rows, type RoundTripStep, type RoundTripSubject, roundTrips } from './round-trip.ts';
export { asTenant, type Filling, fillTenants, refusal, rowId, type TenantConnection, type TestTenant, testTenants, violation } from './tenants.ts';
export { type ServiceDatabase, serviceDatabase, type ServiceUnderTest, type StepMigrator } from './service-database.ts';
export { insertRow, type RowValues, updateRows } from './statement.ts';
