/** An archived tenant comes back, under its lock: its place gets its old name together with what the registry says. */

import type { Session } from '../session.ts';
import { identifier, literal } from '../sql.ts';
import type { Tenant } from '../tenancy.ts';
import { again } from './again.ts';
import { tenantError, type TenancyContext } from './context.ts';
import { databaseOid, endSessions, IN_USE } from './database.ts';
import { lostTenant, refuseLost } from './lost-place.ts';
import { formerPlace, invalidTenant, placeOf } from './place.ts';
import { publicTenant, type RegisteredTenant } from './registry.ts';
import { schemaOid } from './schema-place.ts';
import { withTenantLock } from './tenant-lock.ts';

/** SQLSTATE: there is one of that name. */
const EXIST: readonly string[] = ['42P06', '42P04', '23505'];

export async function restoreTenant(context: TenancyContext, id: string): Promise<Tenant> {
  const { registry } = context;
  return withTenantLock<Tenant>(context, id, {
    look: async (guardian) => {
      const tenant = await registry.require(guardian, id);
      if (tenant.status === 'active') await refuseLost(context, guardian, tenant);
      // What was never whole, and so came back as `failed`, has been brought back all the same.
      if (tenant.status === 'provisioning')
        throw invalidTenant(id, 'it is not archived: somebody makes it, or was stopped while making it', 'create it: that goes on');
      return tenant;
    },
    settled: (tenant) => (tenant.status === 'archived' ? null : publicTenant(tenant)),
    work: async (guardian, tenant) => {
      const admin = await context.open(null);
      try {
        await bringBack(context, admin, tenant);
      } catch (error) {
        throw tenantError(id, 'restored', error);
      } finally {
        await admin.close();
      }
      return publicTenant((await registry.find(guardian, id)) ?? tenant);
    },
  });
}

async function bringBack(context: TenancyContext, admin: Session, tenant: RegisteredTenant): Promise<void> {
  const { registry, options, layout } = context;
  const { id, place: archive } = tenant;
  const reserved = layout.kind === 'schema' ? [layout.schema, layout.extensionsSchema] : [];
  const place = formerPlace(archive, () => placeOf(id, layout.kind, options.tenancy.place, reserved));
  const lost = await lostTenant(context, admin, tenant);
  if (lost !== null) throw lost.error;
  if (place !== archive) await refuseTaken(context, admin, id, place);
  // What was put away before it was whole is gone on with by creating it. One that somebody registered by hand has neither of the two.
  const status =
    tenant.madeBy === null && tenant.madeAs !== null
      ? `status = 'failed', failure = 'it was put away before it was whole'`
      : `status = 'active', failure = NULL`;
  const change = registry.change(id, `${status}, place = ${literal(place)}, transit = NULL`, `status = 'archived' AND place = ${literal(archive)}`);
  const statements = [
    'BEGIN',
    ...(place === archive ? [] : [`ALTER ${layout.kind.toUpperCase()} ${identifier(archive)} RENAME TO ${identifier(place)}`]),
    ...rights(context, place),
    change,
    'COMMIT',
  ];
  const rename = async (): Promise<void> => {
    if (layout.kind === 'database' && place !== archive) await endSessions(admin, archive, options.signal);
    const result = await admin.run(statements.join(';\n'));
    if (result.kind === 'done') return;
    if (result.kind === 'failed' && EXIST.includes(result.error.code ?? '')) throw taken(id, layout.kind, place);
    throw result.error;
  };
  await again(rename, [IN_USE], options.signal);
}

/** Of the application's role, as a new tenant's place gives them. */
function rights({ options: { applicationRole: role }, layout }: TenancyContext, place: string): readonly string[] {
  if (layout.kind === 'schema') return role === undefined ? [] : [`GRANT USAGE ON SCHEMA ${identifier(place)} TO ${identifier(role)}`];
  return [
    `ALTER DATABASE ${identifier(place)} ALLOW_CONNECTIONS true`,
    ...(role === undefined ? [] : [`GRANT CONNECT ON DATABASE ${identifier(place)} TO ${identifier(role)}`]),
  ];
}

async function refuseTaken({ registry, layout }: TenancyContext, admin: Session, id: string, place: string): Promise<void> {
  const oid = await (layout.kind === 'schema' ? schemaOid : databaseOid)(admin, place);
  if (oid !== null || (await registry.holderOf(admin, place)) !== null) throw taken(id, layout.kind, place);
}

function taken(id: string, kind: 'schema' | 'database', place: string): Error {
  return invalidTenant(
    id,
    `it would come back as the ${kind} ${JSON.stringify(place)}, and there is one of that name already; nothing was changed`,
    `rename what is there, and restore it then`,
  );
}
