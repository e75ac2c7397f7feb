/** The tenants of one service. */

import pLimit from 'p-limit';

import { MigrationError } from '../errors.ts';
import { createFleet, type Fleet, type FleetOptions } from '../fleet.ts';
import { TenantFleet } from '../fleet/tenant-fleet.ts';
import { readRegistryQuery, type FleetTarget } from '../fleet/target.ts';
import { defaults } from '../migrator.ts';
import { Session, type ServerError } from '../session.ts';
import type {
  BackfillRequest,
  CreateTenantOptions,
  DropTenantOptions,
  DroppedTenant,
  SparePreparation,
  LostTenant,
  Tenancy,
  TenancyOptions,
  Tenant,
  TenantBackfill,
  TenantCreation,
  TenantSpares,
  TenantsLeftOut,
  TenantStrays,
} from '../tenancy.ts';
import { isCrowded, pause } from './again.ts';
import type { TenancyContext } from './context.ts';
import { tenantTarget, type TenancyLayout } from './layout.ts';
import { invalidTenant, placeOf } from './place.ts';
import { publicTenant, Registry } from './registry.ts';

/** Tenants that are made at once: each is two or three connections, and some work for the server. */
const AT_ONCE = 4;
/** A server or a pooler that has no connection for so long has none at all. */
const LONGEST_CROWD_MS = 120_000;

export class ServiceTenancy implements Tenancy {
  readonly #context: TenancyContext;
  readonly #limit = pLimit(AT_ONCE);

  constructor(options: TenancyOptions, layout: TenancyLayout) {
    let database: string | null = null;
    this.#context = {
      serviceDatabase: async (session) => (database ??= (await session.read('SELECT pg_catalog.current_database() AS name'))[0]?.['name'] ?? ''),
      options,
      layout,
      registry: new Registry(layout.schema, layout.table, layout.kind),
      fleet: new TenantFleet(fleetOptions(options, layout, () => [])),
      making: new Map(),
      templates: new Map(),
      open: (database) => Session.open(() => options.connect(database)),
    };
  }

  async list(): Promise<readonly Tenant[]> {
    const { registry, options } = this.#context;
    const { query } = options.tenancy;
    return this.#read(async (session) => (query === undefined ? (await registry.list(session)).map(publicTenant) : readOwn(session, query)));
  }

  async find(id: string): Promise<Tenant | null> {
    if (this.#context.options.tenancy.query !== undefined) return (await this.list()).find((tenant) => tenant.id === id) ?? null;
    // PostgreSQL cannot hold it, so nobody has it.
    if (id.includes('\0')) return null;
    return this.#read(async (session) => {
      const tenant = await this.#context.registry.find(session, id);
      return tenant === null ? null : publicTenant(tenant);
    });
  }

  async create(id: string, request: CreateTenantOptions = {}): Promise<TenantCreation> {
    this.#refuseOwnRegistry('create');
    const { options, layout } = this.#context;
    const place = placeOf(id, layout.kind, options.tenancy.place, layout.kind === 'schema' ? [layout.schema, layout.extensionsSchema] : []);
    const { createTenant } = await import('./create.ts');
    return this.#inTurn(() => createTenant(this.#context, id, place, request));
  }

  async drop(id: string, { mode = 'archive' }: DropTenantOptions = {}): Promise<DroppedTenant> {
    this.#refuseOwnRegistry('drop');
    const { dropTenant } = await import('./drop.ts');
    return this.#inTurn(() => dropTenant(this.#context, id, mode));
  }

  async restore(id: string): Promise<Tenant> {
    this.#refuseOwnRegistry('restore');
    const { restoreTenant } = await import('./restore.ts');
    return this.#inTurn(() => restoreTenant(this.#context, id));
  }

  async lost(id: string, place?: string): Promise<LostTenant | null> {
    const { registry, options, layout } = this.#context;
    if (options.tenancy.query !== undefined || id.includes('\0')) return null;
    const { leftTenant, lostTenant } = await import('./lost-place.ts');
    return this.#read(async (session) => {
      const tenant = await registry.find(session, id);
      const left = place === undefined ? null : leftTenant(tenant, { id, place, kind: layout.kind });
      if (left !== null) return left;
      if (tenant === null || tenant.kind !== layout.kind || (tenant.status !== 'active' && tenant.status !== 'archived')) return null;
      return lostTenant(this.#context, session, tenant);
    });
  }

  async leftOut(): Promise<TenantsLeftOut | null> {
    const { registry, options } = this.#context;
    if (options.tenancy.query !== undefined) return null;
    const { kind, count } = await this.#read((session) => registry.otherKind(session));
    if (count === 0) return null;
    const who = count === 1 ? `1 tenant has a ${kind} of its own` : `${count} tenants have a ${kind} of their own`;
    return {
      kind,
      count,
      message: `${who}, and tenancy.mode says ${registry.kind}: ${count === 1 ? 'it is' : 'they are'} left out, and neither migrated nor served`,
      hint: `set tenancy.mode back to '${kind}'`,
    };
  }

  async backfill({ tenants, mode = 'apply' }: BackfillRequest = {}): Promise<readonly TenantBackfill[]> {
    const active = (await this.list()).filter((tenant) => tenant.status === 'active');
    const chosen = tenants === undefined ? active : tenants.map((id) => active.find((tenant) => tenant.id === id) ?? refuseInactive(id));
    const { backfillTenants } = await import('./backfill.ts');
    return backfillTenants(this.#context, chosen, mode);
  }

  async strays(): Promise<TenantStrays> {
    const { readStrays } = await import('./strays.ts');
    const { registry, layout, options } = this.#context;
    const { query } = options.tenancy;
    return this.#read(async (session) => {
      const tenants = query === undefined ? await registry.list(session) : await readOwn(session, query);
      const known = new Set(
        tenants.flatMap((tenant) => [tenant.place, ...('transit' in tenant && typeof tenant.transit === 'string' ? [tenant.transit] : [])]),
      );
      return readStrays(session, layout, known, tenants.filter((tenant) => tenant.status === 'active').map(publicTenant));
    });
  }

  async spares(): Promise<TenantSpares> {
    const wanted = this.#context.layout.spares;
    if (wanted === 0) return { wanted, ready: 0 };
    const { countSpares } = await import('./spare.ts');
    return { wanted, ready: await this.#read((session) => countSpares(this.#context, session)) };
  }

  async prepareSpares({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<SparePreparation> {
    const { options } = this.#context;
    // Where the registry is only read, there have never been any.
    if (options.tenancy.query !== undefined) return { ready: 0, made: 0, dropped: 0, error: null };
    const signals = [signal, options.signal].filter((one) => one !== undefined);
    const { prepareSpares } = await import('./spare-making.ts');
    // What others have applied is believed for a while: that it was not there yet at a service's start must not be told to a tenant that comes just behind.
    const fleet = new TenantFleet(fleetOptions(options, this.#context.layout, () => []));
    return prepareSpares({ ...this.#context, fleet }, signals.length === 0 ? undefined : AbortSignal.any(signals));
  }

  target(tenant: Tenant): FleetTarget {
    return tenantTarget(this.#context.layout, tenant);
  }

  fleet(onEvent?: FleetOptions['onEvent']): Fleet {
    const { options, layout } = this.#context;
    return createFleet({
      ...fleetOptions(options, layout, () => this.#targets()),
      onEvent: onEvent ?? options.onEvent,
      lost: async ({ tenant, schema, database }) => (await this.lost(tenant, schema ?? database))?.error ?? null,
    });
  }

  /** Page by page, so that the memory of a pass does not grow with the number of tenants. */
  async *#targets(): AsyncGenerator<FleetTarget, void, undefined> {
    const { registry, options } = this.#context;
    const { query } = options.tenancy;
    if (query !== undefined) {
      for (const tenant of await this.list()) yield this.target(tenant);
      return;
    }
    for (let last: string | null = null; ;) {
      const page: readonly Tenant[] = await this.#read((session) => registry.activeAfter(session, last));
      for (const tenant of page) yield this.target(tenant);
      last = page.at(-1)?.id ?? null;
      if (last === null) return;
    }
  }

  /** Few at once; fewer, and later, where the server has no room for them. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const { signal, retryLimitMs = defaults.retryLimitMs } = this.#context.options;
    const until = performance.now() + Math.min(retryLimitMs, LONGEST_CROWD_MS);
    for (let attempt = 1; ; attempt++) {
      try {
        const done = await this.#limit(work);
        if (this.#limit.concurrency < AT_ONCE) this.#limit.concurrency++;
        return done;
      } catch (error) {
        if (!isCrowded(error) || performance.now() > until || signal?.aborted === true) throw error;
        this.#limit.concurrency = Math.max(1, this.#limit.concurrency >> 1);
        await pause(attempt + 4, signal);
      }
    }
  }

  async #read<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#context.open(null);
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  }

  #refuseOwnRegistry(what: string): void {
    const { service, tenancy } = this.#context.options;
    if (tenancy.query === undefined) return;
    throw new MigrationError({
      code: 'invalidOptions',
      message: `the registry of the tenants of ${service} is its own (tenancy.query), which is only read: this cannot ${what} one`,
      hint: `${what} it where the service does, or take tenancy.query out of its configuration`,
    });
  }
}

function refuseInactive(id: string): never {
  throw invalidTenant(id, 'there is no active one of that id', 'the list of tenants shows who there is');
}

async function readOwn(session: Session, query: string): Promise<readonly Tenant[]> {
  try {
    const rows = await readRegistryQuery(session, query);
    return rows.map(([id, place]) => ({ id, place, status: 'active', createdAt: null, updatedAt: null, failure: null }));
  } catch (error) {
    const { severity, message, code } = error as ServerError;
    if (severity === undefined || session.lost !== null) throw error;
    throw new MigrationError({
      code: 'invalidOptions',
      message: `tenancy.query failed: ${message}`,
      hint: 'it has to return a tenant’s id and its schema or database in each row, or one column for both; it is run read only',
      sqlState: code,
      cause: error,
    });
  }
}

function fleetOptions(options: TenancyOptions, layout: TenancyLayout, targets: FleetOptions['targets']): FleetOptions {
  const { service, tenancy, connect, order, requirements, waitLimitMs, lockTimeoutMs, retryLimitMs, onEvent, signal } = options;
  return {
    service,
    source: tenancy.source,
    targets,
    connect,
    history: { table: layout.table, scriptsSchema: layout.schema },
    order,
    requirements,
    waitLimitMs,
    lockTimeoutMs,
    retryLimitMs,
    onEvent,
    signal,
  };
}
