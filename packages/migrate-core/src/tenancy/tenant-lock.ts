/** One at a time for each tenant: an advisory lock in a transaction of its own, so that a crash strands nothing, and neither does a pooler. */

import { createHash } from 'node:crypto';

import { MigrationError } from '../errors.ts';
import { begin } from '../guard.ts';
import { defaults } from '../migrator.ts';
import type { Row, Session } from '../session.ts';
import { pause } from './again.ts';
import type { TenancyContext } from './context.ts';
import { shortened } from './place.ts';
import { tenantOf, type RegisteredTenant } from './registry.ts';

export interface LockedWork<T> {
  /** Outside any transaction: the tenant as it is registered. Throws when there is none. */
  readonly look: (guardian: Session) => Promise<RegisteredTenant>;
  /** The answer when nothing is left to do; `null` when something is. `waited`: somebody else was at work on this tenant. */
  readonly settled: (tenant: RegisteredTenant, waited: boolean) => T | null;
  /** While this tenant's lock is held by the guardian's open transaction. */
  readonly work: (guardian: Session, tenant: RegisteredTenant) => Promise<T>;
}

/** Does the work under the tenant's lock; throws `lockTimeout` when somebody else has it for longer than the limit. */
export async function withTenantLock<T>(context: TenancyContext, id: string, { look, settled, work }: LockedWork<T>): Promise<T> {
  const { signal, waitLimitMs = defaults.waitLimitMs } = context.options;
  const until = performance.now() + waitLimitMs;
  const guardian = await context.open(null);
  let waited = false;
  try {
    for (let attempt = 1; ; attempt++) {
      refuseAborted(signal);
      const early = settled(await look(guardian), waited);
      if (early !== null) return early;
      const { granted, row } = await takeLock(guardian, lockKeyOf('tenant', context.registry.table, id), context.registry.selection(id));
      if (granted) {
        // What the lock's last holder did is seen only now.
        const tenant = row === null ? null : tenantOf(row);
        const late = tenant === null ? null : settled(tenant, waited);
        if (late !== null) return late;
        if (tenant !== null) return await work(guardian, tenant);
      } else {
        waited = true;
      }
      await guardian.run('ROLLBACK');
      if (performance.now() > until) throw heldTooLong(id, waitLimitMs);
      await pause(attempt, signal);
    }
  } finally {
    if (guardian.transactionStatus !== 'I') await guardian.run('ROLLBACK');
    await guardian.close();
  }
}

/** The advisory lock's key of one tenant, of one template, or of the spares, of one registry. */
export function lockKeyOf(what: 'tenant' | 'template' | 'spares', registry: string, name: string): bigint {
  return createHash('sha256').update(`${what} of migrate\0${registry}\0${name}`).digest().readBigInt64BE(0);
}

/** Leaves a transaction open, granted or not. @param then A query of at most one row that is asked in the same message, behind the lock. */
export async function takeLock(guardian: Session, key: bigint, then?: string): Promise<{ readonly granted: boolean; readonly row: Row | null }> {
  const [lock, row] = await guardian.read(
    `${begin()}; SELECT pg_catalog.pg_try_advisory_xact_lock(${key}) AS granted, pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true), pg_catalog.set_config('tcp_keepalives_idle', '10', true),
 CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL THEN pg_catalog.set_config('transaction_timeout', '0', true) END${then === undefined ? '' : `; ${then}`}`,
  );
  return { granted: lock?.['granted'] === 't', row: row ?? null };
}

export function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new MigrationError({ code: 'aborted', message: 'stopped on request', hint: 'the same call goes on where it stopped' });
}

function heldTooLong(id: string, limitMs: number): MigrationError {
  return new MigrationError({
    code: 'lockTimeout',
    message: `somebody else has been making or dropping the tenant ${JSON.stringify(shortened(id))} for ${limitMs / 1000} s`,
    hint: 'wait for that, then do it again',
  });
}
