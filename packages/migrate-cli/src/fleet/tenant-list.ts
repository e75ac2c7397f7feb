/** Which tenants a command is about: what a query returns, looked at before anything is touched. */

import { MigrationError, whyNotTenant, type DatabaseClient, type FleetTarget, inQuotes } from '@org/migrate-core';

import type { Invocation } from '../invocation.ts';
import { nearestWord } from '../nearest-word.ts';
import type { Options } from '../options.ts';
import { onlyService, type Selection } from '../selection.ts';
import type { Service } from '../service.ts';
import { commaHint, placeFlags } from './hint.ts';
import type { TenantOrigin } from './service-fleet.ts';

export type TenantKind = 'schema' | 'database';

export interface TenantQuery {
  readonly kind: TenantKind;
  readonly flag: '--tenant-schemas' | '--tenant-databases';
  readonly text: string;
}

const MOST_TOLD = 5;

/** For a command that is about tenants. Throws `invalidOptions` for flags that make no sense together. */
export function tenantQuery({ tenantSchemas, tenantDatabases, schema }: Options): TenantQuery {
  const fail = (message: string): never => {
    throw new MigrationError({ code: 'invalidOptions', message });
  };
  if (tenantSchemas !== undefined && tenantDatabases !== undefined)
    return fail('A tenant has a schema or a database of its own: give --tenant-schemas or --tenant-databases, not both.');
  if (tenantSchemas !== undefined) {
    if (schema !== undefined) fail('With --tenant-schemas each tenant’s schema comes from the query: leave --schema out.');
    return { kind: 'schema', flag: '--tenant-schemas', text: tenantSchemas };
  }
  return { kind: 'database', flag: '--tenant-databases', text: tenantDatabases ?? '' };
}

/** The one service whose tenants they are. Throws `invalidOptions` when several are selected, or when its history has another place. */
export function serviceOfTenants(selection: Selection, { kind, flag }: TenantQuery): Service {
  const service = onlyService(selection, `${flag} names the tenants of`);
  const { schema } = service.input.definition.history ?? {};
  // Of a service that keeps tenants itself, that is where what they share has its history.
  if (
    service.tenants === null &&
    schema !== undefined &&
    !(kind === 'database' && schema === (service.input.schema ?? service.input.definition.schema ?? 'public'))
  ) {
    throw new MigrationError({
      code: 'invalidOptions',
      message: `The history of ${service.name} is configured to be in the schema "${schema}", and each tenant needs one of its own, beside its tables.`,
      hint: 'take history.schema out of migrate.config.ts',
    });
  }
  return service;
}

/** The tenants that the query names. */
export async function queryOrigin(invocation: Invocation, service: Service, query: TenantQuery): Promise<TenantOrigin> {
  return {
    label: service.name,
    source: service.tenants?.source ?? service.source,
    targets: await readTenants(invocation, service, query),
    scriptsSchema: undefined,
    flags: `${placeFlags(invocation.options)} ${query.flag} ${inQuotes(query.text)}`,
    registry: null,
  };
}

/**
 * The targets that the query names, narrowed by `--tenant`; empty when it returns none. Throws `invalidOptions` when it fails, when a name
 * cannot be a tenant's, and for an id that it does not return.
 */
async function readTenants(invocation: Invocation, service: Service, query: TenantQuery): Promise<readonly FleetTarget[]> {
  const client = await service.connector.connect();
  let names: readonly string[];
  try {
    names = await readNames(client, query, invocation.signal);
  } finally {
    // A query that was told to stop may never answer.
    if (invocation.signal.aborted) void client.end().catch(() => undefined);
    else await client.end();
  }
  refuseNames(names, query);
  const schema = service.input.schema ?? (service.tenants === null ? service.input.definition.schema : undefined);
  const wanted = invocation.options.tenant ?? null;
  if (wanted !== null) refuseUnknown(wanted, names, query);
  return (wanted ?? names).map((name) => (query.kind === 'schema' ? { tenant: name, schema: name } : { tenant: name, database: name, schema }));
}

interface Answer {
  readonly fields: readonly unknown[];
  readonly rows: readonly (readonly (string | null)[])[];
}

async function readNames(client: DatabaseClient, { flag, text }: TenantQuery, signal: AbortSignal): Promise<readonly string[]> {
  const stop = new Promise<never>((_, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  });
  stop.catch(() => undefined);
  const ask = (config: object): Promise<Answer> => Promise.race([client.query(config) as Promise<Answer>, stop]);
  const fail = (message: string, cause?: unknown): MigrationError => {
    const { code } = (cause ?? {}) as { code?: string };
    const hint = 'it has to return one column, the name of a schema or database in each row; it is run read only';
    return new MigrationError({ code: 'invalidOptions', message, hint, sqlState: code, cause });
  };
  await ask({ text: 'BEGIN READ ONLY' });
  let answer: Answer;
  try {
    // By the extended protocol the server takes one statement only: nothing behind a semicolon can leave the read-only transaction.
    answer = await ask({ text, rowMode: 'array', queryMode: 'extended', types: { getTypeParser: () => (value: string) => value } });
  } catch (error) {
    if (signal.aborted || (error as { severity?: string }).severity === undefined) throw error;
    throw fail(`The query of ${flag} failed: ${(error as Error).message}.`, error);
  }
  await ask({ text: 'ROLLBACK' });
  if (answer.fields.length !== 1) throw fail(`The query of ${flag} returns ${answer.fields.length === 0 ? 'no column' : `${answer.fields.length} columns`}.`);
  const names = new Set<string>();
  for (const [name] of answer.rows) {
    if (name == null) throw fail(`The query of ${flag} returns NULL among the names.`);
    names.add(name);
  }
  return [...names];
}

/** As the library decides for each target; here for all of them, before the first one is touched. */
function refuseNames(names: readonly string[], { kind, flag }: TenantQuery): void {
  const bad = names.flatMap((name) => {
    const why = whyNotTenant(name, kind);
    return why === null ? [] : [`${JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)} (${why})`];
  });
  if (bad.length === 0) return;
  const shown = bad.slice(0, MOST_TOLD).join(', ');
  throw new MigrationError({
    code: 'invalidOptions',
    message: `The query of ${flag} returns what cannot be a tenant’s ${kind}: ${shown}${bad.length > MOST_TOLD ? ` and ${bad.length - MOST_TOLD} more` : ''}. Nothing was done.`,
    hint: 'leave these out in its WHERE',
  });
}

function refuseUnknown(wanted: readonly string[], names: readonly string[], { flag }: TenantQuery): void {
  const known = new Set(names);
  const unknown = wanted.filter((id) => !known.has(id));
  const [first] = unknown;
  if (first === undefined) return;
  const near = nearestWord(first, names);
  throw new MigrationError({
    code: 'invalidOptions',
    message: `There is no tenant ${unknown.map((id) => JSON.stringify(id)).join(', ')} among the ${names.length} that the query of ${flag} returns.${near === null ? '' : ` Did you mean ${JSON.stringify(near)}?`}`,
    hint: commaHint(wanted, names) ?? (near === null ? 'migrate status --verbose, with the same query, lists them' : undefined),
  });
}
