/** The making of one tenant, under its lock. Each step finds out whether it was done before, so that it can be cut off anywhere. */

import { MigrationError } from '../errors.ts';
import { historyTables } from '../history.ts';
import { newRun } from '../new-run.ts';
import { begin } from '../guard.ts';
import type { DatabaseClient, Row, Session } from '../session.ts';
import type { CreateTenantOptions, TenantCreation } from '../tenancy.ts';
import { isCrowded } from './again.ts';
import { missingTables } from './backfill.ts';
import { recordClone } from './clone-record.ts';
import { connected, tenantError, type TenancyContext } from './context.ts';
import { placeDatabase, type PlacedDatabase } from './database-place.ts';
import { ensureExtensions } from './extensions.ts';
import { tenantPath, tenantTarget } from './layout.ts';
import { refuseLost } from './lost-place.ts';
import { invalidTenant, refuseOtherKind, searchPath, shortened } from './place.ts';
import { publicTenant, runDone, tenantOf, type RegisteredTenant } from './registry.ts';
import { fillSchema } from './schema-fill.ts';
import { placeSchema } from './schema-place.ts';
import { SecondConnection } from './second-connection.ts';
import { takeSpare } from './spare.ts';
import { refuseAborted, withTenantLock } from './tenant-lock.ts';

export async function createTenant(context: TenancyContext, id: string, place: string, request: CreateTenantOptions): Promise<TenantCreation> {
  const { registry, layout } = context;
  const started = performance.now();
  const creation = (tenant: RegisteredTenant, outcome: TenantCreation['outcome'], by: TenantCreation['by']): TenantCreation => ({
    tenant: publicTenant(tenant),
    outcome,
    by,
    durationMs: performance.now() - started,
  });
  const second = new SecondConnection(() => context.options.connect(null));
  // Both at the same time, unless the first one will do.
  if (!fitsInOne(context, null, request)) second.begin();
  try {
    return await withTenantLock(context, id, {
      look: async (guardian) => {
        const tenant = await registry.register(guardian, id, place, context.options.applicationRole);
        refuseOtherKind(tenant, layout.kind);
        if (tenant.status === 'active' || tenant.status === 'archived') await refuseLost(context, guardian, tenant);
        if (tenant.status === 'archived')
          throw invalidTenant(
            id,
            `it was dropped, and its ${tenant.kind} is kept as ${JSON.stringify(tenant.place)}`,
            'restore it, which brings it back with everything in it; or drop it with the mode `delete`, which deletes that for good, and create it then',
          );
        return tenant;
      },
      settled: (tenant, waited) =>
        tenant.status !== 'active' ? null : waited ? creation(tenant, 'created', tenant.madeBy) : creation(tenant, 'present', null),
      work: async (guardian, tenant) => {
        const made = await make(context, guardian, second, tenant, request);
        return creation(made, 'created', made.madeBy);
      },
    });
  } finally {
    await second.close();
  }
}

/** A spare and no first rows: all of it is one transaction, on the connection that has the lock. */
function fitsInOne({ layout }: TenancyContext, tenant: RegisteredTenant | null, { initialise: call }: CreateTenantOptions): boolean {
  return layout.spares > 0 && call === undefined && (tenant === null || (tenant.status === 'provisioning' && isUnmade(tenant)));
}

/** Nothing was begun for it. */
function isUnmade({ madeAs, transit }: RegisteredTenant): boolean {
  return madeAs === null && transit === null;
}

/** The tenant as it is then. */
async function make(
  context: TenancyContext,
  guardian: Session,
  second: SecondConnection,
  tenant: RegisteredTenant,
  request: CreateTenantOptions,
): Promise<RegisteredTenant> {
  const { registry } = context;
  const { id } = tenant;
  try {
    if (fitsInOne(context, tenant, request)) {
      const taken = await takeSpare(context, guardian, tenant, 'active');
      if (taken !== null) {
        await finish(guardian, []);
        return taken;
      }
    }
    const by = await provision(context, second, tenant, request);
    if (by !== 'taken') {
      // On the connection that has the lock: whoever lost that activates nothing.
      const [row] = await finish(guardian, [registry.activation(id, by), registry.selection(id)]);
      return row === undefined ? tenant : tenantOf(row);
    }
  } catch (cause) {
    const error = tenantError(id, 'made', cause);
    // Stopped, or crowded out: nothing is wrong with the tenant, and whoever comes next goes on.
    if (error.code !== 'aborted' && error.code !== 'connection' && !isCrowded(cause))
      await finish(guardian, [registry.failing(id, error.message)]).catch(() => undefined);
    throw error;
  }
  await finish(guardian, [registry.removal(id, `status = 'provisioning'`)]);
  throw invalidTenant(
    id,
    `the ${tenant.kind} ${JSON.stringify(tenant.place)} is there already, and is not this tenant’s; it was not touched`,
    'give the tenant another id, or rename what is there',
  );
}

/** The last statements under the lock: their rows. */
async function finish(guardian: Session, statements: readonly string[]): Promise<readonly Row[]> {
  try {
    return await guardian.read([...statements, 'COMMIT'].join(';\n'));
  } catch (error) {
    if (guardian.lost === null) throw error;
    throw new MigrationError({
      code: 'connection',
      message: `the connection that kept the tenant's lock was lost: ${guardian.lost.message}`,
      hint: 'create the tenant again: that goes on where it stopped',
      cause: guardian.lost,
    });
  }
}

async function provision(
  context: TenancyContext,
  second: SecondConnection,
  tenant: RegisteredTenant,
  request: CreateTenantOptions,
): Promise<'template' | 'replay' | 'taken'> {
  const { registry, layout } = context;
  const { session: admin, client } = await second.use();
  if (tenant.status === 'failed') await runDone(admin, registry.change(tenant.id, `status = 'provisioning', failure = NULL`, `status = 'failed'`));
  if (await placeSpare(context, admin, tenant)) {
    refuseAborted(context.options.signal);
    if (layout.kind === 'schema') await initialise(context, admin, client, tenant, request);
    else if (request.initialise !== undefined) await connected(context, tenant.place, (session, own) => initialise(context, session, own, tenant, request));
    return 'template';
  }
  if (layout.kind === 'schema') return inSchema(context, admin, client, tenant, request);
  const placement = await placeDatabase(context, admin, tenant);
  if (placement === 'taken') return placement;
  refuseAborted(context.options.signal);
  await connected(context, tenant.place, (session, own) => inDatabase(context, session, own, tenant, placement, request));
  return placement.by;
}

/** Whether it has got a spare. */
async function placeSpare(context: TenancyContext, admin: Session, tenant: RegisteredTenant): Promise<boolean> {
  if (context.layout.spares === 0 || !isUnmade(tenant)) return false;
  await runInside(admin, begin());
  const taken = await takeSpare(context, admin, tenant, 'placed');
  await runInside(admin, taken === null ? 'ROLLBACK' : 'COMMIT');
  return taken !== null;
}

async function inSchema(
  context: TenancyContext,
  admin: Session,
  client: DatabaseClient,
  tenant: RegisteredTenant,
  request: CreateTenantOptions,
): Promise<'template' | 'replay' | 'taken'> {
  const { options, layout } = context;
  const placed = await placeSchema(context, admin, tenant);
  if (placed === 'taken') return 'taken';
  await ensureExtensions(admin, layout, options.applicationRole);
  const { by, lacks } = await fillSchema(context, admin, tenant, placed);
  if (lacks === 'migrations') await migrate(context, client, tenant);
  await complete(context, admin, client, tenant, request);
  return by;
}

async function inDatabase(
  context: TenancyContext,
  session: Session,
  client: DatabaseClient,
  tenant: RegisteredTenant,
  { template, by }: PlacedDatabase,
  request: CreateTenantOptions,
): Promise<void> {
  const { options, layout } = context;
  if (by === 'template') await recordClone(session, historyTables('public', layout.table), newRun(), template ?? 'a template');
  if (template === null) {
    // Empty, begun by its migrations, or copied by a call that was cut off, from what was the template then.
    await ensureExtensions(session, layout, options.applicationRole);
    await migrate(context, client, tenant);
  }
  await complete(context, session, client, tenant, request);
}

async function migrate({ fleet, layout, options }: TenancyContext, client: DatabaseClient, tenant: RegisteredTenant): Promise<void> {
  refuseAborted(options.signal);
  await (await fleet.migratorOn(tenantTarget(layout, tenant), client)).up();
}

/** What makes a migrated place a tenant's. */
async function complete(
  context: TenancyContext,
  session: Session,
  client: DatabaseClient,
  tenant: RegisteredTenant,
  request: CreateTenantOptions,
): Promise<void> {
  refuseAborted(context.options.signal);
  await refuseIncomplete(context, session, tenant);
  await initialise(context, session, client, tenant, request);
}

async function refuseIncomplete({ options, layout }: TenancyContext, session: Session, { id, place }: RegisteredTenant): Promise<void> {
  const missing = await missingTables(session, layout.kind === 'schema' ? place : 'public', options.tenancy.requiredTables ?? []);
  if (missing.length === 0) return;
  throw new MigrationError({
    code: 'verificationFailed',
    message: `the tenant ${JSON.stringify(shortened(id))} lacks what tenancy.requiredTables names: ${missing.join(', ')}`,
    hint: 'its migrations have to make these tables, in its own schema',
  });
}

async function initialise(
  { layout }: TenancyContext,
  session: Session,
  client: DatabaseClient,
  tenant: RegisteredTenant,
  { initialise: call }: CreateTenantOptions,
): Promise<void> {
  if (call === undefined) return;
  await runInside(session, `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL search_path = ${searchPath(tenantPath(layout, tenant.place))}`);
  try {
    await call(client, { ...publicTenant(tenant), status: 'provisioning', failure: null });
  } catch (error) {
    throw tenantError(tenant.id, 'given its first rows', error);
  }
  // Fails where a statement of it failed and it went on all the same.
  await session.read('SELECT 1');
  if (session.transactionStatus !== 'T') {
    throw new MigrationError({
      code: 'invalidOptions',
      message: `initialise of the tenant ${JSON.stringify(shortened(tenant.id))} ended the transaction that it was called in`,
      hint: 'leave BEGIN, COMMIT and ROLLBACK out of it',
    });
  }
  await runInside(session, 'COMMIT');
}

async function runInside(session: Session, text: string): Promise<void> {
  const result = await session.runInside(text);
  if (result.kind !== 'done') throw result.error;
}
