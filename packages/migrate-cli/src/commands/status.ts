import type { ChosenConnection } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { toMigrationError } from '../connect-error.ts';
import { exit, exitCodeOf, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { outputOptions, placeOptions, tenantOptions } from '../options.ts';
import type { ServiceStatus } from '../render/document.ts';
import { selectServices } from '../selection.ts';
import type { Service } from '../service.ts';
import { tenantsAsked } from '../tenants.ts';
import { printable } from '../render/text.ts';

export const command: CommandModule = {
  help: 'Reads only: no table is created, no lock is taken. With one service, each migration’s state; a migration that runs just now is shown with whom it waits for. Of tenants: how many are at which version; --tenant tells each migration of one, --verbose each tenant.',
  options: [...placeOptions, ...tenantOptions, 'concurrency', 'exitCode', ...outputOptions],
  examples: [
    ['migrate status', 'a table of all services'],
    ['migrate status --service patient', 'each migration of one'],
    ['migrate status --exit-code', 'for scripts: exits 3 where anything is pending'],
    ['migrate status --tenant-schemas "SELECT schema_name FROM tenants"', 'thousands of tenants in a few lines'],
    ['migrate status --json', 'for programs'],
  ],
  async run(invocation) {
    const { options, output } = invocation;
    const selection = await selectServices(invocation);
    if (tenantsAsked(options)) {
      const { statusOfTenants } = await import('../fleet/command.ts');
      return statusOfTenants(invocation, selection);
    }
    const { services } = selection;
    // One service that cannot be reached is an error; among several the others are still worth seeing.
    const found = await Promise.all(services.map((service) => read(service)));
    if (options.json === true) {
      const { statusDocument } = await import('../render/document.ts');
      output.document(statusDocument(found));
      for (const message of new Set(found.flatMap(({ error }) => (error === null ? [] : [error.message])))) output.log(printable(message));
    } else {
      const { renderStatus, renderStatuses } = await import('../render/table.ts');
      const [first] = found;
      if (first !== undefined && found.length === 1) {
        if (first.error !== null) throw first.error;
        output.line(renderStatus(first, output.colours));
      } else {
        output.line(renderStatuses(found, output.colours));
      }
      tellIgnored(invocation, found);
      if (services.length === 1 && first?.names.length === 0) {
        const { emptyFolder } = await import('../empty-folder.ts');
        output.line(await emptyFolder(services[0]?.migrations ?? null, invocation));
      }
    }
    return exitCode(invocation, found);
  },
};

async function read(service: Service): Promise<ServiceStatus> {
  const { definition, schema = definition.schema ?? 'public' } = service.input;
  let connection: ChosenConnection | null = null;
  let names: readonly string[] = [];
  try {
    connection = await service.connection();
    service.connector.begin();
    names = (await service.source.list()).migrations.map((one) => one.name);
    return { service: service.name, connection, schema, names, status: await service.migrator().status(), error: null };
  } catch (error) {
    return { service: service.name, connection, schema, names, status: null, error: toMigrationError(error) };
  } finally {
    await service.connector.abandon();
  }
}

function tellIgnored({ output }: Invocation, found: readonly ServiceStatus[]): void {
  for (const { status } of found) {
    for (const { path, reason } of status?.ignored ?? [])
      output.line(`${output.colours.yellow('!')} not a migration: ${printable(path)} (${printable(reason)})`);
  }
}

function exitCode(invocation: Invocation, found: readonly ServiceStatus[]): ExitCode {
  const error = found.find((one) => one.error !== null)?.error;
  if (error !== undefined && error !== null) return exitCodeOf(error, 'up', invocation.stoppedBy());
  if (invocation.options.exitCode !== true) return exit.done;
  if (found.some((one) => one.status?.problems.some((problem) => problem.severity === 'error' && problem.code !== 'outOfOrder') === true)) return exit.failed;
  const unfinished = found.some(({ status }) => status !== null && status.pending.length + status.interrupted.length > 0);
  return unfinished ? exit.pending : exit.done;
}
