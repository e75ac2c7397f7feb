/** What everything that is done to tenants needs. */

import type { TenantFleet } from '../fleet/tenant-fleet.ts';
import { MigrationError } from '../errors.ts';
import { withoutData } from '../withheld.ts';
import { Session, type DatabaseClient, type ServerError } from '../session.ts';
import type { TenancyOptions } from '../tenancy.ts';
import { sqlStateOf } from './again.ts';
import type { TenancyLayout } from './layout.ts';
import { shortened } from './place.ts';
import type { Registry } from './registry.ts';
import type { SchemaTemplate } from './schema-template.ts';

export interface TenancyContext {
  readonly options: TenancyOptions;
  readonly layout: TenancyLayout;
  readonly registry: Registry;
  /** Migrators that share what was compiled. */
  readonly fleet: TenantFleet;
  /** Templates that this process makes right now, by name. */
  readonly making: Map<string, Promise<void>>;
  /** Template schemas that this process has read, by name. */
  readonly templates: Map<string, SchemaTemplate>;
  /** The name of the service's database, as the server knows it. Asked once. */
  serviceDatabase(session: Session): Promise<string>;
  /** A connection of the caller's own to a database; `null`: to the service's. */
  open(database: string | null): Promise<Session>;
}

/** Does the work on a connection of its own. */
export async function connected<T>(
  context: TenancyContext,
  database: string | null,
  work: (session: Session, client: DatabaseClient) => Promise<T>,
): Promise<T> {
  const client = await context.options.connect(database);
  const session = new Session(client);
  try {
    return await work(session, client);
  } finally {
    await session.close();
  }
}

const OWNER = 'only the owner of its schema or database may do that: connect as the role that made it (who renames a database needs CREATEDB, too)';
/** What a role lacks that is not allowed to do this. */
const NEEDED: Readonly<Record<string, string>> = {
  made: 'the role that makes tenants needs CREATE on the database, or CREATEDB for a database each',
  archived: OWNER,
  deleted: OWNER,
  restored: OWNER,
};

/** Any error as one that says what could not be done, without data: those of the server and of strangers' code may hold some. */
export function tenantError(id: string, what: string, error: unknown): MigrationError {
  if (error instanceof MigrationError) return error;
  const { severity, message, code } = error as ServerError;
  const told = severity === undefined ? (code ?? (error as Error).name) : withoutData(error as ServerError, '');
  return new MigrationError({
    code: severity === undefined && code !== undefined ? 'connection' : 'migrationFailed',
    message: `the tenant ${JSON.stringify(shortened(id))} could not be ${what}: ${told}`,
    hint: code === '42501' ? NEEDED[what] : undefined,
    sqlState: sqlStateOf(error) ?? undefined,
    data: severity === undefined ? message : undefined,
    cause: error,
  });
}
