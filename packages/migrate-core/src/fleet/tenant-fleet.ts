/** The work of a fleet. */

import pLimit from 'p-limit';

import { MigrationError } from '../errors.ts';
import { fleetDefaults, type Fleet, type FleetDownRequest, type FleetLimits, type FleetOptions, type FleetStatus, type FleetUpRequest } from '../fleet.ts';
import { createSharingMigrator, type Migrator, type MigratorOptions, type Shared } from '../migrator.ts';
import type { AvailableMigration } from '../plan.ts';
import type { Report } from '../report.ts';
import { Session, type DatabaseClient } from '../session.ts';
import type { Status } from '../status.ts';
import { digestOf, readSchemas, type SchemaState } from './digest.ts';
import { failureResult, FleetCount, resultOf, type FleetReport, type FleetStop, type TenantResult } from './report.ts';
import { Slots } from './slots.ts';
import { checkTarget, type FleetTarget } from './target.ts';

/** So many tenants are looked at, then migrated, before the next ones are asked for. */
const CHUNK = 1_000;
/** So many tenants for each of those at work, before it is asked whether somebody else is at it too. */
const ROUND = 16;

interface Surveyed {
  readonly target: FleetTarget;
  /** `null` for a target with a database of its own, which only a visit can tell. */
  readonly state: SchemaState | null;
}

export class TenantFleet implements Fleet {
  readonly #options: FleetOptions;
  readonly #compiled: Shared['compiled'] = { preparation: null };
  /** By database: what its scripts table has already. */
  readonly #stored = new Map<string | null, Set<string>>();
  readonly #elsewhere = new Map<string, Promise<readonly string[] | null>>();

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  async up(request: FleetUpRequest = {}): Promise<FleetReport> {
    const { to, steps, atomicity, ...limits } = request;
    const current = to === undefined && steps === undefined ? digestOf(await this.available()) : null;
    const isCurrent = ({ state }: Surveyed): boolean => state?.kind === 'history' && state.digest === current;
    return this.#run(limits, isCurrent, (migrator) => migrator.up({ to, steps, atomicity }));
  }

  async down(request: FleetDownRequest = {}): Promise<FleetReport> {
    const { to, steps, only, atomicity, ...limits } = request;
    if (to === undefined && only === undefined) await this.#refuseDifferent();
    const isUnused = ({ state }: Surveyed): boolean => state?.kind === 'unused';
    return this.#run(limits, isUnused, (migrator) => migrator.down({ to, steps, only, atomicity }));
  }

  async status({ concurrency = fleetDefaults.concurrency }: Pick<FleetLimits, 'concurrency'> = {}): Promise<FleetStatus> {
    await using slots = new Slots(this.#options.connect);
    const groups = new Map<string, { tenants: string[]; status: Status }>();
    const failures: TenantResult[] = [];
    const limit = pLimit(concurrency);
    let total = 0;
    for await (const chunk of this.#survey(slots)) {
      total += chunk.length;
      await limit.map(chunk, async ({ target, state }) => {
        if (state?.kind === 'noSchema') return void failures.push(noSchema(target));
        const known = state === null ? undefined : groups.get(keyOf(target, state));
        if (known !== undefined) return void known.tenants.push(target.tenant);
        try {
          const status = await slots.use(target.database ?? null, (client) => this.#migrator(target, client, 'wait').status());
          const key =
            state === null
              ? JSON.stringify([...status.applied, ...status.interrupted].map((row) => [row.name, row.checksum, row.state]))
              : keyOf(target, state);
          const group = groups.get(key);
          if (group === undefined) groups.set(key, { tenants: [target.tenant], status });
          else group.tenants.push(target.tenant);
        } catch (error) {
          failures.push(failureResult(target, error));
        }
      });
    }
    return { total, groups: [...groups.values()].toSorted((a, b) => b.tenants.length - a.tenants.length), failures };
  }

  async migrator(target: FleetTarget): Promise<Migrator> {
    return this.#migrator(checkTarget(target), undefined, 'wait');
  }

  /** The same on a connection of the caller's own to the target's database, which is left open. */
  async migratorOn(target: FleetTarget, client: DatabaseClient): Promise<Migrator> {
    return this.#migrator(checkTarget(target), client, 'wait');
  }

  async #run(limits: FleetLimits, isDone: (surveyed: Surveyed) => boolean, work: (migrator: Migrator) => Promise<Report>): Promise<FleetReport> {
    const { concurrency = fleetDefaults.concurrency, canary = fleetDefaults.canary, maxFailures = Infinity } = limits;
    for (const [name, value, least] of [
      ['concurrency', concurrency, 1],
      ['canary', canary, 0],
      ['maxFailures', maxFailures, 1],
    ] as const) {
      if (value < least || Number.isNaN(value))
        throw new MigrationError({ code: 'invalidOptions', message: `${name} must be at least ${least}, not ${value}` });
    }
    await this.available();
    const { signal, onEvent } = this.#options;
    const count = new FleetCount((event) => onEvent?.(event));
    await using slots = new Slots(this.#options.connect);
    const stop = (): FleetStop | null => (signal?.aborted === true ? 'signal' : count.failures.length >= maxFailures ? 'maxFailures' : null);
    const limit = pLimit(concurrency);
    /** How often somebody else turned out to be at work on this fleet. */
    let others = 0;
    const visit = async (target: FleetTarget, whenBusy: 'wait' | 'leave', busy: FleetTarget[]): Promise<void> => {
      if (count.stopped !== null || stop() !== null) {
        count.stopped ??= stop();
        return count.add({ ...emptyResult(target), outcome: 'notRun' });
      }
      try {
        const report = await slots.use(target.database ?? null, async (client) => work(this.#migrator(target, client, whenBusy)));
        if (report.outcome === 'upToDate') others++;
        count.add(resultOf(target, report));
      } catch (error) {
        if (whenBusy === 'leave' && isBusy(error)) {
          others++;
          busy.push(target);
        } else {
          count.add(failureResult(target, error));
        }
      }
    };
    const stillBehind = async (targets: readonly FleetTarget[]): Promise<FleetTarget[]> => {
      const rest: FleetTarget[] = [];
      if (targets.length === 0) return rest;
      for (const surveyed of await this.#look(slots, targets)) {
        if (isDone(surveyed)) count.add({ ...emptyResult(surveyed.target), outcome: 'upToDate' });
        else rest.push(surveyed.target);
      }
      return rest;
    };
    let canaries = canary;
    for await (const chunk of this.#survey(slots)) {
      const behind: FleetTarget[] = [];
      for (const surveyed of chunk) {
        if (surveyed.state?.kind === 'noSchema') count.add(noSchema(surveyed.target));
        else if (isDone(surveyed)) count.add({ ...emptyResult(surveyed.target), outcome: 'upToDate' });
        else behind.push(surveyed.target);
      }
      const busy: FleetTarget[] = [];
      const first = behind.splice(0, canaries);
      canaries -= first.length;
      await limit.map(first, (target) => visit(target, 'wait', busy));
      if (first.length > 0 && count.failures.length > 0) count.stopped ??= 'canary';
      // In an order of its own: processes that begin together would all be at the same tenants.
      let left = behind.length > ROUND ? shuffled(behind) : behind;
      while (left.length > 0) {
        const now = left.splice(0, ROUND * concurrency);
        const before = others;
        await limit.map(now, (target) => visit(target, 'leave', busy));
        // What others have done meanwhile is known by a few queries.
        if (others > before) left = await stillBehind(left);
      }
      // Somebody else was at these: most are done by now.
      await limit.map(await stillBehind(busy), (target) => visit(target, 'wait', []));
    }
    return count.report();
  }

  /** The targets, chunk by chunk, with what a few queries tell of those that are schemas. */
  async *#survey(slots: Slots): AsyncGenerator<readonly Surveyed[], void, undefined> {
    let chunk: FleetTarget[] = [];
    for await (const target of this.#options.targets()) {
      chunk.push(checkTarget(target));
      if (chunk.length < CHUNK) continue;
      yield await this.#look(slots, chunk);
      chunk = [];
    }
    if (chunk.length > 0) yield await this.#look(slots, chunk);
  }

  async #look(slots: Slots, targets: readonly FleetTarget[]): Promise<readonly Surveyed[]> {
    const schemas = new Map<string | null, string[]>();
    for (const { schema, database = null } of targets) {
      if (schema !== undefined) schemas.set(database, [...(schemas.get(database) ?? []), schema]);
    }
    const states = new Map<string | null, ReadonlyMap<string, SchemaState>>();
    for (const [database, names] of schemas) {
      // With a database and a schema each there is nothing to read together.
      if (names.length < 2 && database !== null) continue;
      states.set(database, await slots.use(database, (client) => readSchemas(new Session(client, 'borrowed'), this.#table, names)));
    }
    return targets.map((target) => ({ target, state: (target.schema === undefined ? null : states.get(target.database ?? null)?.get(target.schema)) ?? null }));
  }

  async #refuseDifferent(): Promise<void> {
    const { groups } = await this.status();
    const used = groups.filter(({ status: { applied, interrupted } }) => applied.length + interrupted.length > 0);
    if (used.length <= 1) return;
    const shown = used.slice(0, 5).map((group) => `${group.tenants.length} at ${group.status.current?.version ?? 'none'}`);
    throw new MigrationError({
      code: 'invalidOptions',
      message: `the tenants stand at different versions (${shown.join(', ')}${used.length > shown.length ? ', …' : ''}): so many steps back would be something else for each of them`,
      hint: 'say where they should stand with --to VERSION, or name one with --tenant ID',
    });
  }

  /** The source's list, once. Throws `invalidMigration` with every problem. */
  async available(): Promise<readonly Pick<AvailableMigration, 'name' | 'checksum'>[]> {
    const { migrations, problems } = await this.#options.source.list();
    const [first] = problems;
    if (first !== undefined)
      throw new MigrationError({ code: 'invalidMigration', message: problems.map((one) => one.message).join('\n'), migration: first.name });
    return migrations;
  }

  #requirementsOf(service: string): Promise<readonly string[] | null> {
    let known = this.#elsewhere.get(service);
    if (known === undefined) {
      known = this.#options.requirements?.(service) ?? Promise.resolve(null);
      this.#elsewhere.set(service, known);
      // What could not be learned is asked again for the next tenant.
      const forget = (): boolean => this.#elsewhere.delete(service);
      known.then((names) => names === null && forget(), forget);
    }
    return known;
  }

  get #table(): string {
    return this.#options.history?.table ?? `schema_migrations_${this.#options.service}`;
  }

  #migrator(target: FleetTarget, client: DatabaseClient | undefined, whenBusy: 'wait' | 'leave'): Migrator {
    const { service, source, connect, history, order, waitLimitMs, lockTimeoutMs, retryLimitMs, onEvent, signal } = this.#options;
    const { tenant, schema, searchPath, database = null } = target;
    const options: MigratorOptions = {
      service,
      source,
      client,
      tenant,
      connect: () => connect(database),
      schema,
      searchPath,
      // Schemas of one database share what is the same for all of them.
      history: { table: this.#table, ...(schema === undefined || schema === 'public' ? {} : { scriptsSchema: history?.scriptsSchema ?? 'public' }) },
      order,
      waitLimitMs,
      lockTimeoutMs,
      retryLimitMs,
      requirements: this.#options.requirements === undefined ? undefined : (service) => this.#requirementsOf(service),
      signal,
      onEvent: (event) => onEvent?.({ type: 'tenant', tenant, event }),
    };
    const stored = this.#stored.get(database) ?? new Set<string>();
    // A database of its own has its own scripts.
    if (schema !== undefined) this.#stored.set(database, stored);
    const shared: Shared = { compiled: this.#compiled, storedScripts: stored, grouping: 'all', whenBusy };
    return createSharingMigrator(options, shared);
  }
}

function keyOf(target: FleetTarget, state: SchemaState): string {
  return `${target.database ?? ''}/${state.kind === 'history' ? state.digest : state.kind}`;
}

function isBusy(error: unknown): boolean {
  return error instanceof MigrationError && error.code === 'lockTimeout' && error.report !== null && error.report.failed === null;
}

function emptyResult(target: FleetTarget): Omit<TenantResult, 'outcome'> {
  return { tenant: target.tenant, schema: target.schema ?? null, database: target.database ?? null, applied: [], undone: [], failed: null, durationMs: 0 };
}

function noSchema(target: FleetTarget): TenantResult {
  const message = `the registry names the schema ${JSON.stringify(target.schema)}, and the server has none of that name`;
  return failureResult(target, new MigrationError({ code: 'invalidOptions', message, hint: 'create the tenant, or take it out of the registry' }));
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: Math.random() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
