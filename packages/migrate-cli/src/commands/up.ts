import { MigrationError } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { outputOptions, placeOptions, rolloutOptions, tenantOptions } from '../options.ts';
import { runServices } from '../run.ts';
import { selectServices } from '../selection.ts';
import { tenantsAsked } from '../tenants.ts';

export const command: CommandModule = {
  help: 'Services are migrated in the order of what they need of each other. A second run that finds nothing to do is one query for each.',
  options: [...placeOptions, ...tenantOptions, ...rolloutOptions, 'to', 'steps', 'order', 'atomic', 'dryRun', 'lockTimeout', 'lockWait', ...outputOptions],
  examples: [
    ['migrate up', 'everything that is pending'],
    ['migrate up --service patient --to 7', 'one service, up to and including version 0007'],
    ['migrate up --dry-run', 'what would run, with its SQL'],
    ['migrate up --dir ./migrations --url postgres://…', 'any folder, any server'],
    ['migrate up --dir … --url … --tenant-schemas "SELECT schema_name FROM tenants" --canary 5', 'each tenant’s schema, five of them first'],
    ['migrate up --wait 30s --json', 'in a container that starts beside its server'],
  ],
  async run(invocation) {
    const { to, steps, order, atomic, dryRun } = invocation.options;
    if (to !== undefined && steps !== undefined) throw new MigrationError({ code: 'invalidOptions', message: 'Give --to or --steps, not both.' });
    const selection = await selectServices(invocation);
    if (to !== undefined && selection.services.length > 1) {
      throw new MigrationError({ code: 'invalidOptions', message: `--to ${to} is a version of one service: add --service to say which.` });
    }
    if (tenantsAsked(invocation.options)) {
      const { upTenants } = await import('../fleet/command.ts');
      return upTenants(invocation, selection);
    }
    if (dryRun === true) {
      const { planServices } = await import('../plan-services.ts');
      return planServices(invocation, selection, { direction: 'up', to, steps, order }, 'whole');
    }
    return runServices(invocation, selection, 'up', (migrator) =>
      migrator.up({ to, steps, order, atomicity: atomic === true ? 'whole-plan' : 'per-migration' }),
    );
  },
};
