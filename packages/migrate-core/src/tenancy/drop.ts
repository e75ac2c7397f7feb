/** The end of a tenant, under its lock. */

import type { Session } from '../session.ts';
import type { DroppedTenant } from '../tenancy.ts';
import { tenantError, type TenancyContext } from './context.ts';
import { databaseOid } from './database.ts';
import { archiveDatabase, deleteDatabase } from './database-place.ts';
import { identifier, literal } from '../sql.ts';
import { lostTenant } from './lost-place.ts';
import { publicTenant, runDone, type RegisteredTenant } from './registry.ts';
import { archiveSchema, deleteSchema, schemaOid } from './schema-place.ts';
import { withTenantLock } from './tenant-lock.ts';

type Mode = 'archive' | 'delete';

export async function dropTenant(context: TenancyContext, id: string, mode: Mode): Promise<DroppedTenant> {
  const { registry } = context;
  return withTenantLock<DroppedTenant>(context, id, {
    look: (guardian) => registry.require(guardian, id),
    settled: (tenant) =>
      mode === 'archive' && tenant.status === 'archived' && tenant.transit === null ? { ...publicTenant(tenant), outcome: 'archived' } : null,
    work: async (guardian, tenant) => {
      let outcome: DroppedTenant['outcome'];
      try {
        outcome = await end(context, tenant, mode);
      } catch (error) {
        throw tenantError(id, mode === 'archive' ? 'archived' : 'deleted', error);
      }
      const now = outcome === 'archived' ? await registry.find(guardian, id) : null;
      return { ...publicTenant(now ?? tenant), outcome };
    },
  });
}

async function end(context: TenancyContext, tenant: RegisteredTenant, mode: Mode): Promise<DroppedTenant['outcome']> {
  const { registry, layout } = context;
  const admin = await context.open(null);
  try {
    const { id, place, madeAs, transit, status } = tenant;
    const oid = await (layout.kind === 'schema' ? schemaOid(admin, place) : databaseOid(admin, place));
    // What was never whole is its own only if it is the very one that was made for it.
    const whole = status === 'active' || status === 'archived';
    const lost = whole && oid !== madeAs ? await lostTenant(context, admin, tenant) : null;
    if (oid !== null && lost === null && (oid === madeAs || whole)) {
      await (layout.kind === 'schema' ? schemaEnd : databaseEnd)[mode](context, admin, tenant);
      return mode === 'archive' ? 'archived' : 'deleted';
    }
    // Its records may be there under another name: who wants it forgotten has to say so.
    if (lost !== null && status === 'active' && mode === 'archive') throw lost.error;
    // Half made, or gone without us: nothing is left but its name.
    if (transit !== null && status !== 'archived') await runDone(admin, `DROP DATABASE IF EXISTS ${identifier(transit)}`);
    await runDone(admin, registry.removal(id, `status = ${literal(status)}`));
    return 'forgotten';
  } finally {
    await admin.close();
  }
}

type End = Readonly<Record<Mode, (context: TenancyContext, admin: Session, tenant: RegisteredTenant) => Promise<void>>>;

const schemaEnd: End = { archive: archiveSchema, delete: deleteSchema };
const databaseEnd: End = { archive: archiveDatabase, delete: deleteDatabase };
