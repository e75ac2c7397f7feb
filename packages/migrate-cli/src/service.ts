/** One service of this run: its migrations, its connection, and migrators for it. */

import { basename, isAbsolute, join } from 'node:path';

import {
  chooseConnection,
  connectionNeeded,
  createMigrator,
  createTenancy,
  directorySource,
  type ChosenConnection,
  type ConnectionFlags,
  type Environment,
  type MigrationSource,
  type Migrator,
  type MigratorOptions,
  type ServiceDefinition,
  type SourceListing,
  type Tenancy,
  type TenancyDefinition,
  type TenancyOptions,
} from '@org/migrate-core';

import { Connector, type ConnectOptions } from './connect.ts';
import { isProduction } from './environment.ts';
import type { About } from './located.ts';
import type { LocalDatabaseRequest } from './workspace.ts';

export interface ServiceInput {
  readonly definition: ServiceDefinition;
  /** What its own variables begin with; `null` for a folder given by `--dir`. */
  readonly variables: string | null;
  readonly folder: string;
  readonly packageName: string | null;
  /** How a command line means it: by the folder that it is typed in, or by `--service`. */
  readonly meant: 'byPlace' | 'byName';
  readonly dependencies: readonly string[];
  readonly environment: Environment;
  readonly flags: ConnectionFlags;
  readonly history: { readonly table?: string | undefined; readonly schema?: string | undefined };
  readonly schema: string | undefined;
  readonly connect: ConnectOptions;
  /** The workspace's server; `null` where there is no workspace, or none for this service. */
  readonly local: ((service: Service) => Promise<ChosenConnection>) | null;
}

/** What each tenant of a service has. */
export interface TenantSource extends ReadMigrations {
  readonly mode: TenancyDefinition['mode'];
}

export interface ReadMigrations {
  /** As people type it; `null` for a source made in code. */
  readonly folder: string | null;
  readonly source: MigrationSource;
}

export class Service {
  readonly name: string;
  readonly input: ServiceInput;
  /** As people type it: the folder of the migrations. */
  readonly migrations: string | null;
  readonly source: MigrationSource;
  /** `null` for a service whose tenants, if it has any, have nothing of their own. */
  readonly tenants: TenantSource | null;
  readonly connector: Connector;
  #connection: Promise<ChosenConnection> | null = null;

  constructor(input: ServiceInput) {
    this.input = input;
    this.name = input.definition.name;
    const { definition, folder } = input;
    ({ folder: this.migrations, source: this.source } = readMigrations(definition.migrations, folder));
    const { tenancy } = definition;
    this.tenants = tenancy === undefined ? null : { mode: tenancy.mode, ...readMigrations(tenancy.migrations, folder) };
    this.connector = new Connector(() => this.connection(), input.connect);
  }

  /** For the commands that a message about its own database names. */
  get about(): About {
    return { service: this.input.meant === 'byName' ? this.name : null, sources: this.tenants === null ? 'one' : 'two' };
  }

  /** What the flags and the environment name; `null` when they name nothing. */
  named(): ChosenConnection | null {
    const { variables, definition, flags, environment } = this.input;
    return chooseConnection({ service: variables, database: definition.database, flags, environment });
  }

  /** Throws `invalidOptions` where nothing names a server and none may be started. */
  connection(): Promise<ChosenConnection> {
    return (this.#connection ??= this.#choose());
  }

  async #choose(): Promise<ChosenConnection> {
    const named = this.named();
    if (named !== null) return named;
    const { environment, local, variables } = this.input;
    if (isProduction(environment)) throw connectionNeeded(variables, 'with NODE_ENV=production nothing falls back to a local PostgreSQL');
    if (local === null) throw connectionNeeded(variables, 'there is no workspace here that has a PostgreSQL of its own');
    return local(this);
  }

  migrator(options: Partial<MigratorOptions> = {}): Migrator {
    const { definition, schema } = this.input;
    return createMigrator({
      service: this.name,
      source: this.source,
      connect: this.connector.connect,
      history: this.history,
      schema: schema ?? definition.schema,
      order: definition.order,
      ...options,
    });
  }

  /** Its tenants; `null` for a service without `tenancy`. */
  tenancy(options: Partial<TenancyOptions> = {}): Tenancy | null {
    const { definition, schema } = this.input;
    if (definition.tenancy === undefined || this.tenants === null) return null;
    const { migrations: _, ...tenancy } = definition.tenancy;
    return createTenancy({
      service: this.name,
      tenancy: { ...tenancy, source: this.tenants.source },
      connect: (database) => (database === null ? this.connector.connect() : this.connector.connectTo(database)),
      // The registry stands beside the shared history.
      history: { table: this.history.table, schema: this.history.schema ?? schema ?? definition.schema },
      applicationRole: definition.applicationRole,
      order: definition.order,
      ...options,
    });
  }

  /** Where it is said to be; what is not said has the library's defaults. */
  get history(): { readonly table: string | undefined; readonly schema: string | undefined } {
    const { definition, history } = this.input;
    return { table: history.table ?? definition.history?.table, schema: history.schema ?? definition.history?.schema };
  }
}

/** Listed once, whoever asks: the order of the services, the run, and the table at its end. @param base What a folder's path begins at. */
export function readMigrations(migrations: string | MigrationSource, base: string): ReadMigrations {
  const folder = typeof migrations !== 'string' ? null : isAbsolute(migrations) ? migrations : join(base, migrations);
  const source = typeof migrations === 'string' ? directorySource(folder ?? '') : migrations;
  let listing: Promise<SourceListing> | null = null;
  return { folder, source: { label: source.label, list: () => (listing ??= source.list()), compile: (names, grammar) => source.compile(names, grammar) } };
}

/** What a workspace's server is asked for on behalf of a service. */
export function localRequest(service: Service): LocalDatabaseRequest {
  const { database, applicationRole } = service.input.definition;
  return { service: service.name, database, ...(applicationRole === undefined ? {} : { applicationRole }) };
}

/** A folder without configuration as a service: its history is called `schema_migrations`. */
export function folderDefinition(folder: string, typed: string): ServiceDefinition {
  return { name: basename(folder) || typed, migrations: folder, database: 'postgres', history: { table: 'schema_migrations' } };
}
