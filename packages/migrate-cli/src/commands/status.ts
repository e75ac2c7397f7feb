import { sourceNames, type ChosenConnection, type MigrationError } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { toMigrationError } from '../connect-error.ts';
import { exit, exitCodeOf, type ExitCode } from '../exit.ts';
import type { Invocation, Output } from '../invocation.ts';
import { locatedProblems } from '../located.ts';
import { outputOptions, placeOptions, tenantOptions } from '../options.ts';
import type { ServiceStatus } from '../render/document.ts';
import type { StatusRow } from '../render/table.ts';
import { printable, printableText } from '../render/text.ts';
import { scopeOf } from '../scope.ts';
import { selectServices } from '../selection.ts';
import type { Service } from '../service.ts';

export const command: CommandModule = {
  help: 'Reads only: no table is created, no lock is taken. With one service, each migration’s state; a migration that runs just now is shown with whom it waits for. Of tenants: how many are at which version; --tenant tells each migration of one, --verbose each tenant.',
  options: [...placeOptions, ...tenantOptions, 'concurrency', 'exitCode', ...outputOptions],
  examples: [
    ['migrate status', 'a table of all services'],
    ['migrate status --service patient', 'each migration of one'],
    ['migrate status --exit-code', 'for scripts: exits 3 where anything is pending'],
    ['migrate status --service appointment --tenant clinic_a', 'each migration of one tenant'],
    ['migrate status --tenant-schemas "SELECT schema_name FROM tenants"', 'thousands of tenants in a few lines'],
    ['migrate status --json', 'for programs'],
  ],
  async run(invocation) {
    const { options, output } = invocation;
    const selection = await selectServices(invocation);
    const scope = scopeOf(options, selection, 'both');
    if (scope.kind === 'query' || options.tenant !== undefined || (scope.shared.length === 0 && scope.tenants.length === 1)) {
      const { statusOfTenants } = await import('../fleet/command.ts');
      return statusOfTenants(invocation, selection, scope);
    }
    const { services } = selection;
    const overviews = scope.tenants.length > 0 ? await import('../fleet/overviews.ts') : null;
    // One service that cannot be reached is an error; among several the others are still worth seeing.
    const found = await Promise.all(
      services
        .filter((service) => scope.shared.includes(service) || scope.tenants.includes(service))
        .map(async (service): Promise<StatusRow> => {
          const shared = scope.shared.includes(service) ? await read(service) : null;
          const asked = overviews !== null && scope.tenants.includes(service) && (shared === null || shared.error === null);
          return { shared, tenants: asked ? await overviews.overviewOf(invocation, service) : null };
        }),
    );
    const errors = found.flatMap(({ shared, tenants }) => [shared?.error ?? null, tenants?.error ?? null]).filter((one) => one !== null);
    if (options.json === true) {
      if (overviews === null) {
        const { statusDocument } = await import('../render/document.ts');
        output.document(statusDocument(found.flatMap((one) => one.shared ?? [])));
      } else overviews.writeStatus(invocation, found);
      for (const message of new Set(errors.map((one) => one.message))) output.log(printableText(message));
    } else {
      const { renderStatus, renderStatuses } = await import('../render/table.ts');
      const [first] = found;
      if (first?.shared != null && found.length === 1) {
        if (first.shared.error !== null) throw first.shared.error;
        output.line(renderStatus(withLocated(first.shared, services, output), output.colours));
        if (first.tenants?.error != null) throw first.tenants.error;
        overviews?.tellOne(invocation, first);
      } else {
        output.line(
          renderStatuses(
            found.map((one) => ({ ...one, shared: one.shared && withLocated(one.shared, services, output) })),
            output.colours,
          ),
        );
        overviews?.tellTroubles(invocation, found);
      }
      tellIgnored(invocation, found);
      if (found.length === 1 && first?.shared?.names.length === 0) {
        const { emptyFolder } = await import('../empty-folder.ts');
        output.line(await emptyFolder(services[0]?.migrations ?? null, invocation));
      }
    }
    return exitCode(
      invocation,
      found.flatMap((one) => one.shared ?? []),
      errors,
      overviews?.exitCodeOf(invocation, found) ?? exit.done,
    );
  },
};

async function read(service: Service): Promise<ServiceStatus> {
  const { definition, schema = definition.schema ?? 'public' } = service.input;
  let connection: ChosenConnection | null = null;
  let names: readonly string[] = [];
  try {
    connection = await service.connection();
    service.connector.begin();
    names = sourceNames(await service.source.list());
    return { service: service.name, connection, schema, names, status: await service.migrator().status(), error: null };
  } catch (error) {
    return { service: service.name, connection, schema, names, status: null, error: toMigrationError(error) };
  } finally {
    await service.connector.abandon();
  }
}

function withLocated(shared: ServiceStatus, services: readonly Service[], { located }: Output): ServiceStatus {
  const about = services.find((one) => one.name === shared.service)?.about;
  return shared.status === null
    ? shared
    : { ...shared, status: { ...shared.status, problems: locatedProblems(shared.status.problems, (text) => located(text, about)) } };
}

function tellIgnored({ output }: Invocation, found: readonly StatusRow[]): void {
  for (const { shared } of found) {
    for (const { path, reason } of shared?.status?.ignored ?? [])
      output.line(`${output.colours.yellow('!')} not a migration: ${printable(path)} (${printable(reason)})`);
  }
}

/** @param ofTenants What the tenants alone would make it. */
function exitCode(invocation: Invocation, found: readonly ServiceStatus[], errors: readonly MigrationError[], ofTenants: ExitCode): ExitCode {
  const [error] = errors;
  if (error !== undefined) return exitCodeOf(error, 'up', invocation.stoppedBy());
  if (ofTenants !== exit.done && ofTenants !== exit.pending) return ofTenants;
  if (invocation.options.exitCode !== true) return exit.done;
  if (found.some((one) => one.status?.problems.some((problem) => problem.severity === 'error' && problem.code !== 'outOfOrder') === true)) return exit.failed;
  const unfinished = found.some(({ status }) => status !== null && status.pending.length + status.interrupted.length > 0);
  return unfinished ? exit.pending : ofTenants;
}
