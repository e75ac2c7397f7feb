import type { CommandModule } from '../../commands.ts';
import { runForTenants, someTenants } from '../../fleet/keeper.ts';
import { outputOptions, placeOptions } from '../../options.ts';
import { command as verify } from '../verify.ts';

export const command: CommandModule = {
  argument: someTenants,
  help: 'The same as migrate verify --source tenant. Tenants with the same findings are told together; --verbose names each of them.',
  options: [...placeOptions, 'tenant', 'concurrency', 'allowProduction', ...outputOptions],
  examples: [
    ['migrate tenants verify', 'all of them: exits 4 when only some have errors'],
    ['migrate tenants verify clinic_a', 'one of them'],
  ],
  run: (invocation) => runForTenants(verify, invocation),
};
