/** One service's tenants as a fleet, and each of them by itself. */

import { createFleet, createMigrator, type DatabaseClient, type Fleet, type FleetOptions, type FleetTarget, type Migrator } from '@org/migrate-core';

import type { Invocation } from '../invocation.ts';
import type { Service } from '../service.ts';

export class ServiceFleet {
  readonly service: Service;
  readonly targets: readonly FleetTarget[];
  readonly #invocation: Invocation;

  constructor(invocation: Invocation, service: Service, targets: readonly FleetTarget[]) {
    this.service = service;
    this.targets = targets;
    this.#invocation = invocation;
  }

  fleet(onEvent?: FleetOptions['onEvent']): Fleet {
    const { lockTimeout, lockWait, order } = this.#invocation.options;
    const { name, source, input } = this.service;
    return createFleet({
      service: name,
      source,
      targets: () => this.targets,
      connect: (database) => this.#connect(database),
      history: { table: this.#table },
      order: order ?? input.definition.order,
      signal: this.#invocation.signal,
      onEvent,
      ...(lockTimeout === undefined ? {} : { lockTimeoutMs: lockTimeout }),
      ...(lockWait === undefined ? {} : { waitLimitMs: lockWait, retryLimitMs: lockWait }),
    });
  }

  /** For what only a look at one tenant can tell. @param client Of its database; without one each call opens its own. */
  migrator({ tenant, schema, database }: FleetTarget, client?: DatabaseClient): Migrator {
    const { name, source, input } = this.service;
    const shared = schema !== undefined && schema !== 'public';
    return createMigrator({
      service: name,
      source,
      tenant,
      client,
      connect: () => this.#connect(database ?? null),
      schema,
      // Where the fleet keeps them: the tenants of one database have theirs together.
      history: { table: this.#table, ...(shared ? { scriptsSchema: 'public' } : {}) },
      order: input.definition.order,
      signal: this.#invocation.signal,
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

  get #table(): string | undefined {
    return this.service.input.history.table ?? this.service.input.definition.history?.table;
  }

  #connect(database: string | null): Promise<DatabaseClient> {
    const { connector } = this.service;
    return database === null ? connector.connect() : connector.connectTo(database);
  }
}
