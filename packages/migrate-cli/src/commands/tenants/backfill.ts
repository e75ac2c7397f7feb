import { inQuotes } from '@org/migrate-core';
import type { Tenant, TenantBackfill } from '@org/migrate-core';

import type { CommandModule } from '../../commands.ts';
import { exit } from '../../exit.ts';
import { findKeeper, someTenants, withWords } from '../../fleet/keeper.ts';
import { unknownTenant } from '../../fleet/registry-list.ts';
import type { Invocation } from '../../invocation.ts';
import { outputOptions, placeOptions } from '../../options.ts';
import { tenantDocument } from '../../render/tenants.ts';
import { heading, plural, printable, printableText } from '../../render/text.ts';

export const command: CommandModule = {
  argument: someTenants,
  help: 'Which tables are required stands in the configuration (tenancy.requiredTables); what they are is learned from the migrations that a tenant has, and so are their first rows. Touches no other table and no history. Rows that a tenant had in them are lost: they come back only from a backup.',
  options: [...placeOptions, 'tenant', 'dryRun', 'lockTimeout', 'lockWait', ...outputOptions],
  examples: [
    ['migrate tenants backfill --dry-run', 'what is absent; writes nothing'],
    ['migrate tenants backfill clinic_a', 'one tenant'],
  ],
  async run(given) {
    const invocation = withWords(given);
    const { options, output } = invocation;
    const { service, tenancy, connection } = await findKeeper(invocation);
    const all = await tenancy.list();
    if (options.tenant !== undefined) {
      const active = new Set(all.filter((one) => one.status === 'active').map((one) => one.id));
      const unknown = options.tenant.find((id) => !active.has(id));
      if (unknown !== undefined)
        throw unknownTenant(
          unknown,
          all.filter((one) => active.has(one.id)),
          service,
        );
    }
    const results = await tenancy.backfill({ tenants: options.tenant, mode: options.dryRun === true ? 'plan' : 'apply' });
    if (options.json === true) output.document(tenantDocument(service.name, results.map(documented)));
    else {
      output.line(heading(`${service.name} tenants`, connection, output.colours));
      tell(invocation, results);
      if (options.tenant === undefined) for (const line of notWhole(all)) output.line(line);
    }
    const failed = results.filter((one) => one.failure !== null).length;
    return failed === 0 ? exit.done : failed < results.length ? exit.someTenantsFailed : exit.failed;
  },
};

/** Those whose making never came to its end have more to be done than tables to be made again. */
function notWhole(all: readonly Tenant[]): readonly string[] {
  const half = all.filter((one) => one.status === 'failed' || one.status === 'provisioning');
  const [first] = half;
  const none = all.some((one) => one.status === 'active') ? [] : ['  No active tenant, so there is nothing to mend.'];
  if (first === undefined) return none;
  const whose = half.length === 1 ? 'is' : 'are';
  return [
    ...none,
    `  ${plural(half.length, 'tenant')} ${whose} not whole, since making ${half.length === 1 ? 'it' : 'them'} never ended: go on with: migrate tenants create ${printable(inQuotes(first.id))}`,
  ];
}

/** The tables are there again, and nobody's rows are: the one thing that this command cannot mend. */
function lost(count: number, planned: boolean): string {
  const [it, its] = count === 1 ? ['it', 'its'] : ['they', 'their'];
  const is = planned ? `would be EMPTY` : `${count === 1 ? 'is' : 'are'} EMPTY`;
  return `${it} ${is}, but for rows that migrations insert: ${its} own rows are lost. Look for a backup that has them`;
}

function documented({ tenant, created, filled, failure }: TenantBackfill): object {
  return { id: tenant, created, filled, failure };
}

function tell({ options, output }: Invocation, results: readonly TenantBackfill[]): void {
  const { colours } = output;
  const planned = options.dryRun === true;
  for (const { tenant, created, filled, failure } of results) {
    const rows = filled.length === 0 ? '' : `, with the rows that migrations put into ${filled.join(', ')}`;
    const tables = printable(`${created.join(', ')}${rows}`);
    if (created.length > 0)
      output.line(`  ${planned ? colours.yellow('+') : colours.green('✓')} ${printable(tenant)}  ${planned ? 'would be made again' : 'made again'}: ${tables}`);
    if (created.length > 0) output.line(`    ${colours.yellow('!')} ${lost(created.length, planned)}`);
    else if (failure === null && options.verbose === true) output.line(`  ${colours.dim('-')} ${printable(tenant)}  whole`);
    if (failure !== null) output.log(`${colours.red('✗')} ${printable(tenant)}: ${printableText(failure)}`);
  }
  const damaged = results.filter((one) => one.created.length > 0).length;
  const failed = results.filter((one) => one.failure !== null).length;
  const parts = [
    ...(damaged > 0 ? [planned ? `${damaged} would be mended` : colours.green(`${damaged} mended`)] : []),
    ...(failed > 0 ? [colours.red(`${failed} not`)] : []),
  ];
  if (results.length > 0)
    output.line(
      `  ${plural(results.length, 'tenant')}: ${parts.length === 0 ? 'all have what they need' : parts.join(', ')}${planned ? '; nothing was written' : ''}.`,
    );
}
