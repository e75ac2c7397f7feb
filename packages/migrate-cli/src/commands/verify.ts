import type { CommandModule } from '../commands.ts';
import { outputOptions, placeOptions, tenantOptions } from '../options.ts';
import { scopeOf } from '../scope.ts';
import { selectServices } from '../selection.ts';

export const command: CommandModule = {
  help: `Whether every database is what its history says: files that were changed, objects that differ from what the applied migrations make (they
are applied again to a scratch database of the same server, which is dropped at the end), who else may write the history, required
tables; and whether row-level security holds, where the configuration says how the service uses it: by rules, and by trying with two
tenants in transactions that are rolled back. Run it as the role that migrates.`,
  options: [...placeOptions, ...tenantOptions, 'concurrency', 'allowProduction', ...outputOptions],
  examples: [
    ['migrate verify', 'every service, and all of their tenants'],
    ['migrate verify --service patient --json', 'one of them, for a program'],
    ['migrate verify --service appointment --tenant clinic_a', 'one tenant'],
    ['migrate verify --dir ./migrations --tenant-schemas "SELECT schema_name FROM tenants"', 'tenants that something else makes'],
  ],
  async run(invocation) {
    const selection = await selectServices(invocation);
    const scope = scopeOf(invocation.options, selection, 'both');
    const { verifyScope } = await import('../verification/run.ts');
    return verifyScope(invocation, selection, scope);
  },
};
