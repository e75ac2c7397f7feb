/** What a service says of itself in its `migrate.config.ts`. */

import type { MigrationSource } from './migration.ts';
import type { OrderPolicy } from './plan.ts';

export interface ServiceDefinition {
  /** The service's name, as in `requires=user@0003` and `schema_migrations_user`. */
  readonly name: string;
  /** A folder beside the configuration file, or a source made in code. */
  readonly migrations: string | MigrationSource;
  /** The database's name where a connection names none. */
  readonly database: string;
  /** Default `schema_migrations_<name>` in the target's schema. */
  readonly history?: { readonly table?: string; readonly schema?: string };
  /** Default `public`. */
  readonly schema?: string;
  /** Default `strict`. */
  readonly order?: OrderPolicy;
  /** The role that the service's application connects as: owns nothing, cannot bypass row-level security. */
  readonly applicationRole?: string;
  /** For a service whose tenants have a schema or a database of their own, beside what all of them share. */
  readonly tenancy?: TenancyDefinition;
  /** For a service whose tables hold the rows of many tenants, kept apart by policies: what `verify` holds them to. */
  readonly rowLevelSecurity?: RowLevelSecurityDefinition;
}

/** How rows of many tenants are kept apart in shared tables. */
export interface RowLevelSecurityDefinition {
  /** The column that says whose a row is, in every table: `tenant_id`. */
  readonly column: string;
  /** The setting that a transaction names its tenant by: `app.current_tenant_id`. */
  readonly setting: string;
  /** What a rule speaks against and is meant so: names of tables, views and functions, and `table.policy`; with or without their schema. Default: none. */
  readonly allow?: readonly string[];
  /** Where changes are logged. Default: no table needs a trigger. */
  readonly audit?: {
    /** Names of trigger functions: every table has one of them for each changed row. */
    readonly functions: readonly string[];
    /** The tables that they write, which need none themselves. */
    readonly logs: readonly string[];
  };
}

/** How a service keeps its tenants apart. */
export interface TenancyDefinition {
  /** `schema`: one for each tenant in the service's database. `database`: one for each tenant on the service's server. */
  readonly mode: 'schema' | 'database';
  /** What each tenant has: a folder beside the configuration file, or a source made in code. What all of them share is the service's `migrations`. */
  readonly migrations: string | MigrationSource;
  /** The name of a new tenant's schema or database. Asked once, when it is created; the registry keeps the answer. Default: the id itself. */
  readonly place?: (id: string) => string;
  /** Tables without which a tenant is damaged: `verify` looks for them, `backfill` makes them again. Default: none. */
  readonly requiredTables?: readonly string[];
  /** Installed once in each database, in a schema of their own that is on the tenants' search path. Default: none. */
  readonly extensions?: readonly string[];
  /** Where they are. Default `extensions`. */
  readonly extensionsSchema?: string;
  /** How many places are kept made ahead, so that a new tenant is ready at once: copies of the present template. A whole number, 0 to 50. Default 0. */
  readonly spares?: number;
  /**
   * Where the service keeps a registry of its own: a query whose first column is the tenant's id and whose second one is its schema or
   * database (one column: both). Default: the registry that the library keeps beside the history.
   */
  readonly query?: string;
}

/** Types a service's configuration; unknown keys are errors when it is loaded. */
export function defineService(definition: ServiceDefinition): ServiceDefinition {
  return definition;
}
