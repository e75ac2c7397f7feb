/** A service from its start to its end: it listens at once, brings its schema up to date, serves, and stops when told. */

import {
  startMigrations,
  MigrationError,
  type MigrationEvent,
  type ServiceDefinition,
  type Startup,
  type StartupOutcome,
  type StartupState,
} from '@org/migrate-core';
import type { FastifyBaseLogger } from 'fastify';
import pg from 'pg';
import { createApp, type App } from './app.ts';
import { clientConfig } from './connect.ts';
import { openDatabase, poolDefaults, type Database } from './database.ts';
import { elsewhere } from './elsewhere.ts';
import { healthRoutes } from './health.ts';
import { HttpProblem } from './problem.ts';
import { connectionOf, locateDefinition, migratorOf, schemaReader } from './schema-state.ts';
import { readSettings, SettingsError, type ServiceSettings } from './settings.ts';
import { Tenants, type ServiceTenants } from './tenants.ts';

export interface ServiceSpec {
  readonly definition: ServiceDefinition;
  /** Where the definition stands: `import.meta.resolve('../migrate.config.ts')`. */
  readonly definitionUrl: string;
  /** Where it listens unless PORT says otherwise. */
  readonly port: number;
  /** `tenants` is `null` where they all share the service's tables. */
  readonly routes: (app: App, database: Database, tenants: ServiceTenants | null) => BackgroundWork | void;
}

/** Runs beside the requests, from when the service is ready until the signal; then it has a few seconds to end. */
export type BackgroundWork = (signal: AbortSignal) => Promise<void>;

/** How a service's process ends; the command line's exit codes mean the same. */
export const exitCodes = { done: 0, failed: 1, usage: 2, gaveUpWaiting: 5, interrupted: 130, terminated: 143 } as const;

/** Kubernetes and Docker send SIGKILL after ten seconds or more: what is to be said is said before. Milliseconds. */
const STOP_WITHIN_MS = 9_000;

/** Runs a service to its end, and ends the process. Exit 0 after a stop while it served, 130 or 143 after a stop while it started. */
export async function runService(spec: ServiceSpec, environment: NodeJS.ProcessEnv = process.env): Promise<never> {
  const stop = listenForSignals();
  try {
    const settings = readSettings(environment, { port: spec.port });
    process.exit(await new Service(spec, settings, stop).run());
  } catch (error) {
    // Before there is a log, or where the log itself is what failed.
    process.stderr.write(`${spec.definition.name} cannot start: ${explain(error)}\n`);
    process.exit(exitCodeOf(error));
  }
}

interface Stop {
  readonly signal: AbortSignal;
  /** Resolves with the name of the signal. */
  readonly asked: Promise<'SIGTERM' | 'SIGINT'>;
}

function listenForSignals(): Stop {
  const controller = new AbortController();
  const asked = new Promise<'SIGTERM' | 'SIGINT'>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      // `on` and not `once`: npm and terminals send a signal twice, and the second would end the process on the spot.
      process.on(name, () => {
        controller.abort();
        resolve(name);
      });
    }
  });
  return { signal: controller.signal, asked };
}

class Service {
  readonly #spec: ServiceSpec;
  readonly #settings: ServiceSettings;
  readonly #stop: Stop;

  constructor(spec: ServiceSpec, settings: ServiceSettings, stop: Stop) {
    this.#spec = spec;
    this.#settings = settings;
    this.#stop = stop;
  }

  async run(): Promise<number> {
    const { signal, asked } = this.#stop;
    const settings = this.#settings;
    const located = await locateDefinition(this.#spec.definition, this.#spec.definitionUrl, settings);
    const { definition } = located;
    const migration = connectionOf(definition, settings.environment, 'migration');
    const application = connectionOf(definition, settings.environment, 'application');

    const app = await createApp(definition.name, settings);
    const log = app.log;
    const pool = new pg.Pool({ ...poolDefaults, ...clientConfig(application.settings, definition.name) });
    pool.on('error', (error) => log.warn({ err: error }, 'an idle connection was lost'));
    const shared = openDatabase(pool, { role: definition.applicationRole ?? null, schema: definition.schema ?? null });
    const requirements = elsewhere({
      environment: settings.environment,
      own: migration,
      onUnknown: (service, why) => log.warn({ service }, `what ${service} has applied cannot be learned: ${why}`),
    });
    const { tenancy } = definition;
    const tenants = tenancy === undefined ? null : new Tenants({ located, tenancy, migration, application, settings, shared, requirements, signal, log });
    const database = tenants?.database ?? shared;
    const migrator = migratorOf({
      located,
      connection: migration,
      settings,
      requirements,
      onEvent: (event) => log.info({ migration: { ...event, target: event.target.name } }, describeEvent(event)),
    });

    const schema = schemaReader(definition.name, migrator);
    let startup: Startup | null = null;
    const state = (): StartupState => startup?.state() ?? { phase: 'starting' };
    healthRoutes(app, {
      state,
      stopping: () => signal.aborted,
      readSchema: schema.read,
      tenants: tenants && (() => tenants.summary()),
    });
    const background = this.#routes(app, database, tenants, state);
    await app.listen({ host: settings.host, port: settings.port });
    log.info({ mode: settings.migrations.mode, connection: migration.display, source: migration.source }, 'looking at the schema');

    const { mode, serverWaitMs } = settings.migrations;
    startup = startMigrations({
      migrator,
      mode,
      serverWaitMs,
      signal,
      onState: (next) => {
        // Before the first request can be let in, and before another service is told what was applied.
        if (next.phase === 'ready') {
          schema.forget();
          tenants?.start(mode);
        }
        log.info({ phase: next.phase, ...waitingFor(next) }, `start: ${next.phase}`);
      },
    });

    void asked.then(() => this.#leaveInTime(log));
    const outcome = await checked(startup.done, mode === 'off' ? null : database);
    const beside =
      outcome.phase === 'ready' ? background().catch((error: Error) => log.error({ err: error }, 'what runs beside the requests has ended')) : null;
    // Told to stop while it served, or at the very moment in which it became ready.
    const stoppedBy = outcome.phase === 'ready' ? await asked : outcome.phase === 'stopped' ? await asked : null;
    return await this.#end(app, outcome, stoppedBy, async () => {
      await Promise.all([beside, tenants?.stop()]);
      await database.close();
    });
  }

  /** The service's own routes, closed until the schema is theirs. */
  #routes(app: App, database: Database, tenants: Tenants | null, state: () => StartupState): () => Promise<void> {
    const work: BackgroundWork[] = [];
    app.register(async (routes) => {
      routes.addHook('onRequest', async () => {
        if (state().phase !== 'ready') throw new HttpProblem(503, 'this service is starting; try again');
      });
      const background = this.#spec.routes(routes.withTypeProvider(), database, tenants);
      if (background !== undefined) work.push(background);
    });
    return async () => void (await Promise.all(work.map((one) => one(this.#stop.signal))));
  }

  /** Requests and cancelled statements get their time, but not more. Unfinished transactions are rolled back by the server. */
  #leaveInTime(log: FastifyBaseLogger): void {
    const late = setTimeout(() => {
      log.error('not everything ended in time: stopping without it');
      process.exit(exitCodes.failed);
    }, STOP_WITHIN_MS);
    late.unref();
  }

  async #end(app: App, outcome: StartupOutcome, stoppedBy: 'SIGTERM' | 'SIGINT' | null, close: () => Promise<void>): Promise<number> {
    const { name } = this.#spec.definition;
    if (outcome.phase === 'failed') app.log.fatal({ err: outcome.error }, `${name} cannot start: ${explain(outcome.error)}`);
    else app.log.info(`${String(stoppedBy)}: stopping`);
    await app.close();
    await close();
    if (outcome.phase === 'failed') return exitCodeOf(outcome.error);
    if (outcome.phase === 'ready') return exitCodes.done;
    return stoppedBy === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated;
  }
}

/** A schema that is current is of no use to an application that cannot be held by its row-level security: refuse at the start, not at a request. */
async function checked(done: Promise<StartupOutcome>, database: Database | null): Promise<StartupOutcome> {
  const outcome = await done;
  if (outcome.phase !== 'ready' || database === null) return outcome;
  const refusal = await database.refusal();
  return refusal === null ? outcome : { phase: 'failed', error: new MigrationError({ code: 'invalidOptions', message: refusal }) };
}

function waitingFor(state: StartupState): object {
  if (state.phase === 'waitingForServer') return { why: state.message };
  return state.phase === 'waitingForMigrations' ? { pending: state.pending } : {};
}

function describeEvent(event: MigrationEvent): string {
  switch (event.type) {
    case 'planned':
      return `${event.target.name}: ${event.found} migrations found, ${event.steps.length} to run`;
    case 'waitingForLock':
      return `waiting for whoever migrates ${event.target.name} (${event.holder?.application ?? 'unknown'}) for ${Math.round(event.waitedMs)} ms`;
    case 'notice':
    case 'warning':
      return event.message;
    case 'statement':
      return `${event.name}: ${event.summary}`;
    case 'failed':
      return `${event.failure.name} failed: ${event.failure.message}`;
    default:
      return `${event.name} ${event.type}`;
  }
}

/** An error for whoever starts the service: where in which file, if that is known, what is wrong, and what to do. */
export function explain(error: unknown): string {
  if (error instanceof MigrationError) {
    const { position, message, hint } = error;
    const where = position === null || position.file === null ? '' : `${position.file}:${position.line}:${position.column}: `;
    return `${where}${message}${hint === null ? '' : `\n${hint}`}`;
  }
  return error instanceof Error ? error.message : String(error);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof SettingsError) return exitCodes.usage;
  if (!(error instanceof MigrationError)) return exitCodes.failed;
  if (error.code === 'invalidOptions') return exitCodes.usage;
  return error.code === 'lockTimeout' || error.code === 'unmetRequirement' ? exitCodes.gaveUpWaiting : exitCodes.failed;
}
