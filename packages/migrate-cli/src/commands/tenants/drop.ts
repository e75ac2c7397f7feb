import { inQuotes } from '@org/migrate-core';
import type { DroppedTenant, LostTenant, MigrationError, Tenant } from '@org/migrate-core';

import type { CommandModule } from '../../commands.ts';
import { confirm } from '../../confirm.ts';
import { toMigrationError } from '../../connect-error.ts';
import { exitCodeOfSeveral } from '../../exit.ts';
import { findKeeper, type Keeper } from '../../fleet/keeper.ts';
import { unknownTenant } from '../../fleet/registry-list.ts';
import { tellError } from '../../fleet/run.ts';
import type { Invocation } from '../../invocation.ts';
import { outputOptions, placeOptions } from '../../options.ts';
import type { Colours } from '../../render/colour.ts';
import { failedKeys, size, tenantDocument } from '../../render/tenants.ts';
import { heading, plural, printable } from '../../render/text.ts';

export const command: CommandModule = {
  argument: { name: 'id', description: 'of each tenant', need: 'required', count: 'several' },
  help: 'Renames its schema or database, with everything in it; --delete deletes that for good, also of one that was put away before. Asks on a terminal, and needs --yes without one.',
  options: [...placeOptions, 'delete', 'lockWait', 'yes', 'allowProduction', ...outputOptions],
  examples: [
    ['migrate tenants drop clinic_a', 'put away under another name'],
    ['migrate tenants drop clinic_a clinic_b --delete', 'two, with all of their data'],
  ],
  async run(invocation) {
    const { options, output, words, signal } = invocation;
    const keeper = await findKeeper(invocation);
    const { service, tenancy, connection } = keeper;
    const mode = options.delete === true ? 'delete' : 'archive';
    const found: Found[] = [];
    for (const id of new Set(words)) {
      const tenant = await tenancy.find(id);
      // Nobody else is named right behind what deletes for good.
      if (tenant === null) throw unknownTenant(id, mode === 'delete' ? [] : await tenancy.list(), service);
      const lost = await tenancy.lost(id);
      if (lost !== null && mode === 'archive') throw lost.error;
      found.push({ tenant, lost });
    }
    // Each is asked about before the first one is touched.
    for (const one of found) if (!isPut(one.tenant, mode)) await ask(invocation, keeper, one, mode);
    const dropped: Dropped[] = [];
    for (const each of found) {
      if (signal.aborted) break;
      const one = await drop(invocation, keeper, each, mode);
      if (one.error !== null && found.length === 1) throw one.error;
      if (dropped.length === 0 && options.json !== true) output.line(heading(`${service.name} tenants`, connection, output.colours));
      dropped.push(one);
      if (one.error !== null) tellError(invocation, one.error);
      else if (options.json !== true) output.line(tell(one, mode, output.colours));
    }
    if (options.json === true) output.document(tenantDocument(service.name, dropped.map(documented)));
    return exitCodeOfSeveral(
      dropped.map(({ error }) => error),
      invocation.stoppedBy(),
    );
  },
};

type Mode = 'archive' | 'delete';

interface Found {
  readonly tenant: Tenant;
  /** Where its place is not on the server. */
  readonly lost: LostTenant | null;
}

interface Dropped extends Found {
  /** Where it is kept, or was. */
  readonly place: string;
  /** `null` with an error. */
  readonly outcome: DroppedTenant['outcome'] | null;
  readonly error: MigrationError | null;
}

async function ask(invocation: Invocation, keeper: Keeper, { tenant, lost }: Found, mode: Mode): Promise<void> {
  const what = lost === null ? await clause(keeper, tenant, mode) : forgetting(lost);
  await confirm(invocation, keeper.selection, 'always', { what, effect: null, announced: 'first' });
}

async function drop({ signal }: Invocation, { tenancy }: Keeper, found: Found, mode: Mode): Promise<Dropped> {
  const { tenant } = found;
  try {
    const { place, outcome } = await tenancy.drop(tenant.id, { mode });
    return { ...found, place, outcome, error: null };
  } catch (thrown) {
    signal.throwIfAborted();
    return { ...found, place: tenant.place, outcome: null, error: toMigrationError(thrown) };
  }
}

function isPut({ status }: Tenant, mode: Mode): boolean {
  return status === 'archived' && mode === 'archive';
}

function tell({ tenant, place, outcome, lost }: Dropped, mode: Mode, colours: Colours): string {
  const id = printable(tenant.id);
  if (outcome !== 'archived') return `  ${colours.yellow('↶')} ${id}  ${outcome === 'forgotten' ? printable(forgotten(lost, mode)) : 'deleted'}`;
  const typed = printable(inQuotes(tenant.id));
  const how = isPut(tenant, mode) ? 'is put away already' : 'put away';
  return `  ${colours.yellow('↶')} ${id}  ${how} as ${printable(place)}; back again with: migrate tenants restore ${typed}; gone for good with: migrate tenants drop ${typed} --delete`;
}

function documented({ tenant, place, outcome, error }: Dropped): object {
  if (error !== null) return { id: tenant.id, place, outcome: 'failed', ...failedKeys(error) };
  return { id: tenant.id, place, outcome };
}

function forgetting({ id, kind, place, foundAs, instead }: LostTenant): string {
  const left = foundAs === null ? '' : `; ${kind} ${printable(foundAs)}, which was made for it, is left`;
  const where = instead === 'nothing' ? 'is not on the server' : `is not on the server under that name, which another ${kind} has`;
  return `forget the tenant ${printable(id)}: its ${kind} ${printable(place)} ${where}, so there is nothing to delete${left}`;
}

function forgotten(lost: LostTenant | null, mode: Mode): string {
  const left = lost === null || lost.foundAs === null ? '' : `, and the ${lost.kind} ${lost.foundAs} is left as it is`;
  return `forgotten; there was nothing to ${deed[mode]}${left}`;
}

const deed: Readonly<Record<Mode, string>> = { archive: 'put away', delete: 'delete' };

/** Where its making goes on, that is waited for, and then there is something. */
function forgettingUnmade(id: string, what: string, mode: Mode): string {
  const end = mode === 'archive' ? 'put away' : 'deleted for good';
  return `forget the tenant ${printable(id)}: its ${what} is not on the server, so there is nothing to ${deed[mode]}; if somebody is making it right now, it is ${end} when it is made`;
}

/** What is lost, or renamed. */
async function clause(keeper: Keeper, { id, place, status }: Tenant, mode: Mode): Promise<string> {
  const kind = keeper.service.tenants?.mode ?? 'schema';
  const extent = await measured(keeper, kind, place);
  if (extent === null && (status === 'provisioning' || status === 'failed')) return forgettingUnmade(id, `${kind} ${printable(place)}`, mode);
  const what = `${kind} ${printable(place)}${extent ?? ''}`;
  if (mode === 'archive') return `put away the tenant ${printable(id)}: its ${what} gets another name, and is migrated no more`;
  return `delete the ${status === 'archived' ? 'archived ' : ''}tenant ${printable(id)} for good: its ${what}, and all data in it`;
}

const SIZES = {
  schema: `SELECT count(*) FILTER (WHERE c.relkind IN ('r', 'p'))::text AS tables, coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)) FILTER (WHERE c.relkind IN ('r', 'm')), 0)::text AS bytes
 FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid WHERE n.nspname = $1 GROUP BY n.oid`,
  database: `SELECT NULL AS tables, pg_catalog.pg_database_size(oid)::text AS bytes FROM pg_catalog.pg_database WHERE datname = $1`,
} as const;

/** `null` of one that is not there; nothing of one that is not to be looked at. */
async function measured({ service }: Keeper, kind: 'schema' | 'database', place: string): Promise<string | null> {
  const client = await service.connector.connect();
  try {
    const { rows } = await (client.query({ text: SIZES[kind], values: [place] }) as Promise<{ rows: { tables: string | null; bytes: string }[] }>);
    const [row] = rows;
    if (row === undefined) return null;
    const about = size(Number(row.bytes));
    return row.tables === null ? ` (${about})` : ` (${plural(Number(row.tables), 'table')}, ${about})`;
  } catch {
    return '';
  } finally {
    await client.end();
  }
}
