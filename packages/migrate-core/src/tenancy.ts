/** The tenants of one service: who they are, how one is made, put away and mended. Each has a schema or a database of its own. */

import type { MigrationError } from './errors.ts';
import type { Fleet, FleetOptions } from './fleet.ts';
import type { FleetTarget } from './fleet/target.ts';
import type { MigrationSource } from './migration.ts';
import type { OrderPolicy } from './plan.ts';
import type { TenancyDefinition } from './service.ts';
import type { DatabaseClient } from './session.ts';
import { tenancyLayout, tenantTarget } from './tenancy/layout.ts';

/**
 * `provisioning`: somebody makes it, or was stopped while making it. `active`: whole, and migrated with the others. `failed`: making it failed;
 * creating it again goes on. `archived`: put away under another name, with its data.
 */
export type TenantStatus = 'provisioning' | 'active' | 'failed' | 'archived';

export interface Tenant {
  readonly id: string;
  /** Its schema or database. */
  readonly place: string;
  readonly status: TenantStatus;
  /** `null` where the service has a registry of its own, which does not tell. */
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
  /** Why it failed, without any data; else `null`. */
  readonly failure: string | null;
}

export interface TenancyOptions {
  readonly service: string;
  readonly tenancy: Omit<TenancyDefinition, 'migrations'> & { readonly source: MigrationSource };
  /** Opens a new connection to a database of the service's server; `null`: to the service's own, where the registry is. */
  readonly connect: (database: string | null) => Promise<DatabaseClient>;
  readonly history?: {
    /** Default `schema_migrations_<service>`, in each tenant's schema; the registry is `<table>_tenants`. */
    readonly table?: string | undefined;
    /** Where the registry, and the compiled migrations of tenants with a schema each, are. Default `public`. */
    readonly schema?: string | undefined;
  };
  /** May use the new schema or database: gets USAGE or CONNECT, which PUBLIC loses. Default: nobody does. */
  readonly applicationRole?: string | undefined;
  readonly order?: OrderPolicy | undefined;
  readonly waitLimitMs?: number | undefined;
  readonly lockTimeoutMs?: number | undefined;
  readonly retryLimitMs?: number | undefined;
  readonly requirements?: ((service: string) => Promise<readonly string[] | null>) | undefined;
  readonly onEvent?: FleetOptions['onEvent'];
  readonly signal?: AbortSignal | undefined;
}

export interface CreateTenantOptions {
  /**
   * The tenant's first rows, put in before it becomes active, in a transaction of its own on a connection to its place (its schema first on the search
   * path). Runs again where it was cut off: it must not mind finding its own rows (`ON CONFLICT DO NOTHING`).
   */
  readonly initialise?: ((client: DatabaseClient, tenant: Tenant) => Promise<void>) | undefined;
}

export interface TenantCreation {
  readonly tenant: Tenant;
  /** `created`: by this call, or by another at the same time. `present`: it was active before. */
  readonly outcome: 'created' | 'present';
  /** `template`: copied from what the migrations make. `replay`: migration by migration. `null` when it was there. */
  readonly by: 'template' | 'replay' | null;
  readonly durationMs: number;
}

export interface DropTenantOptions {
  /** `archive`: renamed, with everything in it. `delete`: gone for good. Default `archive`. */
  readonly mode?: 'archive' | 'delete' | undefined;
}

/** What became of a tenant that was dropped. */
export interface DroppedTenant extends Tenant {
  /**
   * `archived`: under its new name, now or before. `deleted`: with its place. `forgotten`: it had no place of its own on the server under its name, so nothing was put away
   * or deleted, and `restore` does not bring it back.
   */
  readonly outcome: 'archived' | 'deleted' | 'forgotten';
}

/** A tenant whose own schema or database is not on the server under its name. */
export interface LostTenant {
  readonly id: string;
  readonly place: string;
  readonly kind: 'schema' | 'database';
  /** What the one that was made for it is called now; `null` where that is not there either. */
  readonly foundAs: string | null;
  /** What has its name now: `another` one is not touched for it. Only found out where its own is still there. */
  readonly instead: 'nothing' | 'another';
  /** Says so, and what to type: thrown by whatever needs its place. */
  readonly error: MigrationError;
}

/** Tenants of the registry that have the other kind of place than `tenancy.mode` says: nothing is done with them. */
export interface TenantsLeftOut {
  readonly kind: 'schema' | 'database';
  /** Without those that are archived. */
  readonly count: number;
  /** A sentence. */
  readonly message: string;
  readonly hint: string;
}

/** What the registry and the server do not agree on. */
export interface TenantStrays {
  /** Schemas or databases with a history of this service that the registry does not know. */
  readonly unknown: readonly string[];
  /** Registered as active, and not on the server. */
  readonly absent: readonly Tenant[];
}

/** Places that are kept made ahead for new tenants. */
export interface TenantSpares {
  /** As configured: `tenancy.spares`. */
  readonly wanted: number;
  /** Whole copies of the present template, which new tenants get. */
  readonly ready: number;
}

export interface SparePreparation {
  /** As `TenantSpares` has it, when it ended. */
  readonly ready: number;
  readonly made: number;
  /** Copies of another template, more than are wanted, and what a process left that was killed. */
  readonly dropped: number;
  /** Why not all that are wanted stand ready; `null` also where somebody else is still making them. */
  readonly error: MigrationError | null;
}

export interface TenantBackfill {
  readonly tenant: string;
  /** Tables that were absent and were made again, with all that belongs to them. */
  readonly created: readonly string[];
  /** Those of them that have rows again: the ones which the migrations themselves put in. Others' rows are lost. */
  readonly filled: readonly string[];
  /** What could not be made, and why; `null` when the tenant is whole now. */
  readonly failure: string | null;
}

export interface BackfillRequest {
  /** Ids. Default: all that are active. */
  readonly tenants?: readonly string[] | undefined;
  /** `plan`: says what it would do, and writes nothing. Default `apply`. */
  readonly mode?: 'apply' | 'plan' | undefined;
}

export interface Tenancy {
  /** Those of the registry, by id. Reads only: where there is no registry yet, there are no tenants. */
  list(): Promise<readonly Tenant[]>;
  /** `null` for an id that nobody has. */
  find(id: string): Promise<Tenant | null>;
  /**
   * Makes a tenant: its place, migrated, with all required tables, and `initialise`d. Idempotent, and safe when called twice at once; after a crash or a
   * failure the next call goes on. Never `active` while incomplete. Throws `invalidOptions` for an id or a place that cannot be one or is somebody else's,
   * for a tenant that is archived, and for an active one whose place is not on the server, or is there under another name while another one has its own.
   */
  create(id: string, options?: CreateTenantOptions): Promise<TenantCreation>;
  /**
   * The tenant as it is then: `archived`, under its new name, which is also the answer for one that was archived before. With `delete` nothing is left of it, also
   * of an archived one, and the answer is what it was. One whose making was cut off before it had a place is `forgotten` either way. Sessions of its database are
   * ended; a migration of its schema is waited for. Throws `invalidOptions` for a tenant that is not there; without `delete`, also for an active one whose place
   * is not: with it, such a one is forgotten, and what somebody renamed stays.
   */
  drop(id: string, options?: DropTenantOptions): Promise<DroppedTenant>;
  /**
   * Brings an archived tenant back: to its old place, which has to be free, with the application's rights, and `active`. It may be behind the others. One that was
   * never whole is `failed`, and creating it goes on. Idempotent: the answer for a tenant that is active already is that. Throws `invalidOptions` for one that is not
   * there, or that is being made.
   */
  restore(id: string): Promise<Tenant>;
  /**
   * What became of a tenant's own schema or database; `null` where it is there, and for an id that has none.
   * @param place Where it was when somebody set out for it: that it was put away since is told, too.
   */
  lost(id: string, place?: string): Promise<LostTenant | null>;
  /** `null` where all tenants are of the mode that is configured. */
  leftOut(): Promise<TenantsLeftOut | null>;
  /**
   * Makes what damaged tenants lack of the required tables, as the migrations in each one's own history make it: the tables with all that is theirs, what they need,
   * and what was lost with them (views, foreign keys of other tables). Rows that the migrations put into them are put in again. Touches no
   * other table, no other row and no history.
   */
  backfill(request?: BackfillRequest): Promise<readonly TenantBackfill[]>;
  strays(): Promise<TenantStrays>;
  /** Reads only. */
  spares(): Promise<TenantSpares>;
  /**
   * Makes the spares that are lacking, and the template where there is none, and drops those of other templates and what is more than `tenancy.spares`. Idempotent, and safe when
   * several processes call it at once; no tenant's making waits for it. Never throws. To be called behind a deployment, and behind each `create`.
   */
  prepareSpares(request?: { readonly signal?: AbortSignal | undefined }): Promise<SparePreparation>;
  /** Where an active tenant is migrated. */
  target(tenant: Tenant): FleetTarget;
  /** All active tenants. */
  fleet(onEvent?: FleetOptions['onEvent']): Fleet;
}

/**
 * The tenants of a service. Nothing is read or connected before its first call; up to four tenants are made at once.
 *
 * @example
 * const tenancy = createTenancy({ service: 'appointment', tenancy: { mode: 'schema', source: directorySource('tenant-migrations') }, connect });
 * const { tenant, outcome } = await tenancy.create('clinic_a');
 * await tenancy.fleet().up();
 *
 * @throws MigrationError `invalidOptions` for a history table whose registry would get too long a name, and for a number of spares that is none.
 */
export function createTenancy(options: TenancyOptions): Tenancy {
  const layout = tenancyLayout(options);
  // Loaded with the first command: a service starts without it.
  let tenancy: Promise<Tenancy> | null = null;
  const load = (): Promise<Tenancy> => (tenancy ??= import('./tenancy/service-tenancy.ts').then(({ ServiceTenancy }) => new ServiceTenancy(options, layout)));
  return {
    list: async () => (await load()).list(),
    find: async (id) => (await load()).find(id),
    create: async (id, request) => (await load()).create(id, request),
    drop: async (id, request) => (await load()).drop(id, request),
    restore: async (id) => (await load()).restore(id),
    lost: async (id, place) => (await load()).lost(id, place),
    leftOut: async () => (await load()).leftOut(),
    backfill: async (request) => (await load()).backfill(request),
    strays: async () => (await load()).strays(),
    spares: async () => (await load()).spares(),
    prepareSpares: async (request) => (await load()).prepareSpares(request),
    target: (tenant) => tenantTarget(layout, tenant),
    fleet: (onEvent) => {
      const fleet = load().then((loaded) => loaded.fleet(onEvent));
      fleet.catch(() => undefined);
      return {
        up: async (request) => (await fleet).up(request),
        down: async (request) => (await fleet).down(request),
        status: async (limits) => (await fleet).status(limits),
        migrator: async (target) => (await fleet).migrator(target),
      };
    },
  };
}
