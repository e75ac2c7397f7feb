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
}

/** Types a service's configuration; unknown keys are errors when it is loaded. */
export function defineService(definition: ServiceDefinition): ServiceDefinition {
  return definition;
}
