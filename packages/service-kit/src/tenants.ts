/** The tenants of a service that keeps a schema or a database for each: which are served, where each one's requests work, and making new ones. */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  createTenancy,
  MigrationError,
  startTenants,
  type ChosenConnection,
  type CreateTenantOptions,
  type FleetEvent,
  type StartMode,
  type Tenancy,
  type TenancyDefinition,
  type Tenant,
  type TenantStartup,
  type TenantSummary,
} from '@org/migrate-core';
import type { FastifyBaseLogger } from 'fastify';
import pg from 'pg';
import { clientConfig, connectWith } from './connect.ts';
import { poolDefaults, type Actor, type Database, type PooledDatabase, type Queryable } from './database.ts';
import { HttpProblem, notSetUp } from './problem.ts';
import { sourceOf, type LocatedDefinition } from './schema-state.ts';
import type { ServiceSettings } from './settings.ts';
import { Spares } from './spares.ts';
import { TenantPools } from './tenant-pools.ts';

/** What became of making a tenant, as far as it is known in time. */
export type Provisioning =
  | { readonly status: 'active'; readonly outcome: 'created' | 'present' }
  /** It goes on: `find` tells how it ends, and asking again does no harm. */
  | { readonly status: 'provisioning' };

/** What routes do with tenants. */
export interface ServiceTenants {
  find(id: string): Promise<Tenant | null>;
  /**
   * Makes a tenant, or waits for the one that makes it. Answers within about two seconds, whatever it takes.
   *
   * @throws HttpProblem 409 for an id that cannot be a tenant's (any more), 503 for what passes by itself, 500 otherwise.
   */
  provision(id: string, initialise: CreateTenantOptions['initialise']): Promise<Provisioning>;
}

export interface TenantsOptions {
  readonly located: LocatedDefinition;
  readonly tenancy: TenancyDefinition;
  readonly migration: ChosenConnection;
  readonly application: ChosenConnection;
  readonly settings: ServiceSettings;
  /** The service's own database. */
  readonly shared: PooledDatabase;
  readonly requirements: (service: string) => Promise<readonly string[] | null>;
  readonly signal: AbortSignal;
  readonly log: FastifyBaseLogger;
}

const ANSWER_WITHIN_MS = 2_000;
/** A table, a schema or a database that is not there: the tenant is not what it was when it was looked at. */
const GONE = new Set(['42P01', '3F000', '3D000']);
/** Either that, or this build's own fault. */
const UNDEFINED_COLUMN = '42703';
/** The caller's turn again later; everything else is for a person. */
const PASSING: ReadonlySet<string> = new Set(['connection', 'lockTimeout', 'unmetRequirement', 'aborted']);

export class Tenants implements ServiceTenants {
  readonly #options: TenantsOptions;
  readonly #tenancy: Tenancy;
  readonly #spares: Spares;
  readonly #pools: TenantPools | null;
  readonly #underWay = new Map<string, Promise<Provisioning>>();
  /** Whether a tenant is active no more, asked because of a request that failed: once at a time for each. */
  readonly #ended = new Map<string, Promise<boolean>>();
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  #startup: TenantStartup | null = null;
  /** `/health/db` shows it. */
  readonly database: Database;

  constructor(options: TenantsOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stopping.signal]);
    this.#tenancy = tenancyOf(options, this.#signal);
    this.#spares = new Spares({ tenancy: this.#tenancy, signal: this.#signal, log: options.log });
    this.#pools = options.tenancy.mode === 'database' ? poolsOf(options) : null;
    const { shared } = options;
    this.database = {
      asTenant: (actor, work) => this.#asTenant(actor, work),
      inShared: shared.inShared,
      refusal: () => shared.refusal(),
      close: async () => void (await Promise.all([shared.close(), this.#pools?.close()])),
    };
  }

  /** From when the shared tables are current. */
  start(mode: StartMode): void {
    const { log, settings } = this.#options;
    const signal = this.#signal;
    const startup = startTenants({
      tenancy: this.#tenancy,
      mode,
      concurrency: settings.migrations.tenantConcurrency,
      signal,
      onEvent: (event) => tell(log, event),
      onTrouble: (error) => log.error({ err: error }, `the tenants cannot be looked at: ${error.message}`),
    });
    this.#startup = startup;
    // Read by itself: what stands beside the tenants that are served must not keep them waiting.
    void this.#tenancy.leftOut().then(
      (leftOut) => leftOut === null || log.error({ tenants: leftOut.count, mode: leftOut.kind }, `${leftOut.message}. To have them: ${leftOut.hint}`),
      (error: Error) => signal.aborted || log.warn({ err: error }, 'whether tenants are left out cannot be learned just now'),
    );
    void startup.done.then(() => {
      if (signal.aborted) return;
      log.info({ tenants: startup.summary() }, 'the tenants were looked at');
      this.#spares.refill();
    });
  }

  summary(): TenantSummary | null {
    return this.#startup?.summary() ?? null;
  }

  /** Ends what is under way, each tenant with a true record. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled([this.#startup?.settled(), this.#spares.settled(), ...this.#underWay.values()]);
  }

  find(id: string): Promise<Tenant | null> {
    return this.#tenancy.find(id);
  }

  async provision(id: string, initialise: CreateTenantOptions['initialise']): Promise<Provisioning> {
    let work = this.#underWay.get(id);
    if (work === undefined) {
      work = this.#make(id, initialise).finally(() => this.#underWay.delete(id));
      // Whoever waits for it is told; where nobody does any more, the log was.
      work.catch(() => undefined);
      this.#underWay.set(id, work);
    }
    const late = new AbortController();
    const still = sleep(ANSWER_WITHIN_MS, { status: 'provisioning' } as const, { signal: late.signal });
    still.catch(() => undefined);
    try {
      return await Promise.race([work, still]);
    } finally {
      late.abort();
    }
  }

  async #make(id: string, initialise: CreateTenantOptions['initialise']): Promise<Provisioning> {
    const { log } = this.#options;
    try {
      const { outcome, by, durationMs } = await this.#tenancy.create(id, { initialise });
      if (outcome === 'created') log.info({ tenant: id, by, durationMs: Math.round(durationMs) }, 'a tenant was made');
      if (outcome === 'created' && (this.#options.tenancy.spares ?? 0) > 0) this.#spares.refill();
      // Until now it may be believed that nobody has its id; its first request is to find it known.
      this.#startup?.forget(id);
      await this.#startup?.admit(id);
      return { status: 'active', outcome };
    } catch (error) {
      const code = error instanceof MigrationError ? error.code : null;
      log.error({ err: error, tenant: id }, `the tenant could not be made: ${(error as Error).message}`);
      // It was put away, or what would be its place is somebody else's.
      if (code === 'invalidOptions') throw new HttpProblem(409, 'no tenant of this id can be made here; the reason is in the log');
      if (code !== null && PASSING.has(code)) throw new HttpProblem(503, `the tenant cannot be made just now (${code}); try again`, 5);
      throw error;
    }
  }

  async #asTenant<T>(actor: Actor, work: (db: Queryable) => Promise<T>): Promise<T> {
    const tenant = this.#startup?.admitted(actor.tenant) ?? (await this.#admit(actor.tenant));
    try {
      return await this.#at(tenant, actor, work);
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      if (GONE.has(code) || code === UNDEFINED_COLUMN) this.#startup?.doubt(tenant.id);
      if (!GONE.has(code)) throw error;
      await this.#refuseIfPutAway(tenant.id);
      this.#options.log.error({ err: error, tenant: tenant.id }, 'a tenant lacks something that its history says is there');
      throw new HttpProblem(503, 'what belongs to this clinic is damaged here, and somebody has to look at it', 30);
    }
  }

  /** Nothing is damaged of a tenant that was put away since it was looked at: it is refused as if it had been so all along. */
  async #refuseIfPutAway(id: string): Promise<void> {
    let ended = this.#ended.get(id);
    if (ended === undefined) {
      // Where the registry cannot be asked, nothing says that it ended.
      ended = this.#tenancy
        .find(id)
        .then(
          (found) => found?.status !== 'active',
          () => false,
        )
        .finally(() => this.#ended.delete(id));
      this.#ended.set(id, ended);
    }
    if (!(await ended)) return;
    this.#startup?.forget(id);
    await this.#admit(id);
  }

  #at<T>({ place }: Tenant, actor: Actor, work: (db: Queryable) => Promise<T>): Promise<T> {
    if (this.#pools !== null) return this.#pools.run(place, actor, work);
    // Not `public` behind it: a table that the tenant lacks would be found there, and be somebody else's.
    return this.#options.shared.onPath(actor, [place, ...extensionsPath(this.#options.tenancy)], work);
  }

  async #admit(id: string): Promise<Tenant> {
    if (this.#startup === null) throw new HttpProblem(503, 'this service is starting; try again');
    const admission = await this.#startup.admit(id);
    if (admission.kind === 'admitted') return admission.tenant;
    const seconds = Math.ceil(admission.retryAfterMs / 1_000);
    switch (admission.why) {
      case 'absent':
      case 'provisioning':
        throw notSetUp(Math.max(seconds, 2));
      case 'archived':
        throw new HttpProblem(404, 'this clinic was put away');
      case 'behind':
        throw new HttpProblem(503, 'what belongs to this clinic is being brought up to date; try again', seconds);
      case 'failed':
        throw new HttpProblem(503, 'what belongs to this clinic could not be brought up to date; it is in the log', seconds);
      case 'unreachable':
        throw new HttpProblem(503, 'what belongs to this clinic cannot be reached just now; try again', seconds);
    }
  }
}

function tenancyOf({ located, tenancy, migration, settings, requirements, log }: TenantsOptions, signal: AbortSignal): Tenancy {
  const { definition } = located;
  const { migrations, ...rest } = tenancy;
  const name = `${definition.name} migrate`;
  return createTenancy({
    service: definition.name,
    tenancy: { ...rest, source: sourceOf(located, migrations) },
    connect: (database) => connectWith(migration.settings, name, database)(),
    history: { table: definition.history?.table, schema: definition.history?.schema ?? definition.schema },
    applicationRole: definition.applicationRole,
    order: definition.order,
    waitLimitMs: settings.migrations.lockWaitMs,
    retryLimitMs: settings.migrations.lockWaitMs,
    requirements,
    signal,
    onEvent: (event) => tell(log, event),
  });
}

function poolsOf({ tenancy, located, application, settings, log }: TenantsOptions): TenantPools {
  const { name, applicationRole = null } = located.definition;
  const extensions = extensionsPath(tenancy);
  return new TenantPools({
    role: applicationRole,
    path: extensions.length === 0 ? null : ['public', ...extensions],
    most: settings.tenantConnections,
    open: (database, limits) => {
      const pool = new pg.Pool({ ...poolDefaults, ...clientConfig(application.settings, name), database, ...limits });
      pool.on('error', (error) => log.warn({ err: error }, 'an idle connection to a tenant’s database was lost'));
      return pool;
    },
  });
}

function extensionsPath({ extensions = [], extensionsSchema = 'extensions' }: TenancyDefinition): readonly string[] {
  return extensions.length === 0 ? [] : [extensionsSchema];
}

/** A line for each tenant that was migrated or failed; the steps of each only where somebody asked for that much. */
function tell(log: FastifyBaseLogger, event: FleetEvent): void {
  if (event.type === 'tenant' && event.event.type === 'warning') return log.warn({ tenant: event.tenant, migration: event.event.name }, event.event.message);
  if (event.type === 'tenant') return log.debug({ tenant: event.tenant, migration: event.event.type }, 'a tenant is migrated');
  if (event.type === 'connectionLost') {
    const what =
      event.reason === 'lost'
        ? 'the connection to the tenants’ database was lost, and is tried again'
        : 'the tenants’ server has no connection left, and is tried again';
    return log.warn({ limitMs: event.limitMs }, what);
  }
  if (event.type === 'fewConnections') return log.warn('the tenants’ server has no connection left: fewer tenants at once, with those that are open');
  const { tenant, outcome, applied, failed, durationMs } = event.result;
  if (outcome === 'upToDate' || outcome === 'notRun') return;
  if (failed === null) return log.info({ tenant, outcome, applied, durationMs: Math.round(durationMs) }, 'a tenant was migrated');
  const { name, code, sqlState, message } = failed;
  log.error({ tenant, migration: name, code, sqlState }, `the tenant could not be migrated: ${message}`);
}
