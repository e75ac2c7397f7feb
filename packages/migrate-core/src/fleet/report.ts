/** What became of each tenant, and of all of them. */

import { MigrationError } from '../errors.ts';
import type { FleetOptions } from '../fleet.ts';
import type { Failure, MigrationEvent, Outcome, Report } from '../report.ts';
import type { FleetTarget } from './target.ts';

export interface TenantResult {
  readonly tenant: string;
  readonly schema: string | null;
  readonly database: string | null;
  readonly outcome: Outcome;
  /** Versions. */
  readonly applied: readonly string[];
  readonly undone: readonly string[];
  /** Why it failed: with the migration where one did, else with an empty name (no such schema, no connection). */
  readonly failed: Failure | null;
  /** What the server said about the row that failed. Holds data: nothing lists it, and it is shown only when the user asks for it. */
  readonly data?: string;
  readonly durationMs: number;
}

/** Why tenants were left out at the end. */
export type FleetStop = 'canary' | 'maxFailures' | 'signal' | 'connection';

export interface FleetReport {
  readonly total: number;
  readonly counts: Readonly<Record<Outcome, number>>;
  /** Every tenant that failed or was interrupted. */
  readonly failures: readonly TenantResult[];
  readonly stopped: FleetStop | null;
  readonly durationMs: number;
}

/** Why there is no connection: it is gone, or the server has none to give (53300). */
export type Away = 'lost' | 'noneLeft';

export type FleetEvent =
  /** One tenant is done with, whatever the outcome. */
  | { readonly type: 'result'; readonly result: TenantResult; readonly done: number }
  /** The server is tried again for so long. Milliseconds. */
  | { readonly type: 'connectionLost'; readonly reason: Away; readonly limitMs: number }
  /** The server gives no more connections than there are (53300): tenants take turns with them. Told once. */
  | { readonly type: 'fewConnections' }
  /** Something that one tenant's run told. */
  | { readonly type: 'tenant'; readonly tenant: string; readonly event: MigrationEvent };

export class FleetCount {
  readonly #emit: (event: FleetEvent) => void;
  readonly #started = performance.now();
  readonly #counts: Record<Outcome, number> = { applied: 0, undone: 0, upToDate: 0, failed: 0, interrupted: 0, notRun: 0 };
  #total = 0;
  readonly failures: TenantResult[] = [];
  stopped: FleetStop | null = null;

  constructor(emit: (event: FleetEvent) => void) {
    this.#emit = emit;
  }

  get total(): number {
    return this.#total;
  }

  add(result: TenantResult): void {
    this.#total++;
    this.#counts[result.outcome]++;
    if (result.outcome === 'failed' || result.outcome === 'interrupted') this.failures.push(result);
    this.#emit({ type: 'result', result, done: this.#total });
  }

  report(): FleetReport {
    return { total: this.#total, counts: { ...this.#counts }, failures: this.failures, stopped: this.stopped, durationMs: performance.now() - this.#started };
  }
}

/** A run on one tenant, as its result. */
export function resultOf(target: FleetTarget, report: Report): TenantResult {
  return {
    tenant: target.tenant,
    schema: target.schema ?? null,
    database: target.database ?? null,
    outcome: report.outcome,
    applied: report.applied.map((step) => step.version),
    undone: report.undone.map((step) => step.version),
    failed: report.failed,
    durationMs: report.durationMs,
  };
}

/** A tenant's error as its result: an exception would be everybody's. */
export function failureResult(target: FleetTarget, error: unknown): TenantResult {
  const told = error instanceof MigrationError ? error : null;
  const result = withoutItsData(target, error, told);
  const data = told?.data ?? null;
  return data === null ? result : Object.defineProperty(result, 'data', { value: data, enumerable: false });
}

function withoutItsData(target: FleetTarget, error: unknown, told: MigrationError | null): TenantResult {
  const { message, code } = error as { message?: string; code?: unknown };
  const failed: Failure = told?.report?.failed ?? {
    name: told?.migration ?? '',
    version: '',
    code: told?.code ?? 'connection',
    message: told?.message ?? message ?? String(error),
    hint: told?.hint ?? null,
    position: told?.position ?? null,
    statement: told?.statement ?? null,
    sqlState: told === null ? (typeof code === 'string' ? code : null) : told.sqlState,
  };
  const report = told?.report;
  const base = { tenant: target.tenant, schema: target.schema ?? null, database: target.database ?? null };
  if (report === null || report === undefined) return { ...base, outcome: 'failed', applied: [], undone: [], failed, durationMs: 0 };
  const outcome = report.outcome === 'interrupted' && told?.code === 'aborted' ? 'interrupted' : 'failed';
  return { ...resultOf(target, report), outcome, failed };
}

export function emptyResult(target: FleetTarget): Omit<TenantResult, 'outcome'> {
  return { tenant: target.tenant, schema: target.schema ?? null, database: target.database ?? null, applied: [], undone: [], failed: null, durationMs: 0 };
}

/** @param lost What became of it, where that is known. */
export function noSchema(target: FleetTarget, origin: 'registry' | 'query' = 'registry', lost: MigrationError | null = null): TenantResult {
  return failureResult(target, lost ?? noSchemaError(target, origin));
}

export function noSchemaError({ schema }: FleetTarget, origin: 'registry' | 'query' = 'registry'): MigrationError {
  return new MigrationError({
    code: 'invalidOptions',
    message: `the ${origin} names the schema ${JSON.stringify(schema)}, and the server has none of that name`,
    hint: `create the tenant, or ${origin === 'query' ? 'leave it out of the query' : 'take it out of the registry'}`,
  });
}

/** The error of a visit; of a database that is not there, what became of it, where that is known. */
export async function tracedError(error: unknown, target: FleetTarget, lost: FleetOptions['lost']): Promise<unknown> {
  const { sqlState, code } = error as { readonly sqlState?: string | null; readonly code?: string };
  if (lost === undefined || (sqlState ?? code) !== '3D000') return error;
  return (await lost(target).catch(() => null)) ?? error;
}
