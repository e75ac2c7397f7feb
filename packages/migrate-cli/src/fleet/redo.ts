/** `redo` over tenants, one after the other: for a migration that is being written. */

import {
  failureResult,
  resultOf,
  type FleetReport,
  type Migrator,
  type MigrationSource,
  type Outcome,
  type Report,
  type TenantResult,
} from '@org/migrate-core';

import { effects } from '../confirm.ts';
import type { ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import type { Scope } from '../scope.ts';
import type { Selection } from '../selection.ts';
import { confirmTouched, touchedBy, withTenants } from './command.ts';
import { planFleet } from './groups.ts';
import { finishFleet } from './run.ts';

/** @param redo What is done to each of them. */
export function redoTenants(
  invocation: Invocation,
  selection: Selection,
  scope: Scope,
  redo: (migrator: Migrator, source: MigrationSource) => Promise<Report>,
): Promise<ExitCode> {
  const what = 'undo the last migration and apply it again';
  return withTenants(invocation, selection, scope, what, async (tenants) => {
    // Refused where the last one is another for each of them.
    const touched = touchedBy(await planFleet(tenants, { direction: 'down' }, undefined));
    await confirmTouched(invocation, selection, tenants, touched.tenants, `undo ${touched.names} and apply it again`, effects.redo);
    return finishFleet(invocation, tenants, 'up', async (fleet, hear) => {
      const started = performance.now();
      const counts: Record<Outcome, number> = { applied: 0, undone: 0, upToDate: 0, failed: 0, interrupted: 0, notRun: 0 };
      const failures: TenantResult[] = [];
      for (const target of tenants.targets) {
        let result: TenantResult;
        if (invocation.signal.aborted) {
          const { tenant, schema = null, database = null } = target;
          result = { tenant, schema, database, outcome: 'notRun', applied: [], undone: [], failed: null, durationMs: 0 };
        } else {
          try {
            result = resultOf(target, await redo(await fleet.migrator(target), tenants.origin.source));
          } catch (error) {
            result = failureResult(target, error);
          }
        }
        counts[result.outcome]++;
        if (result.outcome === 'failed' || result.outcome === 'interrupted') failures.push(result);
        hear({ type: 'result', result, done: Object.values(counts).reduce((sum, count) => sum + count, 0) });
      }
      const stopped = invocation.signal.aborted ? 'signal' : null;
      return { total: tenants.targets.length, counts, failures, stopped, durationMs: performance.now() - started } satisfies FleetReport;
    });
  });
}
