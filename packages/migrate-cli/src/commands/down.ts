import { MigrationError } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { confirm, effects } from '../confirm.ts';
import { outputOptions, placeOptions, rolloutOptions, tenantOptions } from '../options.ts';
import { runServices } from '../run.ts';
import { refuseSeveral, scopeOf } from '../scope.ts';
import { selectServices } from '../selection.ts';
import { namesToUndo } from '../undone-names.ts';

export const command: CommandModule = {
  help: 'Of several services the one that needs the others comes first. What another service still requires is not undone. One step of one service in development, on a server of this machine, is undone without asking; everything else asks, or needs --yes: more steps, --to, several services, tenants, another server, production. A service with tenants has two sources: --source says which is undone, --tenant means the tenants’. The question names the migrations; of tenants, what would be undone and in how many is said first.',
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
    ['migrate down --service appointment --source tenant --to 0004', 'in every tenant of a service that has some'],
    ['migrate down --service appointment --tenant clinic_a', 'the last one of one tenant'],
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
    const scope = scopeOf(invocation.options, selection, 'refuse');
    const version = to ?? only;
    if (version !== undefined) refuseSeveral(scope, selection, `${given[0] ?? ''} ${version}`);
    const what =
      only !== undefined
        ? `undo ${only}`
        : to !== undefined
          ? `undo everything above ${to}`
          : steps === undefined || steps === 1
            ? 'undo the last migration'
            : `undo the last ${steps} migrations`;
    if (scope.kind === 'query' || scope.tenants.length > 0) {
      const { downTenants } = await import('../fleet/command.ts');
      return downTenants(invocation, selection, scope, what);
    }
    if (dryRun === true) {
      const { planServices } = await import('../plan-services.ts');
      return planServices(invocation, selection, scope, { direction: 'down', to, steps, only }, 'whole');
    }
    const caution = to === undefined && (steps ?? 1) === 1 ? 'unlessLocal' : 'always';
    const exactly = async (): Promise<string | null> => {
      const names = await namesToUndo(selection.services, { direction: 'down', to, steps, only });
      return names === null ? null : `undo ${names}`;
    };
    await confirm(invocation, selection, caution, { what, exactly, effect: effects.down, announced: 'withQuestion' });
    const atomicity = atomic === true ? 'whole-plan' : 'per-migration';
    return runServices(invocation, selection, scope, { direction: 'down', shared: (migrator) => migrator.down({ to, steps, only, atomicity }) });
  },
};
