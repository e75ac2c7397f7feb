/** The work of a fleet. */

import pLimit from 'p-limit';

import { sourceNames } from '../available.ts';
import { MigrationError } from '../errors.ts';
import { fleetDefaults, type Fleet, type FleetDownRequest, type FleetLimits, type FleetOptions, type FleetStatus, type FleetUpRequest } from '../fleet.ts';
import { findVersion, type Migration, type SourceListing } from '../migration.ts';
import { createSharingMigrator, type Migrator, type MigratorOptions } from '../migrator.ts';
import type { MigrationEvent, Report } from '../report.ts';
import type { DatabaseClient } from '../session.ts';
import type { Compiled, LostTarget, Shared } from '../sharing.ts';
import type { Status } from '../status.ts';
import { digestOf, SourceOrder } from './digest.ts';
import { Outage } from './outage.ts';
import { completeLimits, Pass, type Debt } from './pass.ts';
import { failureResult, FleetCount, noSchema, noSchemaError, tracedError, type FleetEvent, type FleetReport, type TenantResult } from './report.ts';
import { Slots } from './slots.ts';
import { chunksOf, keyOf, Survey, type Surveyed } from './survey.ts';
import { checkTarget, type FleetTarget } from './target.ts';

/** While a run goes on, another service may apply more. Milliseconds. */
const BELIEVED_MS = 2_000;

type Requirements = FleetOptions['requirements'];

export class TenantFleet implements Fleet {
  readonly #options: FleetOptions;
  /** For one tenant at a time. */
  readonly #compiled: Compiled = { preparation: null };
  /** By database: what its scripts table has already. */
  readonly #stored = new Map<string | null, Set<string>>();

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  async up(request: FleetUpRequest = {}): Promise<FleetReport> {
    const { to, steps, atomicity, ...limits } = request;
    const listing = await this.#list();
    const current = to === undefined && steps === undefined ? digestOf(listing.migrations) : null;
    const isCurrent = ({ state }: Surveyed): boolean => state?.kind === 'history' && state.digest === current;
    return this.#run(listing, limits, isCurrent, (migrator) => migrator.up({ to, steps, atomicity }));
  }

  async down(request: FleetDownRequest = {}): Promise<FleetReport> {
    const { to, steps, only, atomicity, ...limits } = request;
    if (to === undefined && only === undefined) await this.#refuseDifferent();
    const isUnused = ({ state }: Surveyed): boolean => state?.kind === 'unused';
    const listing = await this.#list();
    const version = to ?? only;
    const elsewhere = version === undefined ? undefined : await this.#namesWith(version, listing);
    return this.#run(listing, limits, isUnused, (migrator) => migrator.down({ to, steps, only, elsewhere, atomicity }));
  }

  async status({ concurrency = fleetDefaults.concurrency }: Pick<FleetLimits, 'concurrency'> = {}): Promise<FleetStatus> {
    await using slots = new Slots<Debt>(this.#options.connect);
    const groups = new Map<string, { tenants: string[]; status: Status }>();
    const failures: TenantResult[] = [];
    const limit = pLimit(concurrency);
    const listing = await this.#options.source.list();
    const compiled: Compiled = { listing, preparation: null };
    let total = 0;
    const survey = this.#survey(slots, listing, concurrency);
    for await (const chunk of chunksOf(this.#options.targets())) {
      total += chunk.length;
      await limit.map(await survey.look(chunk), async ({ target, state }) => {
        if (state?.kind === 'noSchema') return void failures.push(noSchema(target, this.#options.origin, state.lost));
        const known = state === null ? undefined : groups.get(keyOf({ target, state }));
        if (known !== undefined) return void known.tenants.push(target.tenant);
        try {
          const status = await slots.use(target.database ?? null, ({ client }) => this.#migrator(target, client, { compiled }).status());
          const key =
            state === null
              ? JSON.stringify([status.problems, ...[...status.applied, ...status.interrupted].map((row) => [row.name, row.checksum, row.state])])
              : keyOf({ target, state });
          const group = groups.get(key);
          if (group === undefined) groups.set(key, { tenants: [target.tenant], status });
          else group.tenants.push(target.tenant);
        } catch (error) {
          failures.push(failureResult(target, await tracedError(error, target, this.#options.lost)));
        }
      });
    }
    return { total, groups: [...groups.values()].toSorted((a, b) => b.tenants.length - a.tenants.length), failures };
  }

  async migrator(target: FleetTarget): Promise<Migrator> {
    return this.#migrator(checkTarget(target), undefined, { compiled: this.#compiled });
  }

  /** The same on a connection of the caller's own to the target's database, which is left open. */
  async migratorOn(target: FleetTarget, client: DatabaseClient): Promise<Migrator> {
    return this.#migrator(checkTarget(target), client, { compiled: this.#compiled });
  }

  async #run(
    listing: SourceListing,
    asked: FleetLimits,
    isDone: (surveyed: Surveyed) => boolean,
    work: (migrator: Migrator) => Promise<Report>,
  ): Promise<FleetReport> {
    const { signal, onEvent, connect, targets, lost } = this.#options;
    const limits = completeLimits(asked);
    const thrown: unknown[] = [];
    // What a listener throws is no tenant's failure: it hears nothing more, nobody begins any more, and it is thrown when those at work are done.
    const tell = (event: FleetEvent): void => {
      if (thrown.length > 0) return;
      try {
        onEvent?.(event);
      } catch (error) {
        thrown.push(error);
        count.stopped ??= 'signal';
      }
    };
    const count = new FleetCount(tell);
    const compiled: Compiled = { listing, preparation: null };
    const requirements = believed(this.#options.requirements);
    const outage = new Outage((reason, limitMs) => tell({ type: 'connectionLost', reason, limitMs }), signal);
    await using slots = new Slots<Debt>(
      connect,
      (error) => outage.lost(error),
      () => tell({ type: 'fewConnections' }),
    );
    const survey = this.#survey(slots, listing, limits.concurrency);
    const pass = new Pass({
      slots,
      survey,
      count,
      outage,
      limits,
      origin: this.#options.origin,
      signal,
      lost,
      isDone,
      work,
      emit: (tenant, event) => tell({ type: 'tenant', tenant, event }),
      migrator: (target, slot, shared, emit) => this.#migrator(target, slot.client, { ...shared, compiled }, emit, requirements),
    });
    for await (const chunk of chunksOf(targets())) {
      await pass.visitAll(chunk);
      if (thrown.length > 0) throw thrown[0];
    }
    return count.report();
  }

  #survey(slots: Slots<Debt>, { migrations }: SourceListing, concurrency: number): Survey {
    return new Survey({
      table: this.#table,
      order: new SourceOrder(migrations),
      concurrency,
      lost: this.#options.lost,
      use: (database, work) => slots.use(database, ({ client }) => work(client)),
    });
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

  /** Among which a version is looked for: the source's, or what any tenant has where the source does not know it. */
  async #namesWith(version: string, listing: SourceListing): Promise<readonly string[]> {
    const names = sourceNames(listing);
    if (findVersion(version, names).kind !== 'none') return names;
    const { groups } = await this.status();
    return [...new Set(groups.flatMap(({ status }) => [...status.applied, ...status.interrupted].map((row) => row.name)))];
  }

  /** The source's migrations. Throws `invalidMigration` with every problem. */
  async available(): Promise<readonly Pick<Migration, 'name' | 'checksum'>[]> {
    return (await this.#list()).migrations;
  }

  async #list(): Promise<SourceListing> {
    const listing = await this.#options.source.list();
    const { problems } = listing;
    const [first] = problems;
    if (first !== undefined)
      throw new MigrationError({ code: 'invalidMigration', message: problems.map((one) => one.message).join('\n'), migration: first.name });
    return listing;
  }

  get #table(): string {
    return this.#options.history?.table ?? `schema_migrations_${this.#options.service}`;
  }

  #migrator(
    target: FleetTarget,
    client: DatabaseClient | undefined,
    shared: Omit<Shared, 'storedScripts' | 'grouping' | 'lost'>,
    emit: (event: MigrationEvent) => void = (event) => this.#options.onEvent?.({ type: 'tenant', tenant: target.tenant, event }),
    requirements: Requirements = this.#options.requirements,
  ): Migrator {
    const { service, source, connect, history, order, waitLimitMs, lockTimeoutMs, retryLimitMs, signal } = this.#options;
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
      requirements,
      signal,
      onEvent: emit,
    };
    const stored = this.#stored.get(database) ?? new Set<string>();
    // A database of its own has its own scripts.
    if (schema !== undefined) this.#stored.set(database, stored);
    const { lost, origin } = this.#options;
    const lostTarget: LostTarget = async (found) => (await lost?.(target)) ?? (found.schema === 'absent' ? noSchemaError(target, origin) : null);
    return createSharingMigrator(options, { ...shared, storedScripts: stored, grouping: 'all', lost: lost === undefined ? undefined : lostTarget });
  }
}

/** Asks once for the tenants of a moment; what could not be learned is asked again for the next one. */
function believed(ask: Requirements): Requirements {
  if (ask === undefined) return undefined;
  const known = new Map<string, { readonly names: Promise<readonly string[] | null>; readonly at: number }>();
  return (service) => {
    const before = known.get(service);
    if (before !== undefined && performance.now() - before.at < BELIEVED_MS) return before.names;
    const names = ask(service);
    const asked = { names, at: performance.now() };
    known.set(service, asked);
    const forget = (): void => {
      if (known.get(service) === asked) known.delete(service);
    };
    names.then((learned) => learned === null && forget(), forget);
    return names;
  };
}
