/** The service's own schema: a migrator from its configuration, and what `/health/db` tells of it. */

import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  chooseConnection,
  connectionNeeded,
  createMigrator,
  directorySource,
  type ChosenConnection,
  type EventListener,
  MigrationError,
  type MigrationSource,
  type Migrator,
  type ServiceDefinition,
  type Status,
} from '@org/migrate-core';
import { connectWith } from './connect.ts';
import type { ServiceSettings } from './settings.ts';

/** A definition, and the folder from which its paths are meant. */
export interface LocatedDefinition {
  readonly definition: ServiceDefinition;
  readonly folder: string;
}

/**
 * The configuration in force: the service's own, or that of MIGRATE_CONFIG.
 *
 * @param own The default export of the service's `migrate.config.ts`.
 * @param url Where that file stands: `import.meta.resolve('../migrate.config.ts')`.
 */
export async function locateDefinition(own: ServiceDefinition, url: string, settings: ServiceSettings): Promise<LocatedDefinition> {
  const other = settings.migrations.config;
  if (other === null) return { definition: own, folder: dirname(fileURLToPath(url)) };
  const path = resolve(other);
  const loaded = (await import(pathToFileURL(path).href).catch((error: unknown) => {
    throw new MigrationError({ code: 'invalidOptions', message: `MIGRATE_CONFIG cannot be loaded: ${String((error as Error).message)}`, cause: error });
  })) as { default?: ServiceDefinition };
  if (loaded.default?.name !== own.name) {
    throw new MigrationError({ code: 'invalidOptions', message: `MIGRATE_CONFIG must export the configuration of ${own.name} by default, and does not` });
  }
  return { definition: loaded.default, folder: dirname(path) };
}

/** What a definition names as its migrations, or as its tenants'. */
export function sourceOf({ folder }: LocatedDefinition, migrations: string | MigrationSource): MigrationSource {
  return typeof migrations === 'string' ? directorySource(resolve(folder, migrations)) : migrations;
}

/** The connection for migrations, or for the application. Throws `MigrationError` `invalidOptions` where nothing names one. */
export function connectionOf(definition: ServiceDefinition, environment: NodeJS.ProcessEnv, purpose: 'migration' | 'application'): ChosenConnection {
  const chosen = chooseConnection({ service: definition.name, database: definition.database, environment, purpose });
  if (chosen === null) throw connectionNeeded(definition.name, 'a service looks for no server by itself');
  return chosen;
}

export interface MigratorParts {
  readonly located: LocatedDefinition;
  readonly connection: ChosenConnection;
  readonly settings: ServiceSettings;
  readonly requirements: (service: string) => Promise<readonly string[] | null>;
  readonly onEvent: EventListener;
}

export function migratorOf({ located, connection, settings, requirements, onEvent }: MigratorParts): Migrator {
  const { definition } = located;
  return createMigrator({
    service: definition.name,
    source: sourceOf(located, definition.migrations),
    connect: connectWith(connection.settings, `${definition.name} migrate`),
    ...(definition.history === undefined ? {} : { history: definition.history }),
    schema: definition.schema,
    order: definition.order,
    waitLimitMs: settings.migrations.lockWaitMs,
    retryLimitMs: settings.migrations.lockWaitMs,
    requirementWaitMs: settings.migrations.requirementWaitMs,
    requirements,
    onEvent,
  });
}

/** What `/health/db` answers. Other services read `applied`, so that its name and form stay. */
export interface SchemaState {
  readonly service: string;
  /** The newest applied migration's version, `null` on an empty database. */
  readonly version: string | null;
  /** Full names, completely applied, in the order in which they were. */
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  readonly problems: readonly { readonly code: string; readonly version: string; readonly message: string }[];
  /** The migration that runs just now. */
  readonly running: string | null;
}

export function schemaState(service: string, status: Status): SchemaState {
  return {
    service,
    version: status.current?.version ?? null,
    // One that was begun and not finished is no ground to build on.
    applied: status.applied.map((row) => row.name),
    pending: status.pending.map((one) => one.name),
    problems: status.problems.map(({ code, version, message }) => ({ code, version, message })),
    running: status.running?.name || null,
  };
}

/** A server that is frozen, or behind a network that is gone, answers nothing at all. Milliseconds. */
const ANSWER_WITHIN_MS = 5_000;

/** How old an answer may be: whoever asks more often than this gets the one before. Milliseconds. */
const FRESH_MS = 500;

export interface SchemaReader {
  /** One read at a time: the route is open, and must not open a connection for every caller. */
  read(): Promise<SchemaState>;
  /** What was read before, or is being read, is answered to nobody who asks from now on: it has changed. */
  forget(): void;
}

/** Reads the state on demand. */
export function schemaReader(service: string, migrator: Pick<Migrator, 'status'>): SchemaReader {
  let last: { readonly at: number; readonly state: Promise<SchemaState> } | null = null;
  const read = (): Promise<SchemaState> => {
    if (last !== null && performance.now() - last.at < FRESH_MS) return last.state;
    const state = within(ANSWER_WITHIN_MS, migrator.status()).then((status) => schemaState(service, status));
    const mine = { at: Number.POSITIVE_INFINITY, state };
    const settled = (): void => {
      if (last === mine) last = { at: performance.now(), state };
    };
    last = mine;
    state.then(settled, () => {
      if (last === mine) last = null;
    });
    return state;
  };
  return {
    read,
    forget: () => {
      last = null;
    },
  };
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
