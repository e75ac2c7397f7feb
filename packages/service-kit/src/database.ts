/** The application's connections, and the one way to use them: a transaction that belongs to a tenant. */

import pg from 'pg';
import { quoted } from './name.ts';

/** The part of a connection that routes use. */
export interface Queryable {
  query<Row extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<{ rows: Row[]; rowCount: number | null }>;
}

/** For whom a transaction runs. */
export interface Actor {
  /** The clinic: row-level security shows and takes its rows only. */
  readonly tenant: string;
  /** Goes into the audit log; `null` where nobody is signed in. */
  readonly user: string | null;
}

/** Hands out connections; `pg.Pool` is one. */
export interface Pool {
  connect(): Promise<Queryable & { release(destroy?: Error | boolean): void }>;
}

/** The application's database. */
export interface Database {
  /**
   * Runs `work` in one transaction of the tenant, and commits. On any error everything is rolled back and the error thrown on. Where tenants have a
   * schema or a database each, it runs there; 503 while the tenant's is not current.
   */
  asTenant<T>(actor: Actor, work: (db: Queryable) => Promise<T>): Promise<T>;
  /** The same in the service's own database: on what all tenants share. */
  inShared<T>(actor: Actor, work: (db: Queryable) => Promise<T>): Promise<T>;
  /** Why no request must be served over this connection; `null` when nothing speaks against it, or when the server is away just now. */
  refusal(): Promise<string | null>;
  close(): Promise<void>;
}

/** One database with a pool. */
export interface PooledDatabase extends Database {
  /** As `inShared`, with this search path and nothing behind it. */
  onPath<T>(actor: Actor, path: readonly string[], work: (db: Queryable) => Promise<T>): Promise<T>;
}

export interface DatabaseOptions {
  /**
   * The application role, to become where the connected role could bypass row-level security (a superuser, BYPASSRLS, the tables'
   * owner); `null` never changes the role.
   */
  readonly role: string | null;
  /** Where unqualified names are looked for first, and then in `public`; `null` leaves the search path alone. */
  readonly schema: string | null;
}

/** What a transaction is besides its tenant's. */
export interface TransactionSettings {
  /** `null`: the connected one. */
  readonly role: string | null;
  /** The whole search path; `null` leaves it alone. */
  readonly path: readonly string[] | null;
}

/** The connected role could see every tenant's rows, and cannot become one that could not. */
class UnsafeRoleError extends Error {
  override readonly name = 'UnsafeRoleError';
}

export function openDatabase(pool: pg.Pool, { role, schema }: DatabaseOptions): PooledDatabase {
  const settled = roleOnce(pool, role);
  const path = schema === null ? null : [schema, 'public'];
  const inShared: Database['inShared'] = async (actor, work) => await tenantTransaction(pool, actor, { role: await settled(), path }, work);
  return {
    asTenant: inShared,
    inShared,
    onPath: async (actor, ownPath, work) => await tenantTransaction(pool, actor, { role: await settled(), path: ownPath }, work),
    async refusal() {
      try {
        await settled();
        return null;
      } catch (error) {
        return error instanceof UnsafeRoleError ? error.message : null;
      }
    },
    close: () => pool.end(),
  };
}

/** Which role requests on this pool take on, found out by the first of them; again where the server was away. */
export function roleOnce(pool: pg.Pool, role: string | null): () => Promise<string | null> {
  let become: Promise<string | null> | null = null;
  return () => {
    become ??= roleToBecome(pool, role).catch((error: unknown) => {
      become = null;
      throw error;
    });
    return become;
  };
}

/** One transaction in which only this tenant's rows exist. */
export async function tenantTransaction<T>(pool: Pool, actor: Actor, { role, path }: TransactionSettings, work: (db: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    // Local to the transaction: behind a pooler, and in this pool, the next user of the connection begins without them.
    await client.query(
      `SELECT set_config('app.current_tenant_id', $1, true), set_config('app.current_user_id', $2, true), set_config('role', $3, true),
              CASE WHEN $4::text IS NOT NULL THEN set_config('search_path', $4, true) END`,
      [actor.tenant, actor.user ?? '', role ?? 'none', path?.map(quoted).join(', ')],
    );
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    // A connection that could not even roll back is not given to the next request.
    client.release(broken);
  }
}

/** Owners count as well: FORCE holds them off, but one table without it would not. */
const COULD_BYPASS = `
  SELECT r.rolsuper OR r.rolbypassrls OR EXISTS (
           SELECT FROM pg_catalog.pg_class c
            WHERE c.relkind IN ('r', 'p') AND c.relnamespace <> 'pg_catalog'::regnamespace
              AND c.relrowsecurity AND pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE')) AS bypasses,
         EXISTS (SELECT FROM pg_catalog.pg_roles a WHERE a.rolname = $1) AS "exists"
    FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`;

/**
 * The role that requests take on: none where the connected role is the application's already, or one that row-level security holds.
 *
 * @throws Error where going on would show every clinic's rows to each of them.
 */
export async function roleToBecome(db: Queryable, role: string | null): Promise<string | null> {
  if (role === null) return null;
  const { rows } = await db.query<{ bypasses: boolean; exists: boolean }>(COULD_BYPASS, [role]);
  if (rows[0]?.bypasses !== true) return null;
  if (!rows[0].exists)
    throw new UnsafeRoleError(`the application's connection could bypass row-level security, and the role ${role} to use instead does not exist`);
  try {
    // By trying: from 16 on, being a member and being allowed to become are two things, which 15 has no question for.
    await db.query(`SELECT set_config('role', $1, true)`, [role]);
  } catch (error) {
    if ((error as { code?: unknown }).code !== '42501') throw error;
    throw new UnsafeRoleError(
      `the application's connection could bypass row-level security, and may not become ${role} instead: GRANT ${role} to it, or connect as another role`,
    );
  }
  return role;
}

const DATE = 1082;
const dateAsText = new pg.TypeOverrides();
// A date has no time zone: as a Date at local midnight it becomes the day before in JSON, east of Greenwich.
dateAsText.setTypeParser(DATE, (value: string) => value);

/** What every application connection has besides its address. */
export const poolDefaults: pg.PoolConfig = {
  max: 10,
  // Also the wait for one that is free: a burst of requests takes turns.
  connectionTimeoutMillis: 15_000,
  idleTimeoutMillis: 30_000,
  // A request that takes longer has been given up by whoever asked.
  statement_timeout: 15_000,
  idle_in_transaction_session_timeout: 30_000,
  types: dateAsText,
};
