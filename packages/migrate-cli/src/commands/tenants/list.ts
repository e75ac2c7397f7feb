import type { Tenant, TenantStatus } from '@org/migrate-core';

import type { CommandModule } from '../../commands.ts';
import { exit } from '../../exit.ts';
import { findKeeper } from '../../fleet/keeper.ts';
import { leftOutLines } from '../../fleet/registry-list.ts';
import { outputOptions, placeOptions } from '../../options.ts';
import type { Colours, Paint } from '../../render/colour.ts';
import { tenantDocument } from '../../render/tenants.ts';
import { heading, plural, printable, printableText, time } from '../../render/text.ts';

export const command: CommandModule = {
  help: 'From the registry of the service; where each stands with its migrations is told by migrate tenants status, and whether its tables are still there by migrate tenants verify.',
  options: [...placeOptions, ...outputOptions],
  examples: [
    ['migrate tenants list', 'inside a service’s folder, or at the root where one service has tenants'],
    ['migrate tenants list --service appointment --json', 'for programs'],
  ],
  async run(invocation) {
    const { options, output } = invocation;
    const { service, tenancy, connection } = await findKeeper(invocation);
    const [tenants, leftOut] = await Promise.all([tenancy.list(), tenancy.leftOut()]);
    if (options.json === true) {
      // Where programs do not read: the document is about those that are there.
      for (const line of leftOutLines(leftOut, output.colours)) output.log(line);
      output.document(tenantDocument(service.name, tenants.map(listed)));
      return exit.done;
    }
    output.line(heading(`${service.name} tenants`, connection, output.colours));
    if (tenants.length > 0) for (const line of rows(tenants, output.colours)) output.line(line);
    if (tenants.length > 0 || leftOut === null) output.line(`  ${summary(tenants)}`);
    for (const line of leftOutLines(leftOut, output.colours)) output.line(`  ${line}`);
    return exit.done;
  },
};

function listed({ id, place, status, createdAt, updatedAt, failure }: Tenant): object {
  return { id, place, status, createdAt, updatedAt, failure };
}

/** By hand: thousands of rows would keep the maker of tables busy for seconds. */
function rows(tenants: readonly Tenant[], colours: Colours): string[] {
  const paint: Readonly<Record<TenantStatus, Paint>> = { active: colours.green, provisioning: colours.yellow, failed: colours.red, archived: colours.dim };
  const cells = tenants.map(({ id, place, status, updatedAt }) => [printable(id), printable(place), status, since(updatedAt)] as const);
  const widths = [0, 1, 2].map((column) =>
    Math.max(...['id', 'place', 'status'].slice(column, column + 1).map((head) => head.length), ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly [string, string, string, string], status: Paint): string =>
    `  ${row[0].padEnd(widths[0] ?? 0)}  ${row[1].padEnd(widths[1] ?? 0)}  ${status(row[2].padEnd(widths[2] ?? 0))}  ${row[3]}`.trimEnd();
  const told = tenants.flatMap((tenant, index) => {
    const row = cells[index];
    if (row === undefined) return [];
    return [
      line(row, paint[tenant.status]),
      ...(tenant.failure === null ? [] : [`    ${colours.red('✗')} ${printableText(tenant.failure).replaceAll('\n', '\n      ')}`]),
    ];
  });
  return [colours.dim(line(['id', 'place', 'status', 'since'], (text) => text)), ...told];
}

function since(at: Date | null): string {
  return at === null ? '' : time(at.toISOString());
}

function summary(tenants: readonly Tenant[]): string {
  if (tenants.length === 0) return 'no tenant yet; the first one is made with: migrate tenants create ID';
  const counts = (['active', 'provisioning', 'failed', 'archived'] as const).flatMap((status) => {
    const count = tenants.filter((one) => one.status === status).length;
    return count === 0 ? [] : [`${count} ${status}`];
  });
  return `${plural(tenants.length, 'tenant')}: ${counts.join(', ')}`;
}
