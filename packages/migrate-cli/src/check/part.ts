/** The check of one source of a service: its files, and the round trip where a server is at hand. */

import {
  checkRoundTrip,
  checkSource,
  connectionTo,
  createMigrator,
  type ChosenConnection,
  type Connect,
  type ConnectTo,
  type MigrationError,
  type MigrationSource,
  type RoundTripFinding,
  type RoundTripOptions,
  type RoundTripReport,
  type SourceFinding,
} from '@org/migrate-core';

import { toMigrationError } from '../connect-error.ts';
import { connector } from '../connect.ts';
import { isProduction } from '../environment.ts';
import type { Invocation } from '../invocation.ts';
import type { SourceName } from '../options.ts';
import { Progress } from '../render/progress.ts';
import { printable } from '../render/text.ts';
import type { Service } from '../service.ts';

export type Finding = SourceFinding | RoundTripFinding;

export interface CheckedPart {
  readonly service: Service;
  readonly source: SourceName;
  readonly migrations: number;
  readonly findings: readonly Finding[];
  readonly roundTrip: RoundTripReport | null;
  /** Why there was no round trip; `null` where there was one. */
  readonly without: string | null;
  /** What kept the check itself from being finished. */
  readonly error: MigrationError | null;
}

/** A schema of a scratch database that stands for a tenant's. */
const TENANT = 'tenant';

/** @param shared The check of what the tenants share, which theirs stand on; `null` where it was not asked for. Never throws. */
export async function checkPart(invocation: Invocation, service: Service, source: SourceName, shared: CheckedPart | null): Promise<CheckedPart> {
  const progress = new Progress(invocation.output.live, invocation.signal);
  const migrationSource = source === 'tenant' && service.tenants !== null ? service.tenants.source : service.source;
  const part = { service, source };
  let migrations = 0;
  let findings: readonly Finding[] = [];
  try {
    const place = source === 'shared' ? placeOfShared(service) : placeOfTenant(invocation, service);
    const { listing, findings: offline } = await checkSource(migrationSource, { schema: place.schema });
    migrations = listing.migrations.length;
    findings = offline;
    const without = reasonWithout(invocation, service, migrations, offline) ?? (source === 'tenant' ? brokenGround(shared) : null);
    if (without !== null) return { ...part, migrations, findings, roundTrip: null, without, error: null };
    const connect = connectTo(service, await service.connection());
    const roundTrip = await checkRoundTrip({
      service: service.name,
      source: migrationSource,
      connect,
      order: service.input.definition.order,
      signal: invocation.signal,
      onMigration: (name, index, count) => progress.show(`${printable(service.name)}: up, down and up again, ${index + 1} of ${count}: ${printable(name)}`),
      ...place,
    });
    return { ...part, migrations, findings: [...findings, ...roundTrip.findings], roundTrip, without: null, error: null };
  } catch (thrown) {
    return { ...part, migrations, findings, roundTrip: null, without: 'it could not be finished', error: toMigrationError(thrown) };
  } finally {
    progress.clear();
  }
}

export function isRoundTrip(finding: Finding): finding is RoundTripFinding {
  return 'differences' in finding;
}

function placeOfShared({ input, history }: Service): Pick<RoundTripOptions, 'schema' | 'history'> {
  return { schema: input.schema ?? input.definition.schema, history };
}

/** As a tenant finds it: behind its own schema what all of them share, or a database of its own; and the extensions. */
function placeOfTenant(invocation: Invocation, service: Service): Pick<RoundTripOptions, 'schema' | 'searchPath' | 'history' | 'prepare'> {
  const { tenancy } = service.input.definition;
  const { mode = 'schema', extensions = [], extensionsSchema = 'extensions' } = tenancy ?? {};
  const behind = [...(extensions.length > 0 ? [extensionsSchema] : []), ...(mode === 'schema' ? ['public'] : [])];
  return {
    schema: mode === 'schema' ? TENANT : undefined,
    searchPath: mode === 'schema' || extensions.length > 0 ? behind : undefined,
    history: { table: service.history.table },
    prepare: async (connect) => {
      if (extensions.length > 0) await installExtensions(connect, extensions, extensionsSchema);
      if (mode === 'schema' && service.tenants !== null) await migrateShared(invocation, service, connect);
    },
  };
}

async function migrateShared({ signal }: Invocation, service: Service, connect: Connect): Promise<void> {
  const { source, input } = service;
  const { schema, history } = placeOfShared(service);
  for (const name of new Set([schema, history?.schema]))
    if (name !== undefined && name !== 'public') await ask(connect, `CREATE SCHEMA IF NOT EXISTS ${quoted(name)}`);
  // What other services must have applied counts as applied, as in every round trip.
  const requirements = (other: string): Promise<readonly string[]> => requiredOf(source, other);
  const order = input.definition.order;
  await createMigrator({ service: service.name, source, connect, schema, order, signal, requirements, ...(history === undefined ? {} : { history }) }).up();
}

async function requiredOf(source: MigrationSource, other: string): Promise<readonly string[]> {
  const { migrations } = await source.list();
  return migrations.flatMap((one) => one.directives.requires.filter((need) => need.service === other).map((need) => need.version));
}

async function installExtensions(connect: Connect, extensions: readonly string[], schema: string): Promise<void> {
  const statements = extensions.map((name) => `CREATE EXTENSION IF NOT EXISTS ${quoted(name)} SCHEMA ${quoted(schema)}`);
  await ask(connect, [`CREATE SCHEMA IF NOT EXISTS ${quoted(schema)}`, ...statements].join('; '));
}

async function ask(connect: Connect, text: string): Promise<void> {
  const client = await connect();
  try {
    await (client.query({ text }) as Promise<unknown>);
  } finally {
    await client.end();
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** What the tenants' migrations would not find. */
function brokenGround(shared: CheckedPart | null): string | null {
  if (shared === null || shared.service.tenants?.mode === 'database') return null;
  if (shared.error !== null || shared.findings.some((one) => one.severity === 'error')) return 'what the tenants share comes first';
  return null;
}

function reasonWithout(invocation: Invocation, service: Service, migrations: number, findings: readonly SourceFinding[]): string | null {
  if (migrations === 0) return 'there is nothing to try';
  if (findings.some(({ severity }) => severity === 'error')) return 'the findings above come first';
  const { environment, local } = service.input;
  // A scratch database is made and dropped, and what concerns the whole server (roles) stays.
  if (isProduction(environment)) return 'not with NODE_ENV=production';
  if (service.named() === null && local === null)
    return `nothing names a server; give --url postgres://… ${invocation.options.dir === undefined ? 'or set DATABASE_URL' : ''}`.trim();
  return null;
}

/** The service's server, and on it any database. */
function connectTo(service: Service, chosen: ChosenConnection): ConnectTo {
  const { settings, source } = chosen;
  const at = (database: string): ChosenConnection => {
    // By name: the password is not enumerable.
    const { host, port, user, password, ssl, parameters } = settings;
    const other = connectionTo(source, { host, port, user, password }, database);
    return { ...other, settings: Object.assign(other.settings, { ssl, parameters }) };
  };
  return async (database) => {
    try {
      return await connector(async () => (database === null ? chosen : at(database)), service.input.connect)();
    } catch (error) {
      // The service's own database may not have been made yet: any other does for making one.
      if (database !== null || (error as { sqlState?: string | null }).sqlState !== '3D000') throw error;
      return connector(async () => at('postgres'), service.input.connect)();
    }
  };
}
