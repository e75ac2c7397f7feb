/** What services have applied, told to each other: nobody goes up before what it requires, nor down below what others require. */

import type { Dependant, MigrationSource, MigratorOptions } from '@org/migrate-core';

import type { Selection } from './selection.ts';
import type { Service } from './service.ts';

/** What a plan has decided for the services before: they are read as if it had run. */
export interface Foreseen {
  readonly applied: Set<string>;
  readonly undone: Set<string>;
}

export class Requirements {
  readonly #selection: Selection;
  readonly #tell: (text: string) => void;
  readonly #foreseen = new Map<string, Foreseen>();

  /** @param tell For what could not be asked: a person should know that it was not looked at. */
  constructor(selection: Selection, tell: (text: string) => void) {
    this.#selection = selection;
    this.#tell = tell;
  }

  foresee(service: string, steps: readonly { readonly name: string; readonly direction: 'up' | 'down' }[]): void {
    this.#foreseen.set(service, {
      applied: new Set(steps.filter((step) => step.direction === 'up').map((step) => step.name)),
      undone: new Set(steps.filter((step) => step.direction === 'down').map((step) => step.name)),
    });
  }

  /** For `createMigrator`. Nothing is asked unless a migration needs it. */
  hooks(service: Service): Pick<MigratorOptions, 'requirements' | 'dependants'> {
    return { requirements: (name) => this.#applied(service, name), dependants: () => this.#dependants(service) };
  }

  async #applied(asking: Service, name: string): Promise<readonly string[] | null> {
    const other = await this.#selection.find(name);
    const rows = other === null ? null : await this.#rows(asking, other);
    if (rows === null) return null;
    const { applied, undone } = this.#foreseen.get(name) ?? { applied: new Set<string>(), undone: new Set<string>() };
    return [...rows.filter((row) => row.state === 'applied' && !undone.has(row.name)).map((row) => row.name), ...applied];
  }

  async #dependants(service: Service): Promise<readonly Dependant[]> {
    const found: Dependant[] = [];
    const others = await this.#selection.others(service);
    for (const other of others) {
      const rows = await this.#rows(service, other);
      if (rows === null) {
        await this.#tellUnknown(service, other, other.source);
        continue;
      }
      const undone = this.#foreseen.get(other.name)?.undone;
      found.push(...rows.filter((row) => undone?.has(row.name) !== true).map((row) => ({ service: other.name, name: row.name, requires: row.requires })));
    }
    // What its own tenants have may stand on what they share.
    for (const other of [service, ...others]) found.push(...(await this.#ofTenants(service, other)));
    return found;
  }

  /** What the tenants of a service have applied that requires something. Without a registry there are none. */
  async #ofTenants(asking: Service, other: Service): Promise<readonly Dependant[]> {
    const tenancy = other.tenancy();
    if (tenancy === null || other.tenants === null) return [];
    const counts = new Map<string, { count: number; readonly requires: Dependant['requires'] }>();
    try {
      for (const { tenants, status } of (await tenancy.fleet().status()).groups) {
        for (const { name, requires } of [...status.applied, ...status.interrupted]) {
          if (requires.length === 0) continue;
          const known = counts.get(name);
          if (known === undefined) counts.set(name, { count: tenants.length, requires });
          else known.count += tenants.length;
        }
      }
    } catch (error) {
      if ((error as { sqlState?: string }).sqlState !== '3D000') await this.#tellUnknown(asking, other, other.tenants.source);
      return [];
    }
    return [...counts].map(([name, { count, requires }]) => ({ service: other.name, name, requires, tenants: count }));
  }

  /** Its files tell whether it could matter at all. */
  async #tellUnknown(service: Service, other: Service, source: MigrationSource): Promise<void> {
    const listing = await source.list().catch(() => null);
    const needs = listing?.migrations.some((one) => one.directives.requires.some((need) => need.service === service.name)) === true;
    if (needs)
      this.#tell(`${other.name} has migrations that require ${service.name}, and what it has applied could not be learned: nothing was checked against it.`);
  }

  /** The other's history where its own configuration says, and in the asking service's database, where services share one. `null`: unknown. */
  async #rows(asking: Service, other: Service): Promise<Awaited<ReturnType<ReturnType<Service['migrator']>['status']>>['applied'] | null> {
    if (this.#selection.flagged && !this.#selection.services.includes(other)) {
      const shared = await read(other, asking);
      if (shared !== null && shared.length > 0) return shared;
    }
    return read(other, other);
  }
}

async function read(service: Service, where: Service): Promise<Awaited<ReturnType<ReturnType<Service['migrator']>['status']>>['applied'] | null> {
  try {
    const { applied, interrupted } = await service.migrator({ connect: where.connector.connect }).status();
    return [...applied, ...interrupted];
  } catch (error) {
    // A database that was never made has nothing applied.
    return (error as { sqlState?: string }).sqlState === '3D000' ? [] : null;
  }
}
