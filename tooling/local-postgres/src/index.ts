export { type Account, canReach, serverAccount } from './account.ts';
export { type Binaries, serverBinaries } from './binaries.ts';
export {
  freePort,
  give,
  host,
  initialiseCluster,
  type InitialiseOptions,
  startCluster,
  type StartedCluster,
  type StartOptions,
  superuser,
} from './cluster.ts';
export { LocalPostgresError, type LocalPostgresCode } from './failure.ts';
