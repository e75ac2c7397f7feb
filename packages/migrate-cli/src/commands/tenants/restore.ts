import { inQuotes } from '@org/migrate-core';
import type { CommandModule } from '../../commands.ts';
import { exit } from '../../exit.ts';
import { tenantsInQuotes } from '../../fleet/hint.ts';
import { findKeeper } from '../../fleet/keeper.ts';
import { unknownTenant } from '../../fleet/registry-list.ts';
import { outputOptions, placeOptions } from '../../options.ts';
import { tenantDocument } from '../../render/tenants.ts';
import { heading, printable } from '../../render/text.ts';

export const command: CommandModule = {
  argument: { name: 'id', description: 'of the tenant', need: 'required' },
  help: 'Gives its schema or database its old name back, which has to be free, with everything in it. It is served and migrated again, and may be behind. One that was not put away is left as it is.',
  options: [...placeOptions, 'lockWait', ...outputOptions],
  examples: [['migrate tenants restore clinic_a', 'as it was when it was put away']],
  async run(invocation) {
    const { options, output, argument } = invocation;
    const id = argument ?? '';
    const { service, tenancy, connection } = await findKeeper(invocation);
    const tenant = await tenancy.find(id);
    if (tenant === null) throw unknownTenant(id, await tenancy.list(), service);
    const restored = await tenancy.restore(id);
    const outcome = tenant.status === 'archived' ? 'restored' : 'present';
    if (options.json === true) {
      output.document(tenantDocument(service.name, [{ id, place: restored.place, status: restored.status, outcome }]));
      return exit.done;
    }
    const { colours } = output;
    const typed = printable(inQuotes(id));
    output.line(heading(`${service.name} tenants`, connection, colours));
    const mark = outcome === 'restored' ? colours.green('✓') : colours.dim('-');
    const what = `${outcome === 'restored' ? 'back as' : 'is there as'} ${printable(restored.place)}`;
    if (restored.status === 'failed') output.line(`  ${mark} ${printable(id)}  ${what}, and not whole: go on with: migrate tenants create ${typed}`);
    else
      output.line(
        `  ${mark} ${printable(id)}  ${what}${outcome === 'restored' ? `; what it lacks comes with: migrate up --tenant ${printable(tenantsInQuotes([id]))}` : ''}`,
      );
    return exit.done;
  },
};
