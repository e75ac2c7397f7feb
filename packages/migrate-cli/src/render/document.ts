/** The JSON documents. Their shapes are a contract: a key that is there stays there. Pure. */

import type {
  Adoption,
  ChosenConnection,
  DetailedPlan,
  LogEntry,
  MigrationError,
  Outcome,
  RepairReport,
  Report,
  SourcePosition,
  Status,
  TargetName,
} from '@org/migrate-core';

import type { ServiceResult } from '../run.ts';
import { shown } from '../workspace.ts';

/** A run that was asked for in the wrong way, or a command that has no targets to speak of. */
export function errorDocument(error: MigrationError): string {
  return json({ error: errorKeys(error) });
}

export function errorKeys({ code, message, hint, sqlState }: MigrationError): object {
  return { code, message, hint, sqlState };
}

export function runDocument(results: readonly ServiceResult[], cwd: string): string {
  return json({ services: results.map((result) => ({ service: result.service, targets: [runTarget(result, cwd)] })) });
}

/** One service's own database, after a run. */
export function runTarget({ database, report, error, begun, failedVersion }: ServiceResult, cwd: string): object {
  const known = report !== null && report.target.database !== '';
  return {
    target: known ? report.target.name : (database ?? error?.target ?? null),
    tenant: report?.target.tenant ?? null,
    outcome: outcome(report, error, begun),
    applied: report?.applied.map((step) => step.version) ?? [],
    undone: report?.undone.map((step) => step.version) ?? [],
    failed: error === null ? null : failure(error, failedVersion, cwd),
    durationMs: report === null ? 0 : Math.round(report.durationMs),
  };
}

function outcome(report: Report | null, error: MigrationError | null, begun: boolean): Outcome {
  if (!begun) return 'notRun';
  if (error?.code === 'aborted') return 'interrupted';
  // A plan that was refused, a lock that was not had: the run failed, although no migration did.
  return error !== null ? 'failed' : (report?.outcome ?? 'failed');
}

function failure(error: MigrationError, version: string | null, cwd: string): object {
  return {
    version,
    code: error.code,
    message: error.report?.failed?.message ?? error.message,
    ...place(error.position, cwd),
    statement: error.statement,
    sqlState: error.sqlState,
  };
}

export function place(position: SourcePosition | null, cwd: string): { file: string | null; line: number | null; column: number | null } {
  const file = position?.file ?? null;
  return { file: file === null ? null : shown(file, cwd), line: position?.line ?? null, column: position?.column ?? null };
}

/** A service's status, or why it could not be had. */
export interface ServiceStatus {
  readonly service: string;
  /** `null` where none could be chosen. */
  readonly connection: ChosenConnection | null;
  readonly schema: string;
  /** In source order. */
  readonly names: readonly string[];
  readonly status: Status | null;
  readonly error: MigrationError | null;
  /** `null` for a tenant that its own migrations made; left out where that was not asked. */
  readonly copied?: Copied | null;
}

/** What of a tenant's history came with the template that it was copied from: when and how long is then told of the template. */
export interface Copied {
  /** The template's schema or database; `null` where the log does not say. */
  readonly template: string | null;
  /** When the tenant was made of it. ISO 8601. */
  readonly at: string;
  /** Of those that are applied. */
  readonly names: ReadonlySet<string>;
}

export function statusDocument(services: readonly ServiceStatus[]): string {
  return json({ services: services.map((one) => ({ service: one.service, targets: [statusTarget(one)] })) });
}

export function statusTarget({ connection, schema, status, error, copied }: ServiceStatus): object {
  if (status === null) {
    const database = connection?.settings.database ?? null;
    const target = database === null ? null : schema === 'public' ? database : `${database}.${schema}`;
    const problem = { code: error?.code ?? 'internal', version: null, message: error?.message ?? '' };
    return { target, database, schema, tenant: null, current: null, applied: [], pending: [], problems: [problem] };
  }
  const { target } = status;
  return {
    target: target.name,
    database: target.database,
    schema: target.schema,
    tenant: target.tenant,
    current: status.current?.version ?? null,
    applied: status.applied.map(({ version, name, description, checksum, appliedAt, durationMs }) => ({
      version,
      name,
      description,
      checksum,
      appliedAt,
      durationMs,
    })),
    pending: status.pending.map(({ version, name }) => ({ version, name })),
    problems: status.problems.map(({ code, version, message }) => ({ code, version, message })),
    ...(copied === undefined ? {} : { template: copied === null ? null : templateKeys(status, copied) }),
    ...(status.running === null
      ? {}
      : { running: { name: status.running.name, ...status.running.process, waitsFor: status.running.lock, blockers: status.running.blockers } }),
  };
}

function templateKeys({ applied }: Status, { template, at, names }: Copied): object {
  return { name: template, copiedAt: at, versions: applied.filter((one) => names.has(one.name)).map((one) => one.version) };
}

/** A service's plan, or why there is none. */
export interface ServicePlan {
  readonly service: string;
  readonly direction: 'up' | 'down';
  readonly connection: ChosenConnection | null;
  readonly plan: DetailedPlan | null;
  readonly error: MigrationError | null;
  /** Of the migration that the error is about; `null` for none. */
  readonly failedVersion: string | null;
}

export function planDocument(services: readonly ServicePlan[], cwd: string): string {
  return json({ services: services.map((one) => ({ service: one.service, targets: [planTarget(one, cwd)] })) });
}

export function planTarget({ direction, connection, plan, error, failedVersion }: ServicePlan, cwd: string): object {
  const problems = plan?.plan.problems.map(({ code, version, message, severity }) => ({ code, version, message, severity })) ?? [];
  const broken = error === null ? [] : [{ code: error.code, version: failedVersion, message: error.message, severity: 'error', ...place(error.position, cwd) }];
  return {
    target: plan?.target.name ?? connection?.settings.database ?? null,
    tenant: plan?.target.tenant ?? null,
    direction,
    current: plan?.plan.current?.version ?? null,
    steps:
      plan?.steps.map(({ version, name, direction: way, mode, from, transaction, sql }) => ({ version, name, direction: way, mode, from, transaction, sql })) ??
      [],
    pending: plan?.plan.pending.map(({ version, name }) => ({ version, name })) ?? [],
    problems: [...problems, ...broken],
    ignored: plan?.ignored ?? [],
    ...(plan === null || plan.notices.length === 0 ? {} : { notices: plan.notices }),
  };
}

export interface ServiceLog {
  readonly service: string;
  readonly connection: ChosenConnection;
  readonly entries: readonly LogEntry[];
}

export function logDocument(services: readonly ServiceLog[]): string {
  return json({
    services: services.map(({ service, connection, entries }) => ({ service, targets: [{ target: connection.settings.database, tenant: null, entries }] })),
  });
}

export function repairDocument(service: string, connection: ChosenConnection, { accepted, markedApplied, markedUndone }: RepairReport): string {
  return json({ services: [{ service, targets: [{ target: connection.settings.database, tenant: null, accepted, markedApplied, markedUndone }] }] });
}

/** @param outcome `planned` with `--dry-run`: nothing was written. */
export function adoptionDocument(
  service: string,
  target: TargetName,
  { table, tool, adopted, pending, gaps }: Adoption,
  outcome: 'planned' | 'written',
): string {
  return json({ services: [{ service, targets: [{ target: target.name, tenant: target.tenant, from: { table, tool }, outcome, adopted, pending, gaps }] }] });
}

function json(document: object): string {
  return JSON.stringify(document, null, 2);
}
