export { type Account, canReach, serverAccount } from './account.ts';
export { type Binaries, serverBinaries } from './binaries.ts';
export { freePort, give, host, initialiseCluster, type InitialiseOptions, startCluster, type StartedCluster, type StartOptions, superuser } from './cluster.ts';
export type { DatabaseRequest } from './databases.ts';
export { LocalPostgresError, type LocalPostgresCode } from './failure.ts';
export { ensureLocalPostgres, type LocalPostgres, type LocalPostgresOptions } from './local.ts';
export { resetLocalPostgres, stopLocalPostgres } from './stop.ts';
