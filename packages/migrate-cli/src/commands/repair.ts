import { MigrationError, type RepairReport } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { confirm, effects } from '../confirm.ts';
import { exit } from '../exit.ts';
import type { Output } from '../invocation.ts';
import { listOf, outputOptions, placeOptions, tenantOptions, type Options } from '../options.ts';
import { heading, printable } from '../render/text.ts';
import { scopeOf } from '../scope.ts';
import { onlyService, selectServices } from '../selection.ts';
import type { Service } from '../service.ts';

export const command: CommandModule = {
  argument: { name: 'versions', description: 'of migrations whose files were changed after they were applied, and are right as they are', need: 'optional' },
  help: 'Changes the history alone, never the schema; every change stands in the log. What is marked as applied takes its place in the source’s order: down goes on with the newest. Lists of versions have commas between. A service with tenants has two sources: --source says whose history it is, --tenant means the tenants’. Asks on a terminal, and needs --yes without one.',
  options: [...placeOptions, ...tenantOptions, 'markApplied', 'markUndone', 'lockWait', 'yes', 'allowProduction', ...outputOptions],
  examples: [
    ['migrate repair 0002', 'accept the file of 0002 as it is now'],
    ['migrate repair --mark-applied 0003', 'its work was done by hand, or had been done before an interruption'],
    ['migrate repair --mark-undone 0003', 'its work was taken away by hand, or had not been done'],
    ['migrate repair 0002 --service appointment --tenant clinic_a', 'of one tenant; of all of them with --source tenant'],
    ['migrate repair --mark-undone 0003_old --mark-applied 0003_new', 'a file that got another name'],
  ],
  async run(invocation) {
    const { options, output, argument } = invocation;
    const accept = argument === null ? [] : listOf('repair', argument);
    const { markApplied = [], markUndone = [] } = options;
    if (accept.length + markApplied.length + markUndone.length === 0) {
      throw new MigrationError({
        code: 'invalidOptions',
        message: 'A repair says what to repair.',
        hint: 'migrate repair VERSION accepts a changed file; or give --mark-applied VERSION, --mark-undone VERSION',
      });
    }
    const selection = await selectServices(invocation);
    const scope = scopeOf(options, selection, 'refuse');
    if (scope.kind === 'query' || scope.tenants.length > 0) {
      const { repairTenants } = await import('../fleet/repair.ts');
      return repairTenants(invocation, selection, scope, { accept, markApplied, markUndone }, clause(accept, options));
    }
    const service = onlyService(selection, 'A repair is of');
    await confirm(invocation, selection, 'always', { what: clause(accept, options), effect: effects.repair, announced: 'withQuestion' });
    const connection = await service.connection();
    const report = await service
      .migrator({ signal: invocation.signal, ...(options.lockWait === undefined ? {} : { waitLimitMs: options.lockWait }) })
      .repair({ accept, markApplied, markUndone });
    if (options.json === true) {
      const { repairDocument } = await import('../render/document.ts');
      output.document(repairDocument(service.name, connection, report));
      return exit.done;
    }
    output.line(heading(service.name, connection, output.colours));
    tell(output, service, report);
    return exit.done;
  },
};

function clause(accept: readonly string[], { markUndone = [], markApplied = [] }: Options): string {
  return [
    ...(accept.length > 0 ? [`accept ${accept.join(', ')} as the files are now`] : []),
    ...(markUndone.length > 0 ? [`mark ${markUndone.join(', ')} as undone`] : []),
    ...(markApplied.length > 0 ? [`mark ${markApplied.join(', ')} as applied`] : []),
  ].join(', ');
}

function tell(output: Output, { about }: Service, { accepted, markedApplied, markedUndone }: RepairReport): void {
  const { colours } = output;
  for (const name of accepted) output.line(`  ${colours.green('✓')} ${printable(name)}: accepted as its file is now`);
  for (const name of markedUndone) output.line(`  ${colours.yellow('↶')} ${printable(name)}: marked as undone`);
  for (const name of markedApplied) output.line(`  ${colours.green('✓')} ${printable(name)}: marked as applied`);
  output.line(output.located('  Only the history was changed. See where it stands with: migrate status', about));
}
