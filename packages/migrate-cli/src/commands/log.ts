import type { CommandModule } from '../commands.ts';
import { exit } from '../exit.ts';
import { outputOptions, placeOptions, tenantOptions } from '../options.ts';
import type { ServiceLog } from '../render/document.ts';
import { scopeOf } from '../scope.ts';
import { selectServices } from '../selection.ts';

export const command: CommandModule = {
  help: 'From the append-only log beside the history: every up, down, failure and repair, newest first. Of a service with tenants, what they share; --source tenant, or --tenant, tells what was done to them.',
  options: [...placeOptions, ...tenantOptions, 'limit', ...outputOptions],
  examples: [
    ['migrate log', 'the last 50 entries of each service'],
    ['migrate log --service patient --limit 5', 'the last five of one'],
    ['migrate log --service appointment --tenant clinic_a', 'of one tenant'],
    ['migrate log --json', 'for programs'],
  ],
  async run(invocation) {
    const { options, output } = invocation;
    const selection = await selectServices(invocation);
    const scope = scopeOf(options, selection, 'shared');
    if (scope.kind === 'query' || scope.tenants.length > 0) {
      const { logOfTenants } = await import('../fleet/log.ts');
      return logOfTenants(invocation, selection, scope);
    }
    const { services } = selection;
    const logs = await Promise.all(
      services.map(async (service): Promise<ServiceLog> => {
        const connection = await service.connection();
        return { service: service.name, connection, entries: await service.migrator().log(options.limit) };
      }),
    );
    if (options.json === true) {
      const { logDocument } = await import('../render/document.ts');
      output.document(logDocument(logs));
    } else {
      const { renderLog } = await import('../render/log.ts');
      output.line(logs.map((one) => renderLog(one, output.colours)).join('\n\n'));
    }
    return exit.done;
  },
};
