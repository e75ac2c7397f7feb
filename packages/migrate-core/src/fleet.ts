/** Many targets of one source: compiled once, migrated side by side, each with an outcome of its own. */

import type { MigrationError } from './errors.ts';
import type { FleetEvent, FleetReport, TenantResult } from './fleet/report.ts';
import type { FleetTarget } from './fleet/target.ts';
import type { MigrationSource } from './migration.ts';
import type { DownRequest, Migrator, UpRequest } from './migrator.ts';
import type { OrderPolicy } from './plan.ts';
import type { DatabaseClient } from './session.ts';
import type { Status } from './status.ts';

export interface FleetOptions {
  readonly service: string;
  readonly source: MigrationSource;
  /** The registry: asked anew for each pass over the tenants, of which a `down` by steps makes two. A list, or whatever hands them out one by one. */
  readonly targets: () => AsyncIterable<FleetTarget> | Iterable<FleetTarget>;
  /** What the targets come from, for messages. Default `registry`. */
  readonly origin?: 'registry' | 'query' | undefined;
  /** Opens a new connection to a database; `null`: to the one that the fleet's schemas are in. */
  readonly connect: (database: string | null) => Promise<DatabaseClient>;
  readonly history?: {
    /** Default `schema_migrations_<service>`, in each tenant's schema. */
    readonly table?: string | undefined;
    /** Where the tenants of one database keep the compiled migrations together. Default `public`. */
    readonly scriptsSchema?: string | undefined;
  };
  readonly order?: OrderPolicy | undefined;
  /** As of a migrator; asked for each service once in two seconds, whatever the number of tenants. */
  readonly requirements?: ((service: string) => Promise<readonly string[] | null>) | undefined;
  /** What became of a tenant whose schema or database is not on the server, or that was never migrated: its failure says that. `null`, and without this: that it is not there. */
  readonly lost?: ((target: FleetTarget) => Promise<MigrationError | null>) | undefined;
  readonly waitLimitMs?: number | undefined;
  readonly lockTimeoutMs?: number | undefined;
  readonly retryLimitMs?: number | undefined;
  readonly onEvent?: ((event: FleetEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FleetLimits {
  /** Tenants at once. About the server's cores is best, and more is slower. Default 4. */
  readonly concurrency?: number | undefined;
  /** So many first, and the rest only when none of them failed. Default 0. */
  readonly canary?: number | undefined;
  /** No new tenant is begun after so many failures. Default: however many there are. */
  readonly maxFailures?: number | undefined;
}

export type FleetUpRequest = Pick<UpRequest, 'to' | 'steps' | 'atomicity'> & FleetLimits;
export type FleetDownRequest = Pick<DownRequest, 'to' | 'steps' | 'only' | 'atomicity'> & FleetLimits;

/** Tenants with the same history. */
export interface FleetGroup {
  readonly tenants: readonly string[];
  /** Of one of them. */
  readonly status: Status;
}

export interface FleetStatus {
  readonly total: number;
  /** The largest first. */
  readonly groups: readonly FleetGroup[];
  /** What the registry names and the server does not have, or what cannot be read. */
  readonly failures: readonly TenantResult[];
}

export interface Fleet {
  /** Throws only when nothing could be begun: a tenant's failure is in the report. */
  up(request?: FleetUpRequest): Promise<FleetReport>;
  /** `steps` (or neither it, `to` nor `only`) is refused when the tenants stand at different versions: `invalidOptions`. */
  down(request?: FleetDownRequest): Promise<FleetReport>;
  status(limits?: Pick<FleetLimits, 'concurrency'>): Promise<FleetStatus>;
  /** For one of them by itself, on a connection of its own for each call; compiled together with the others. */
  migrator(target: FleetTarget): Promise<Migrator>;
}

export const fleetDefaults = { concurrency: 4, canary: 0 } as const;

/**
 * A fleet. Memory does not grow with the number of tenants but for the ids of those that failed.
 *
 * @example
 * const fleet = createFleet({ service: 'appointment', source, connect, targets: () => [{ tenant: 'a', schema: 'clinic_a' }] });
 * const report = await fleet.up({ concurrency: 4, canary: 1 });
 * report.failures.map((one) => [one.tenant, one.failed?.sqlState]);
 */
export function createFleet(options: FleetOptions): Fleet {
  // Loaded with the first command: a service without tenants never needs it.
  let fleet: Promise<Fleet> | null = null;
  const load = (): Promise<Fleet> => (fleet ??= import('./fleet/tenant-fleet.ts').then(({ TenantFleet }) => new TenantFleet(options)));
  return {
    up: async (request) => (await load()).up(request),
    down: async (request) => (await load()).down(request),
    status: async (limits) => (await load()).status(limits),
    migrator: async (target) => (await load()).migrator(target),
  };
}
