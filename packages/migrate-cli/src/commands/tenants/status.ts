import type { CommandModule } from '../../commands.ts';
import { runForTenants, someTenants } from '../../fleet/keeper.ts';
import { outputOptions, placeOptions } from '../../options.ts';
import { command as status } from '../status.ts';

export const command: CommandModule = {
  argument: someTenants,
  help: 'The same as migrate status --source tenant. --tenant tells each migration of one, --verbose each tenant. It goes by the histories: that a tenant lost a table is found by migrate tenants verify.',
  options: [...placeOptions, 'tenant', 'concurrency', 'exitCode', ...outputOptions],
  examples: [
    ['migrate tenants status', 'thousands of tenants in a few lines'],
    ['migrate tenants status clinic_a', 'each migration of one'],
    ['migrate tenants status --exit-code', 'for scripts: exits 3 where anything is pending'],
  ],
  run: (invocation) => runForTenants(status, invocation),
};
