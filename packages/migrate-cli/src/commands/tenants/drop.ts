import type { LostTenant, Tenant } from '@org/migrate-core';

import type { CommandModule } from '../../commands.ts';
import { confirm } from '../../confirm.ts';
import { exit } from '../../exit.ts';
import { inQuotes } from '../../fleet/hint.ts';
import { findKeeper, type Keeper } from '../../fleet/keeper.ts';
import { unknownTenant } from '../../fleet/registry-list.ts';
import { outputOptions, placeOptions } from '../../options.ts';
import { size, tenantDocument } from '../../render/tenants.ts';
import { heading, plural, printable } from '../../render/text.ts';

export const command: CommandModule = {
  argument: { name: 'id', description: 'of the tenant', need: 'required' },
  help: 'Renames its schema or database, with everything in it; --delete deletes that for good, also of one that was put away before. Asks on a terminal, and needs --yes without one.',
  options: [...placeOptions, 'delete', 'lockWait', 'yes', 'allowProduction', ...outputOptions],
  examples: [
    ['migrate tenants drop clinic_a', 'put away under another name'],
    ['migrate tenants drop clinic_a --delete', 'with all of its data'],
  ],
  async run(invocation) {
    const { options, output, argument } = invocation;
    const id = argument ?? '';
    const keeper = await findKeeper(invocation);
    const { service, selection, tenancy, connection } = keeper;
    const tenant = await tenancy.find(id);
    if (tenant === null) throw unknownTenant(id, await tenancy.list(), service);
    const mode = options.delete === true ? 'delete' : 'archive';
    const put = tenant.status === 'archived' && mode === 'archive';
    const lost = await tenancy.lost(id);
    if (lost !== null && mode === 'archive') throw lost.error;
    if (!put) {
      const what = lost === null ? await clause(keeper, tenant, mode) : forgetting(lost);
      await confirm(invocation, selection, 'always', { what, effect: null, announced: 'first' });
    }
    const dropped = await tenancy.drop(id, { mode });
    if (options.json === true) {
      output.document(
        tenantDocument(service.name, [{ id, place: dropped.place, outcome: mode === 'archive' ? 'archived' : lost === null ? 'deleted' : 'forgotten' }]),
      );
      return exit.done;
    }
    const { colours } = output;
    output.line(heading(`${service.name} tenants`, connection, colours));
    const typed = printable(inQuotes(id));
    if (mode === 'delete') output.line(`  ${colours.yellow('↶')} ${printable(id)}  ${lost === null ? 'deleted' : printable(forgotten(lost))}`);
    else
      output.line(
        `  ${colours.yellow('↶')} ${printable(id)}  ${put ? 'is put away already' : 'put away'} as ${printable(dropped.place)}; back again with: migrate tenants restore ${typed}; gone for good with: migrate tenants drop ${typed} --delete`,
      );
    return exit.done;
  },
};

function forgetting({ id, kind, place, foundAs }: LostTenant): string {
  const left = foundAs === null ? '' : `; ${kind} ${printable(foundAs)}, which was made for it, is left`;
  return `forget the tenant ${printable(id)}: its ${kind} ${printable(place)} is not on the server, so there is nothing to delete${left}`;
}

function forgotten({ kind, foundAs }: LostTenant): string {
  return `forgotten; there was nothing to delete${foundAs === null ? '' : `, and the ${kind} ${foundAs} is left as it is`}`;
}

/** What is lost, or renamed. */
async function clause(keeper: Keeper, { id, place, status }: Tenant, mode: 'archive' | 'delete'): Promise<string> {
  const kind = keeper.service.tenants?.mode ?? 'schema';
  const what = `${kind} ${printable(place)}${await measured(keeper, kind, place)}`;
  if (mode === 'archive') return `put away the tenant ${printable(id)}: its ${what} gets another name, and is migrated no more`;
  return `delete the ${status === 'archived' ? 'archived ' : ''}tenant ${printable(id)} for good: its ${what}, and all data in it`;
}

const SIZES = {
  schema: `SELECT count(*) FILTER (WHERE c.relkind IN ('r', 'p'))::text AS tables, coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)) FILTER (WHERE c.relkind IN ('r', 'm')), 0)::text AS bytes
 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1`,
  database: `SELECT NULL AS tables, pg_catalog.pg_database_size(oid)::text AS bytes FROM pg_catalog.pg_database WHERE datname = $1`,
} as const;

/** Of one that is not there, or not to be looked at: nothing. */
async function measured({ service }: Keeper, kind: 'schema' | 'database', place: string): Promise<string> {
  const client = await service.connector.connect();
  try {
    const { rows } = await (client.query({ text: SIZES[kind], values: [place] }) as Promise<{ rows: { tables: string | null; bytes: string }[] }>);
    const [row] = rows;
    if (row === undefined) return '';
    const about = size(Number(row.bytes));
    return row.tables === null ? ` (${about})` : ` (${plural(Number(row.tables), 'table')}, ${about})`;
  } catch {
    return '';
  } finally {
    await client.end();
  }
}
