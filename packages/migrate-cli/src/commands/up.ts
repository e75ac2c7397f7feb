import { MigrationError } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { outputOptions, placeOptions, rolloutOptions, tenantOptions } from '../options.ts';
import { runServices } from '../run.ts';
import { limitsOf, refuseSeveral, refuseTwoSources, scopeOf } from '../scope.ts';
import { selectServices } from '../selection.ts';

export const command: CommandModule = {
  help: 'Services are migrated in the order of what they need of each other. A second run that finds nothing to do is one query for each. Of a service with tenants, what they share comes first, then all of them; --source or --tenant means less.',
  options: [...placeOptions, ...tenantOptions, ...rolloutOptions, 'to', 'steps', 'order', 'atomic', 'dryRun', 'lockTimeout', 'lockWait', ...outputOptions],
  examples: [
    ['migrate up', 'everything that is pending'],
    ['migrate up --service patient --to 7', 'one service, up to and including version 0007'],
    ['migrate up --dry-run', 'what would run, with its SQL'],
    ['migrate up --dir ./migrations --url postgres://…', 'any folder, any server'],
    ['migrate up --service appointment --tenant clinic_a', 'one tenant of a service'],
    ['migrate up --service appointment --canary 5 --max-failures 20', 'what its tenants share, then five of them, then the others'],
    ['migrate up --dir … --url … --tenant-schemas "SELECT schema_name FROM tenants" --canary 5', 'each tenant’s schema, five of them first'],
    ['migrate up --wait 30s --json', 'in a container that starts beside its server'],
  ],
  async run(invocation) {
    const { to, steps, order, atomic, dryRun } = invocation.options;
    if (to !== undefined && steps !== undefined) throw new MigrationError({ code: 'invalidOptions', message: 'Give --to or --steps, not both.' });
    const selection = await selectServices(invocation);
    const scope = scopeOf(invocation.options, selection, 'both');
    if (to !== undefined) {
      refuseSeveral(scope, selection, `--to ${to}`);
      refuseTwoSources(scope, `--to ${to}`);
    }
    if (scope.kind === 'query') {
      const { upTenants } = await import('../fleet/command.ts');
      return upTenants(invocation, selection, scope);
    }
    if (dryRun === true) {
      const { planServices } = await import('../plan-services.ts');
      return planServices(invocation, selection, scope, { direction: 'up', to, steps, order }, 'whole');
    }
    const atomicity = atomic === true ? 'whole-plan' : 'per-migration';
    return runServices(invocation, selection, scope, {
      direction: 'up',
      to,
      shared: (migrator) => migrator.up({ to, steps, order, atomicity }),
      tenants: (fleet) => fleet.up({ to, steps, atomicity, ...limitsOf(invocation.options) }),
    });
  },
};
