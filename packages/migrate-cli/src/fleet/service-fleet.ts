/** One service's tenants as a fleet, and each of them by itself. */

import {
  createFleet,
  createMigrator,
  type DatabaseClient,
  type Fleet,
  type FleetOptions,
  type FleetTarget,
  type MigrationSource,
  type Migrator,
  type MigratorOptions,
  type Tenancy,
  type Tenant,
  type TenantsLeftOut,
} from '@org/migrate-core';

import type { Invocation } from '../invocation.ts';
import type { Service } from '../service.ts';

/** Whose word it is who the tenants are. */
export interface TenantOrigin {
  /** What stands at the head of their story: the service, or its tenants. */
  readonly label: string;
  readonly source: MigrationSource;
  readonly targets: readonly FleetTarget[];
  /** Where tenants of one database keep the compiled migrations together. */
  readonly scriptsSchema: string | undefined;
  /** What names the same tenants on another command line, besides `--tenant`: the query, in a shell's quotes; empty for a service's own. */
  readonly flags: string;
  /** The service's own registry; `null` for a query's answer. */
  readonly registry: TenantRegistry | null;
}

export interface TenantRegistry {
  readonly tenancy: Tenancy;
  /** Those that are not migrated: not made yet, failed while they were made, put away. */
  readonly others: readonly Tenant[];
  /** Those with a place of the other kind; `null` where there are none. */
  readonly leftOut: TenantsLeftOut | null;
}

export type Asked = Pick<MigratorOptions, 'requirements'>;

export class ServiceFleet {
  readonly service: Service;
  readonly origin: TenantOrigin;
  readonly #invocation: Invocation;
  readonly #asked: Asked;

  /** @param asked What other services have applied; without it nothing that requires one goes up. */
  constructor(invocation: Invocation, service: Service, origin: TenantOrigin, asked: Asked = {}) {
    this.service = service;
    this.origin = origin;
    this.#invocation = invocation;
    this.#asked = asked;
  }

  /** What another service has applied; left out where nobody can be asked. */
  get requirements(): Asked['requirements'] {
    return this.#asked.requirements;
  }

  get targets(): readonly FleetTarget[] {
    return this.origin.targets;
  }

  fleet(onEvent?: FleetOptions['onEvent']): Fleet {
    const { lockTimeout, lockWait, order } = this.#invocation.options;
    const { name, input, history } = this.service;
    return createFleet({
      service: name,
      source: this.origin.source,
      targets: () => this.targets,
      origin: this.origin.registry === null ? 'query' : 'registry',
      connect: (database) => this.#connect(database),
      history: { table: history.table, scriptsSchema: this.origin.scriptsSchema },
      order: order ?? input.definition.order,
      signal: this.#invocation.signal,
      onEvent,
      lost:
        this.origin.registry === null
          ? undefined
          : async ({ tenant, schema, database }) => (await this.origin.registry?.tenancy.lost(tenant, schema ?? database))?.error ?? null,
      ...this.#asked,
      ...(lockTimeout === undefined ? {} : { lockTimeoutMs: lockTimeout }),
      ...(lockWait === undefined ? {} : { waitLimitMs: lockWait, retryLimitMs: lockWait }),
    });
  }

  /** For what only a look at one tenant can tell. @param client Of its database; without one each call opens its own. */
  migrator({ tenant, schema, database, searchPath }: FleetTarget, client?: DatabaseClient): Migrator {
    const { name, input, history } = this.service;
    const { lockWait } = this.#invocation.options;
    const shared = schema !== undefined && schema !== 'public';
    return createMigrator({
      service: name,
      source: this.origin.source,
      tenant,
      client,
      connect: () => this.#connect(database ?? null),
      schema,
      searchPath,
      // Where the fleet keeps them: the tenants of one database have theirs together.
      history: { table: history.table, ...(shared ? { scriptsSchema: this.origin.scriptsSchema ?? 'public' } : {}) },
      order: input.definition.order,
      signal: this.#invocation.signal,
      ...this.#asked,
      ...(lockWait === undefined ? {} : { waitLimitMs: lockWait }),
    });
  }

  /** Asks tenants one after the other, over as few connections as that takes. */
  async each<T>(targets: readonly FleetTarget[], ask: (migrator: Migrator, target: FleetTarget) => Promise<T>): Promise<readonly T[]> {
    const answers: T[] = [];
    let client: DatabaseClient | null = null;
    let at: string | null = null;
    try {
      for (const target of targets) {
        this.#invocation.signal.throwIfAborted();
        const { database = null } = target;
        if (client !== null && at !== database) {
          await client.end();
          client = null;
        }
        client ??= await this.#connect(database);
        at = database;
        answers.push(await ask(this.migrator(target, client), target));
      }
      return answers;
    } finally {
      await client?.end();
    }
  }

  #connect(database: string | null): Promise<DatabaseClient> {
    const { connector } = this.service;
    return database === null ? connector.connect() : connector.connectTo(database);
  }
}
