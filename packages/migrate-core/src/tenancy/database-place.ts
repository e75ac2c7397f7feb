/** A tenant's database. CREATE and DROP DATABASE are no part of a transaction; renaming is, and so are comments and grants. */

import { MigrationError } from '../errors.ts';
import type { ServerError, Session } from '../session.ts';
import { identifier, literal } from '../sql.ts';
import { again } from './again.ts';
import type { TenancyContext } from './context.ts';
import { tenantPath } from './layout.ts';
import { ABSENT, databaseOid, endSessions, EXISTS, IN_USE } from './database.ts';
import { copyTemplate, isOfTemplate } from './database-template.ts';
import { archiveName, madeBy, provisionalName, searchPath } from './place.ts';
import { runDone, type RegisteredTenant } from './registry.ts';
import { refuseAborted } from './tenant-lock.ts';

export interface PlacedDatabase {
  /** What it was just copied from; `null` when that was done before, from what was the template then, and for one that is no copy. */
  readonly template: string | null;
  /** `replay`: it was made empty, since the template could not be made or copied. */
  readonly by: 'template' | 'replay';
}

/**
 * Made under a name of its own, and renamed together with what the registry says: so a database that is there is known to be this tenant's, wherever
 * its making was cut off. `taken`: there is one of that name that this tenant did not make.
 */
export async function placeDatabase(context: TenancyContext, admin: Session, tenant: RegisteredTenant): Promise<PlacedDatabase | 'taken'> {
  const { options, registry } = context;
  const { id, place } = tenant;
  const oid = await databaseOid(admin, place);
  if (oid !== null && oid === tenant.madeAs) return { template: null, by: madeBy(tenant.transit) };
  if (oid !== null) {
    if (tenant.transit !== null) await runDone(admin, `DROP DATABASE IF EXISTS ${identifier(tenant.transit)}`);
    return 'taken';
  }
  const service = await context.serviceDatabase(admin);
  const { transit, ...placed } = await make(context, admin, tenant, service);
  const statements = [
    'BEGIN',
    `COMMENT ON DATABASE ${identifier(transit)} IS ${literal(markOf(service, context))}`,
    ...closedDatabase(context, transit),
    ...databaseRights(context, transit),
    `ALTER DATABASE ${identifier(transit)} RENAME TO ${identifier(place)}`,
    registry.placement(id, place, `status = 'provisioning'`, placed.by === 'template' ? ', transit = NULL' : ''),
    'COMMIT',
  ];
  try {
    await again(() => runDone(admin, statements.join(';\n')), [IN_USE], options.signal);
  } catch (error) {
    if ((error as ServerError).code !== EXISTS) throw error;
    await runDone(admin, `DROP DATABASE IF EXISTS ${identifier(transit)}`);
    return 'taken';
  }
  return placed;
}

/** Nobody may connect to it but its owner, and what is found there without a schema is what a tenant's migrations find. */
export function closedDatabase({ layout }: TenancyContext, name: string): readonly string[] {
  return [
    // TEMPORARY stays with PUBLIC: who cannot connect has no use for it, and who is let in later finds it as usual.
    `REVOKE CONNECT ON DATABASE ${identifier(name)} FROM PUBLIC`,
    // What the migrations find by their search path the application has to find, too.
    ...(layout.extensions.length === 0 ? [] : [`ALTER DATABASE ${identifier(name)} SET search_path = ${searchPath(tenantPath(layout, name))}`]),
  ];
}

/** What the application's role gets. */
export function databaseRights({ options: { applicationRole: role } }: TenancyContext, name: string): readonly string[] {
  return role === undefined ? [] : [`GRANT CONNECT ON DATABASE ${identifier(name)} TO ${identifier(role)}`];
}

/**
 * The database, still under its second name: a copy of the template, or an empty one for its migrations. A template that cannot be made or copied is no failure of
 * the tenant's.
 */
async function make(
  context: TenancyContext,
  admin: Session,
  tenant: RegisteredTenant,
  service: string,
): Promise<PlacedDatabase & { readonly transit: string }> {
  const { options, registry } = context;
  const { id, transit } = tenant;
  if (transit !== null && (await databaseOid(admin, transit)) !== null) return { transit, template: null, by: madeBy(transit) };
  const named = async (by: PlacedDatabase['by']): Promise<string> => {
    const name = provisionalName(service, by);
    await runDone(admin, registry.change(id, `transit = ${literal(name)}`, `status = 'provisioning'`));
    return name;
  };
  const copy = transit === null || madeBy(transit) === 'replay' ? await named('template') : transit;
  try {
    return { transit: copy, template: await copyTemplate(context, admin, copy, service), by: 'template' };
  } catch (error) {
    if (!isOfTemplate(error)) throw error;
  }
  refuseAborted(options.signal);
  const empty = await named('replay');
  await again(() => runDone(admin, `CREATE DATABASE ${identifier(empty)}`), [IN_USE], options.signal);
  return { transit: empty, template: null, by: 'replay' };
}

/** The comment by which this service's databases are found: the catalogue of databases is the server's, and needs no connection to each. */
export function markOf(serviceDatabase: string, { layout }: Pick<TenancyContext, 'layout'>): string {
  return `Tenant of ${layout.service}, whose registry is in ${identifier(serviceDatabase)}.${identifier(layout.schema)}.${identifier(`${layout.table}_tenants`)}`;
}

/** Ends the sessions of its users, and renames it. Cut off between, the tenant is archived under its old name, and the next call goes on. */
export async function archiveDatabase({ options, registry }: TenancyContext, admin: Session, tenant: RegisteredTenant): Promise<void> {
  const { id, place } = tenant;
  const archive = tenant.status === 'archived' && tenant.transit !== null ? tenant.transit : archiveName(place, new Date());
  await close(admin, place, registry.change(id, `status = 'archived', transit = ${literal(archive)}, failure = NULL`, `place = ${literal(place)}`));
  const role = options.applicationRole;
  const statements = [
    'BEGIN',
    `ALTER DATABASE ${identifier(place)} RENAME TO ${identifier(archive)}`,
    `ALTER DATABASE ${identifier(archive)} ALLOW_CONNECTIONS true`,
    ...(role === undefined ? [] : [`REVOKE CONNECT ON DATABASE ${identifier(archive)} FROM ${identifier(role)}`]),
    registry.change(id, `place = ${literal(archive)}, transit = NULL`, `status = 'archived' AND place = ${literal(place)}`),
    'COMMIT',
  ];
  const rename = async (): Promise<void> => {
    await endSessions(admin, place, options.signal);
    await runDone(admin, statements.join(';\n'));
  };
  await again(rename, [IN_USE], options.signal);
}

/** Ends the sessions of its users, drops the database, and forgets the tenant. */
export async function deleteDatabase(context: TenancyContext, admin: Session, tenant: RegisteredTenant): Promise<void> {
  const { options, registry } = context;
  const { id, place } = tenant;
  await refuseUnmarked(context, admin, place);
  await close(admin, place, registry.change(id, `status = 'archived', transit = NULL, failure = NULL`, `place = ${literal(place)}`));
  const drop = async (): Promise<void> => {
    await endSessions(admin, place, options.signal);
    await runDone(admin, `DROP DATABASE ${identifier(place)}`);
  };
  try {
    await again(drop, [IN_USE], options.signal);
  } catch (error) {
    if ((error as ServerError).code !== ABSENT) throw error;
  }
  await runDone(admin, registry.removal(id, `place = ${literal(place)}`));
}

/** A database that was dropped by hand may have been followed by another one of its name. */
async function refuseUnmarked(context: TenancyContext, admin: Session, place: string): Promise<void> {
  const [row] = await admin.read(
    `SELECT pg_catalog.current_database() AS service, pg_catalog.shobj_description(d.oid, 'pg_database') AS mark FROM pg_catalog.pg_database d WHERE d.datname = ${literal(place)}`,
  );
  if (row === undefined) return;
  const mark = markOf(row['service'] ?? '', context);
  if (row['mark'] === mark) return;
  throw new MigrationError({
    code: 'invalidOptions',
    message: `the database ${JSON.stringify(place)} does not have the comment that this service gives its tenants’ databases; it was not touched`,
    hint: `if it is the tenant’s nevertheless: COMMENT ON DATABASE ${identifier(place)} IS ${literal(mark)}`,
  });
}

async function close(admin: Session, place: string, change: string): Promise<void> {
  await again(() => runDone(admin, `BEGIN; ALTER DATABASE ${identifier(place)} ALLOW_CONNECTIONS false; ${change}; COMMIT`));
}
