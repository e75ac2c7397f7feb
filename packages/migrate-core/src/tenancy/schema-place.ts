/** A tenant's schema: made, renamed and dropped together with what the registry says of it. */

import { GUARD, takeLockOrFail } from '../guard.ts';
import { historyTables } from '../history.ts';
import type { ServerError, Session } from '../session.ts';
import { doBlock, identifier, literal } from '../sql.ts';
import { again } from './again.ts';
import type { TenancyContext } from './context.ts';
import { archiveName } from './place.ts';
import { runDone, type RegisteredTenant } from './registry.ts';
import { dropSchema } from './schema-removal.ts';

/** `made`: now, and empty. `there`: this tenant's, from an earlier call. `taken`: there is one of that name that this tenant did not make. */
export async function placeSchema(context: TenancyContext, admin: Session, tenant: RegisteredTenant): Promise<'made' | 'there' | 'taken'> {
  const { options, registry } = context;
  const { id, place } = tenant;
  const oid = await schemaOid(admin, place);
  if (oid !== null) return oid === tenant.madeAs ? 'there' : 'taken';
  const statements = [
    'BEGIN',
    `CREATE SCHEMA ${identifier(place)}`,
    ...schemaRights(context, place),
    registry.placement(id, place, `status = 'provisioning'`),
    'COMMIT',
  ];
  try {
    // 23505 here is how a CREATE SCHEMA at the same time is lost; the next attempt says so.
    await again(() => runDone(admin, statements.join(';\n')), [], options.signal);
  } catch (error) {
    if ((error as ServerError).code === '42P06') return 'taken';
    throw error;
  }
  return 'made';
}

/** What the application's role gets. */
export function schemaRights({ options: { applicationRole: role } }: TenancyContext, name: string): readonly string[] {
  return role === undefined ? [] : [`GRANT USAGE ON SCHEMA ${identifier(name)} TO ${identifier(role)}`];
}

/** `null` where there is none of that name. */
export async function schemaOid(session: Session, name: string): Promise<string | null> {
  const [row] = await session.read(`SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ${literal(name)}`);
  return row?.['oid'] ?? null;
}

/** Renames the schema; nobody's migration of it is cut off. */
export async function archiveSchema(context: TenancyContext, admin: Session, { id, place }: RegisteredTenant): Promise<void> {
  const { options, registry } = context;
  const role = options.applicationRole;
  const text = (): string => {
    const archive = archiveName(place, new Date());
    return [
      ...alone(context, place),
      `ALTER SCHEMA ${identifier(place)} RENAME TO ${identifier(archive)}`,
      ...(role === undefined ? [] : [`REVOKE USAGE ON SCHEMA ${identifier(archive)} FROM ${identifier(role)}`]),
      registry.change(id, `status = 'archived', place = ${literal(archive)}, failure = NULL`, `place = ${literal(place)}`),
      'COMMIT',
    ].join(';\n');
  };
  await again(() => runDone(admin, text()), [GUARD.lockHeld], options.signal);
}

/** Drops the schema with everything in it, and forgets the tenant. Cut off between, the tenant is archived under its own name. */
export async function deleteSchema(context: TenancyContext, admin: Session, { id, place }: RegisteredTenant): Promise<void> {
  const { options, registry } = context;
  const closing = [...alone(context, place), registry.change(id, `status = 'archived', failure = NULL`, `place = ${literal(place)}`), 'COMMIT'];
  await again(() => runDone(admin, closing.join(';\n')), [GUARD.lockHeld], options.signal);
  await again(() => dropSchema(admin, place, [registry.removal(id, `place = ${literal(place)}`)]), [], options.signal);
}

/** The beginning of a transaction that no migration of this schema runs beside. */
function alone({ layout }: TenancyContext, place: string): readonly string[] {
  return ['BEGIN', doBlock(`BEGIN ${takeLockOrFail(historyTables(place, layout.table))} END`)];
}
