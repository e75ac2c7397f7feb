/** Two tenants for tests of isolation, and what they write as the application would. */

import type pg from 'pg';

export interface TestTenant {
  readonly id: string;
  /** `a` or `b`: makes names and addresses of its own. */
  readonly letter: string;
}

/** What one of them has, the other must never see. */
export const testTenants: readonly [TestTenant, TestTenant] = [
  { id: '00000000-0000-4000-8000-00000000000a', letter: 'a' },
  { id: '00000000-0000-4000-8000-00000000000b', letter: 'b' },
];

/** An id of this tenant's own: `rowId(tenant, 1)` is its first row, in whatever table. */
export function rowId(tenant: TestTenant, number: number): string {
  return `${String(number).padStart(8, '0')}${tenant.id.slice(8)}`;
}

/** Rows of one tenant. */
export interface Filling {
  /** Who writes them: the application's role, for the tenant; or the tables' owner, for what the application may not write. Default `application`. */
  readonly as?: 'application' | 'owner';
  /** Statements that can be run again. */
  readonly sql: string;
}

export interface TenantConnection {
  /** A superuser's client, outside a transaction. */
  readonly client: pg.Client;
  readonly schema: string;
  /** The application's role. */
  readonly role: string;
}

/** Runs SQL in one transaction, as the application does for a request. `null`: no tenant was set. Answers the last statement's rows. */
export async function asTenant(
  on: TenantConnection,
  tenant: TestTenant | null,
  sql: string,
  end: 'commit' | 'rollback' = 'commit',
): Promise<{ rows: Record<string, unknown>[]; rowCount: number }> {
  const { client } = on;
  await client.query('BEGIN');
  try {
    await client.query(`SELECT set_config('search_path', $1, true), set_config('role', $2, true)`, [`${on.schema}, public`, on.role]);
    // Not even the empty text where there is no tenant: that is another case.
    if (tenant !== null) await client.query(`SELECT set_config('app.current_tenant_id', $1, true)`, [tenant.id]);
    const results = (await client.query(sql)) as pg.QueryResult | pg.QueryResult[];
    await client.query(end);
    const last = Array.isArray(results) ? results.at(-1) : results;
    return { rows: last?.rows ?? [], rowCount: last?.rowCount ?? 0 };
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

/** Writes the rows of both tenants. */
export async function fillTenants(on: TenantConnection, filling: (tenant: TestTenant) => Filling): Promise<void> {
  for (const tenant of testTenants) {
    const { as = 'application', sql } = filling(tenant);
    if (as === 'application') await asTenant(on, tenant, sql);
    else await on.client.query(`BEGIN; SET LOCAL search_path = ${on.schema}, public; ${sql}; COMMIT`);
  }
}

/** The SQLSTATE with which it is refused; `null` when it is not. Everything is rolled back. */
export async function refusal(on: TenantConnection, tenant: TestTenant | null, sql: string): Promise<string | null> {
  return (await serverError(on, tenant, sql))?.code ?? null;
}

/** The constraint or unique index that refuses it, else the SQLSTATE; `null` when it is not refused. Everything is rolled back. */
export async function violation(on: TenantConnection, tenant: TestTenant | null, sql: string): Promise<string | null> {
  const error = await serverError(on, tenant, sql);
  return error?.constraint ?? error?.code ?? null;
}

async function serverError(on: TenantConnection, tenant: TestTenant | null, sql: string): Promise<{ code: string; constraint?: string } | null> {
  try {
    await asTenant(on, tenant, sql, 'rollback');
    return null;
  } catch (error) {
    const { code, constraint } = error as { code?: string; constraint?: string };
    if (code === undefined) throw error;
    return constraint === undefined ? { code } : { code, constraint };
  }
}
