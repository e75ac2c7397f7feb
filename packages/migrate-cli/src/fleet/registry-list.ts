/** Which tenants a service keeps itself: those of its registry, looked at before anything is touched. */

import { MigrationError, type Tenancy, type TenancyOptions, type Tenant, type TenantsLeftOut, inQuotes } from '@org/migrate-core';

import type { Invocation } from '../invocation.ts';
import { nearestWord } from '../nearest-word.ts';
import type { Colours } from '../render/colour.ts';
import type { Service } from '../service.ts';
import { commaHint } from './hint.ts';
import type { Asked, TenantOrigin } from './service-fleet.ts';

/** The active tenants, narrowed by `--tenant`; none where there is no registry yet. Throws `invalidOptions` for an id that is not active. */
export async function registryOrigin(invocation: Invocation, service: Service): Promise<TenantOrigin> {
  const tenancy = tenancyOf(invocation, service);
  const [all, leftOut] = await Promise.all([tenancy.list(), tenancy.leftOut()]);
  const wanted = invocation.options.tenant ?? null;
  const active = new Map(all.filter((one) => one.status === 'active').map((one) => [one.id, one]));
  if (wanted !== null) refuseOthers(wanted, all, service);
  const chosen = wanted === null ? [...active.values()] : wanted.flatMap((id) => active.get(id) ?? []);
  return {
    label: `${service.name} tenants`,
    source: service.tenants?.source ?? service.source,
    targets: chosen.map((one) => tenancy.target(one)),
    scriptsSchema: service.history.schema ?? service.input.schema ?? service.input.definition.schema,
    flags: '',
    registry: { tenancy, others: all.filter((one) => one.status !== 'active'), leftOut },
  };
}

/** Throws `invalidOptions` for a service that keeps no tenants. @param asked What other services have applied. */
export function tenancyOf(invocation: Invocation, service: Service, asked: Asked & Pick<TenancyOptions, 'onEvent'> = {}): Tenancy {
  const { lockTimeout, lockWait } = invocation.options;
  const tenancy = service.tenancy({
    signal: invocation.signal,
    ...asked,
    ...(lockTimeout === undefined ? {} : { lockTimeoutMs: lockTimeout }),
    ...(lockWait === undefined ? {} : { waitLimitMs: lockWait, retryLimitMs: lockWait }),
  });
  if (tenancy !== null) return tenancy;
  throw new MigrationError({
    code: 'invalidOptions',
    message: `${service.name} keeps no tenants: its configuration has no tenancy.`,
    hint: 'say in migrate.config.ts how it keeps them: tenancy: { mode, migrations }',
  });
}

/** Lines about tenants that are neither migrated nor served, since they have another kind of place than the configuration says. */
export function leftOutLines(leftOut: TenantsLeftOut | null, colours: Colours): readonly string[] {
  return leftOut === null ? [] : [`${colours.yellow('!')} ${leftOut.message}`, `  ${colours.cyan('→')} ${leftOut.hint}`];
}

/**
 * @param all Of any status.
 * @param hint What to do about it, where that is known.
 */
export function unknownTenant(id: string, all: readonly Tenant[], service: Service, hint: string | null = null): MigrationError {
  const near = nearestWord(
    id,
    all.map((one) => one.id),
  );
  return new MigrationError({
    code: 'invalidOptions',
    message: `${service.name} has no tenant ${JSON.stringify(shortened(id))}.${near === null ? '' : ` Did you mean ${JSON.stringify(near)}?`}`,
    hint: hint ?? (near === null ? 'migrate tenants list shows them' : undefined),
  });
}

function refuseOthers(wanted: readonly string[], all: readonly Tenant[], service: Service): void {
  const known = new Map(all.map((one) => [one.id, one]));
  for (const id of wanted) {
    const tenant = known.get(id);
    if (tenant === undefined) throw unknownTenant(id, all, service, commaHint(wanted, [...known.keys()]));
    if (tenant.status === 'active') continue;
    const go = `${tenant.status === 'archived' ? 'bring it back with: migrate tenants restore' : 'go on with: migrate tenants create'} ${inQuotes(id)}`;
    throw new MigrationError({
      code: 'invalidOptions',
      message: `The tenant ${JSON.stringify(shortened(id))} of ${service.name} ${WHY_NOT[tenant.status]}.`,
      hint: go,
    });
  }
}

const WHY_NOT = {
  active: 'is active',
  provisioning: 'is not whole yet: somebody makes it, or was stopped while making it',
  failed: 'is not whole: making it failed',
  archived: 'is archived: it is migrated no more',
} as const;

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
