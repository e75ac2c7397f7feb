/** The tenants' part of a status over services. Reads only. */

import { toMigrationError } from '../connect-error.ts';
import { exit, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { statusTarget } from '../render/document.ts';
import type { StatusRow } from '../render/table.ts';
import type { Service } from '../service.ts';
import { ServicesDocument } from './document.ts';
import { registryOrigin } from './registry-list.ts';
import { ServiceFleet } from './service-fleet.ts';
import { renderFleetStatus, renderRegistry, renderTroublesOfTenants } from './status-table.ts';
import { addOverview, exitCodeOfOverview, readOverview, registryKeys, styleOf, type FleetOverview, type KnownOverview } from './status.ts';

/** Never throws: what could not be learned is in it. */
export async function overviewOf(invocation: Invocation, service: Service): Promise<FleetOverview> {
  try {
    return await readOverview(invocation, new ServiceFleet(invocation, service, await registryOrigin(invocation, service)));
  } catch (error) {
    const connection = await service.connection().catch(() => null);
    const nothing = { tenants: null, status: null, lastFailures: [], notAsked: 0, strays: null, spares: null };
    return { ...nothing, service: service.name, connection, error: toMigrationError(error) };
  }
}

/** The shared target of each service first, then one for each tenant. */
export function writeStatus(invocation: Invocation, rows: readonly StatusRow[]): void {
  const document = new ServicesDocument(invocation.output);
  for (const { shared, tenants } of rows) {
    document.begin(shared?.service ?? tenants?.service ?? '');
    if (shared !== null) document.add(statusTarget(shared));
    if (isKnown(tenants)) addOverview(document, tenants);
    // One that says why, where not even the list of tenants could be had.
    else if (tenants !== null) document.add(statusTarget({ ...tenants, status: null, schema: 'public', names: [] }));
    document.close(tenants === null ? {} : registryKeys(tenants));
  }
  document.end();
}

/** Under the status of the service's own database. */
export function tellOne(invocation: Invocation, { tenants }: StatusRow): void {
  if (!isKnown(tenants)) return;
  invocation.output.line();
  invocation.output.line(renderFleetStatus(tenants, styleOf(invocation, tenants.tenants, invocation.cwd)));
}

/** Under the table of services: what is wrong with whom. */
export function tellTroubles(invocation: Invocation, rows: readonly StatusRow[]): void {
  for (const { tenants } of rows) {
    if (!isKnown(tenants)) continue;
    for (const line of [
      ...renderTroublesOfTenants({ ...tenants, failures: tenants.status.failures }, styleOf(invocation, tenants.tenants, invocation.cwd)),
      ...renderRegistry(tenants.tenants.origin.registry, tenants.strays, invocation.output.colours),
    ])
      invocation.output.line(line);
  }
}

/** The gravest of them. */
export function exitCodeOf(invocation: Invocation, rows: readonly StatusRow[]): ExitCode {
  const codes = rows.flatMap(({ tenants }) => (isKnown(tenants) ? [exitCodeOfOverview(invocation, tenants)] : []));
  return [exit.failed, exit.someTenantsFailed, exit.pending].find((code) => codes.includes(code)) ?? exit.done;
}

function isKnown(tenants: FleetOverview | null): tenants is KnownOverview {
  return tenants !== null && tenants.status !== null;
}
