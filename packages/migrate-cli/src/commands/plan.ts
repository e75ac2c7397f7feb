import { MigrationError } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { outputOptions, placeOptions, tenantOptions } from '../options.ts';
import { planServices } from '../plan-services.ts';
import { refuseSeveral, refuseTwoSources, scopeOf } from '../scope.ts';
import { selectServices } from '../selection.ts';

export const command: CommandModule = {
  help: 'Every pending migration is parsed and shown in the order in which it would run, across services. Writes nothing. --verbose adds the SQL. Tenants with the same history are planned together.',
  options: [...placeOptions, ...tenantOptions, 'concurrency', 'down', 'to', 'steps', 'only', 'order', ...outputOptions],
  examples: [
    ['migrate plan', 'what migrate up would run'],
    ['migrate plan --verbose', 'and its SQL'],
    ['migrate plan --down --steps 2', 'what migrate down --steps 2 would run'],
    ['migrate plan --source tenant', 'for the tenants of the services that have some'],
    ['migrate plan --json', 'for a deployment’s record'],
  ],
  async run(invocation) {
    const { down, to, steps, only, order, verbose } = invocation.options;
    const fail = (message: string): never => {
      throw new MigrationError({ code: 'invalidOptions', message });
    };
    if ([to, steps, only].filter((one) => one !== undefined).length > 1) fail('Give one of --steps, --to and --only.');
    if (only !== undefined && down !== true) fail('--only belongs to a down: add --down.');
    if (order !== undefined && down === true) fail('--order belongs to an up: a down has no order to choose.');
    const selection = await selectServices(invocation);
    const scope = scopeOf(invocation.options, selection, down === true ? 'refuse' : 'both');
    const version = to ?? only;
    if (version !== undefined) {
      const flag = `${to === undefined ? '--only' : '--to'} ${version}`;
      refuseSeveral(scope, selection, flag);
      refuseTwoSources(scope, flag);
    }
    const request = down === true ? ({ direction: 'down', to, steps, only } as const) : ({ direction: 'up', to, steps, order } as const);
    const sql = verbose === true ? 'whole' : 'none';
    if (scope.kind === 'query') {
      const { planTenants } = await import('../fleet/command.ts');
      return planTenants(invocation, selection, scope, request, sql);
    }
    return planServices(invocation, selection, scope, request, sql);
  },
};
