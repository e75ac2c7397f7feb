import { MigrationError } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { confirm } from '../confirm.ts';
import { outputOptions, placeOptions, rolloutOptions, tenantOptions } from '../options.ts';
import { runServices } from '../run.ts';
import { selectServices } from '../selection.ts';
import { tenantsAsked } from '../tenants.ts';

export const command: CommandModule = {
  help: 'Of several services the one that needs the others comes first. What another service still requires is not undone. One service in development is undone without asking; several, and anything in production, ask, or need --yes. Of tenants, those whom it would touch are counted first; more than one ask as well.',
  options: [
    ...placeOptions,
    ...tenantOptions,
    ...rolloutOptions,
    'steps',
    'to',
    'only',
    'atomic',
    'dryRun',
    'lockTimeout',
    'lockWait',
    'yes',
    'allowProduction',
    ...outputOptions,
  ],
  examples: [
    ['migrate down', 'undo the last migration'],
    ['migrate down --service patient --steps 3', 'undo the last three of one service'],
    ['migrate down --to 0004', 'undo everything above 0004'],
    ['migrate down --only 0006', 'just that one, if nothing above needs it'],
    ['migrate down --to 0004 --tenant-schemas "SELECT schema_name FROM tenants"', 'in every tenant’s schema'],
    ['migrate down --dry-run', 'what would be undone, with its SQL'],
  ],
  async run(invocation) {
    const { to, steps, only, atomic, dryRun } = invocation.options;
    const given = [to === undefined ? null : '--to', steps === undefined ? null : '--steps', only === undefined ? null : '--only'].filter(
      (one) => one !== null,
    );
    if (given.length > 1) throw new MigrationError({ code: 'invalidOptions', message: `Give one of --steps, --to and --only, not ${given.join(' and ')}.` });
    const selection = await selectServices(invocation);
    const version = to ?? only;
    if (version !== undefined && selection.services.length > 1) {
      throw new MigrationError({ code: 'invalidOptions', message: `${given[0] ?? ''} ${version} is a version of one service: add --service to say which.` });
    }
    const what =
      only !== undefined
        ? `undo ${only}`
        : to !== undefined
          ? `undo everything above ${to}`
          : steps === undefined || steps === 1
            ? 'undo the last migration'
            : `undo the last ${steps} migrations`;
    if (tenantsAsked(invocation.options)) {
      const { downTenants } = await import('../fleet/command.ts');
      return downTenants(invocation, selection, what);
    }
    if (dryRun === true) {
      const { planServices } = await import('../plan-services.ts');
      return planServices(invocation, selection, { direction: 'down', to, steps, only }, 'whole');
    }
    await confirm(invocation, selection, 'severalOnly', what);
    return runServices(invocation, selection, 'down', (migrator) =>
      migrator.down({ to, steps, only, atomicity: atomic === true ? 'whole-plan' : 'per-migration' }),
    );
  },
};
