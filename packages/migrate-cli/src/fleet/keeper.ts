/** The one service whose tenants a command of the group `tenants` is about. */

import { MigrationError, type ChosenConnection, type Tenancy } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import type { ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { Requirements } from '../requirements.ts';
import { selectServices, type Selection } from '../selection.ts';
import type { Service } from '../service.ts';
import { tenancyOf } from './registry-list.ts';

export interface Keeper {
  readonly service: Service;
  /** Of this service alone. */
  readonly selection: Selection;
  readonly tenancy: Tenancy;
  readonly connection: ChosenConnection;
}

/** Ids that were typed as words are those of `--tenant`. */
export function withWords(invocation: Invocation): Invocation {
  const { options, words } = invocation;
  return words.length === 0 ? invocation : { ...invocation, options: { ...options, tenant: [...new Set([...(options.tenant ?? []), ...words])] } };
}

/** What `command` does with the tenants of the one service that keeps any. */
export async function runForTenants(command: CommandModule, given: Invocation): Promise<ExitCode> {
  const invocation = withWords(given);
  const { service } = await findKeeper(invocation);
  return command.run({ ...invocation, options: { ...invocation.options, service: [service.name], source: 'tenant' } });
}

/** What commands about some of the tenants take. */
export const someTenants = { name: 'id', description: 'of a tenant, as with --tenant; default: all', need: 'optional', count: 'several' } as const;

/** Throws `invalidOptions` where no service, or more than one, keeps tenants. */
export async function findKeeper(invocation: Invocation): Promise<Keeper> {
  if (invocation.options.dir !== undefined)
    throw fail(
      'A folder of migrations keeps no tenants: --dir does not go with the tenants of a service.',
      'run it where a migrate.config.ts has tenancy. Tenants that something else makes are migrated with: migrate up --dir … --tenant-schemas "SELECT …"',
    );
  const selection = await selectServices(invocation);
  const keepers = selection.services.filter((one) => one.tenants !== null);
  const [service] = keepers;
  if (service === undefined) {
    const names = selection.services.map((one) => one.name).join(', ');
    throw fail(
      selection.services.length === 1 ? `${names} keeps no tenants: its configuration has no tenancy.` : `None of these services keeps tenants: ${names}.`,
      'say in migrate.config.ts how it keeps them: tenancy: { mode, migrations }',
    );
  }
  if (keepers.length > 1) throw fail(`Several services keep tenants (${keepers.map((one) => one.name).join(', ')}): add --service to say which.`);
  const { requirements } = new Requirements(selection, (text) => invocation.output.log(text)).hooks(service);
  const tenancy = tenancyOf(invocation, service, { requirements });
  return { service, selection: { ...selection, services: [service] }, tenancy, connection: await service.connection() };
}

function fail(message: string, hint?: string): MigrationError {
  return new MigrationError({ code: 'invalidOptions', message, hint });
}
