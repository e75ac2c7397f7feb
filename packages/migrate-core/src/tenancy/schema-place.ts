/** A tenant's schema: made, renamed and dropped together with what the registry says of it. */

import { lockKey, GUARD } from '../guard.ts';
import { historyTables } from '../history.ts';
import type { ServerError, Session } from '../session.ts';
import { doBlock, identifier, literal } from '../sql.ts';
import { again } from './again.ts';
import type { TenancyContext } from './context.ts';
import { archiveName } from './place.ts';
import { runDone, type RegisteredTenant } from './registry.ts';

/** `taken`: there is one of that name that this tenant did not make. */
export async function placeSchema({ options, registry }: TenancyContext, admin: Session, tenant: RegisteredTenant): Promise<'placed' | 'taken'> {
  const { id, place } = tenant;
  const there = await schemaExists(admin, place);
  if (there) return tenant.placed ? 'placed' : 'taken';
  // Registered as made, and gone: somebody dropped it by hand.
  if (tenant.placed) await runDone(admin, registry.change(id, 'placed = false', 'placed'));
  const role = options.applicationRole;
  const statements = [
    'BEGIN',
    `CREATE SCHEMA ${identifier(place)}`,
    ...(role === undefined ? [] : [`GRANT USAGE ON SCHEMA ${identifier(place)} TO ${identifier(role)}`]),
    registry.change(id, 'placed = true', `status = 'provisioning' AND NOT placed`),
    'COMMIT',
  ];
  try {
    // 23505 here is how a CREATE SCHEMA at the same time is lost; the next attempt says so.
    await again(() => runDone(admin, statements.join(';\n')), [], options.signal);
  } catch (error) {
    if ((error as ServerError).code === '42P06') return 'taken';
    throw error;
  }
  return 'placed';
}

export async function schemaExists(session: Session, name: string): Promise<boolean> {
  const rows = await session.read(`SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ${literal(name)}`);
  return rows.length > 0;
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
      registry.change(id, `status = 'archived', place = ${literal(archive)}, failure = NULL`, `place = ${literal(place)} AND placed`),
      'COMMIT',
    ].join(';\n');
  };
  await again(() => runDone(admin, text()), [GUARD.lockHeld], options.signal);
}

/** Drops the schema with everything in it, and forgets the tenant. */
export async function deleteSchema(context: TenancyContext, admin: Session, { id, place }: RegisteredTenant): Promise<void> {
  const { options, registry } = context;
  const statements = [...alone(context, place), `DROP SCHEMA ${identifier(place)} CASCADE`, registry.removal(id, `place = ${literal(place)}`), 'COMMIT'];
  await again(() => runDone(admin, statements.join(';\n')), [GUARD.lockHeld], options.signal);
}

/** The beginning of a transaction that no migration of this schema runs beside. */
function alone({ layout }: TenancyContext, place: string): readonly string[] {
  const key = lockKey(historyTables(place, layout.table));
  return [
    'BEGIN',
    doBlock(
      `BEGIN IF NOT pg_catalog.pg_try_advisory_xact_lock(${key}) THEN RAISE EXCEPTION USING ERRCODE = '${GUARD.lockHeld}', MESSAGE = 'migrate: the lock is held'; END IF; END`,
    ),
  ];
}
