/** The tenants' part of a run over services. */

import { MigrationError, type FleetReport } from '@org/migrate-core';

import { toMigrationError } from '../connect-error.ts';
import { exit, exitCodeOf, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import type { Requirements } from '../requirements.ts';
import { heading } from '../render/text.ts';
import type { Work } from '../run.ts';
import type { Service } from '../service.ts';
import type { ServicesDocument } from './document.ts';
import { registryOrigin, tenancyOf } from './registry-list.ts';
import { endOf, noTenants, runFleet, tellError } from './run.ts';
import { ServiceFleet } from './service-fleet.ts';
import { preparationKeys, prepareSpares } from './spares.ts';
import { standingNow, type Standing } from './standing.ts';

/** How the tenants of one service came out. */
export interface TenantsResult {
  readonly service: string;
  readonly begun: boolean;
  readonly total: number;
  readonly report: FleetReport | null;
  readonly error: MigrationError | null;
  readonly code: ExitCode;
  /** Where they are afterwards; `null` when not known, or not asked. */
  readonly standing: Standing | null;
  /** What a document says of them behind the last one. */
  readonly end: Readonly<Record<string, unknown>>;
}

export function tenantsNotBegun({ name }: Service): TenantsResult {
  return { service: name, begun: false, total: 0, report: null, error: null, code: exit.done, standing: null, end: {} };
}

/** Never throws: what is wrong with one service's tenants is told, and is in the result. */
export async function runTenants(
  invocation: Invocation,
  service: Service,
  requirements: Requirements,
  document: ServicesDocument | null,
  { direction, tenants: work, to }: Work,
  afterwards: 'look' | 'done',
): Promise<TenantsResult> {
  const { output } = invocation;
  const base = { service: service.name, begun: true, total: 0, standing: null };
  try {
    const { requirements: ask } = requirements.hooks(service);
    const tenants = new ServiceFleet(invocation, service, await registryOrigin(invocation, service), { requirements: ask });
    const total = tenants.targets.length;
    const spares = async (): Promise<Readonly<Record<string, unknown>>> =>
      direction === 'down' || invocation.options.tenant !== undefined
        ? {}
        : preparationKeys(await prepareSpares(invocation, tenancyOf(invocation, service, { requirements: ask })));
    if (total === 0 || work === undefined) {
      output.line(heading(tenants.origin.label, await service.connection(), output.colours));
      output.line(`  ${await noTenants(tenants)}`);
      return { ...base, report: null, error: null, code: exit.done, end: { stopped: null, ...(await spares()) } };
    }
    if (to !== undefined) await refuseSlip(tenants, to);
    const { report, error, code } = await runFleet(invocation, tenants, direction, document, work);
    if (error !== null) tellError(invocation, error);
    const standing = afterwards === 'done' || error?.code === 'connection' ? null : await standingNow(tenants).catch(() => null);
    return { ...base, total, report, error, code, standing, end: { ...endOf(report, error), ...(code === exit.done ? await spares() : {}) } };
  } catch (thrown) {
    const error = toMigrationError(thrown);
    tellError(invocation, error);
    return { ...base, report: null, error, code: exitCodeOf(error, direction, invocation.stoppedBy()), end: endOf(null, error) };
  }
}

/** A version that the folder does not have would fail for every tenant: the first one tells. */
export async function refuseSlip(tenants: ServiceFleet, to: string): Promise<void> {
  const [plan] = await tenants.each(tenants.targets.slice(0, 1), (migrator) => migrator.plan({ direction: 'up', to }).catch(() => null));
  const problem = plan?.plan.problems.find((one) => one.code === 'unknownVersion');
  if (problem !== undefined) throw new MigrationError({ code: 'planRefused', message: problem.message, problems: [problem] });
}
