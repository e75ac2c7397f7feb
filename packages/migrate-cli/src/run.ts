/** One `up`, `down` or `redo` over the selected services, one after the other, with a story for people and a document for programs. */

import {
  sourceNames,
  type EventListener,
  type MigrationError,
  type MigrationSource,
  type Migrator,
  type MigratorOptions,
  type Report,
} from '@org/migrate-core';

import { exit, exitCodeOf, type ExitCode } from './exit.ts';
import type { FleetWork } from './fleet/run.ts';
import type { TenantsResult } from './fleet/part.ts';
import type { Invocation } from './invocation.ts';
import { Story } from './render/story.ts';
import { Requirements } from './requirements.ts';
import type { Scope } from './scope.ts';
import { refuseDisorder, type Selection } from './selection.ts';
import type { Service } from './service.ts';

/** How one service came out. `report` is `null` where not even its target could be reached. */
export interface ServiceResult {
  readonly service: string;
  /** The database that was meant, as far as it is known. */
  readonly database: string | null;
  readonly report: Report | null;
  readonly error: MigrationError | null;
  /** Earlier services failed, and this one was not begun. */
  readonly begun: boolean;
  /** The newest applied version afterwards; `null` when nothing is applied, or not known. */
  readonly current: string | null;
  /** What people call the migration that `error` is about; `null` when it is about none. */
  readonly failedVersion: string | null;
}

/** What was done where: to a service's own database, or to its tenants. */
export type RunPart = { readonly kind: 'shared'; readonly result: ServiceResult } | { readonly kind: 'tenants'; readonly result: TenantsResult };

export interface Work {
  readonly direction: 'up' | 'down';
  shared(migrator: Migrator): Promise<Report>;
  /** Left out where no tenant is ever meant. */
  readonly tenants?: FleetWork;
  /** Up to this version: of tenants, a slip of the hand is told once. */
  readonly to?: string | undefined;
}

/**
 * @returns The exit code of the first service that failed; the services after it were not begun. 4 when some tenants failed, which keeps nobody else
 * from being migrated.
 */
export async function runServices(invocation: Invocation, selection: Selection, scope: Scope, work: Work): Promise<ExitCode> {
  refuseDisorder(selection);
  const { options, output, signal } = invocation;
  const { direction } = work;
  const { shared = selection.services, tenants = [] } = scope.kind === 'services' ? scope : {};
  const requirements = new Requirements(selection, (text) => output.log(text));
  const streamed = options.json === true && tenants.length > 0;
  const document = streamed ? new (await import('./fleet/document.ts')).ServicesDocument(output) : null;
  // Only a table at the end tells where tenants stand.
  const afterwards = options.json !== true && new Set([...shared, ...tenants]).size > 1 ? 'look' : 'done';
  const parts: RunPart[] = [];
  for (const service of direction === 'up' ? selection.services : selection.services.toReversed()) {
    if (!shared.includes(service) && !tenants.includes(service)) continue;
    document?.begin(service.name);
    let end: Readonly<Record<string, unknown>> = {};
    if (shared.includes(service)) {
      const result = parts.some(hasFailed) || signal.aborted ? notBegun(service) : await runService(invocation, service, requirements, work.shared);
      parts.push({ kind: 'shared', result });
      document?.add((await import('./render/document.ts')).runTarget(result, invocation.cwd));
    }
    if (tenants.includes(service)) {
      const { runTenants, tenantsNotBegun } = await import('./fleet/part.ts');
      const stopped = parts.some(hasFailed) || signal.aborted;
      const result = stopped ? tenantsNotBegun(service) : await runTenants(invocation, service, requirements, document, work, afterwards);
      parts.push({ kind: 'tenants', result });
      ({ end } = result);
    }
    document?.close(end);
  }
  document?.end();
  if (options.json === true && document === null) {
    const { runDocument } = await import('./render/document.ts');
    output.document(
      runDocument(
        parts.flatMap((part) => (part.kind === 'shared' ? [part.result] : [])),
        invocation.cwd,
      ),
    );
  } else if (options.json !== true && new Set([...shared, ...tenants]).size > 1) {
    const { renderResults } = await import('./render/table.ts');
    output.line(renderResults(parts, output.colours));
  }
  return exitCodeOfParts(invocation, parts, direction);
}

function exitCodeOfParts({ stoppedBy }: Invocation, parts: readonly RunPart[], direction: 'up' | 'down'): ExitCode {
  const failed = parts.find(hasFailed);
  if (failed?.kind === 'tenants') return failed.result.code;
  if (failed !== undefined && failed.result.error !== null) return exitCodeOf(failed.result.error, direction, stoppedBy());
  if (parts.some((part) => !part.result.begun)) return stoppedBy() === 'SIGTERM' ? exit.terminated : exit.interrupted;
  return parts.some((part) => part.kind === 'tenants' && part.result.code !== exit.done) ? exit.someTenantsFailed : exit.done;
}

/** Then nothing further is begun. Some tenants' failure is their own. */
function hasFailed({ kind, result }: RunPart): boolean {
  return kind === 'shared' ? result.error !== null : result.begun && result.code !== exit.done && result.code !== exit.someTenantsFailed;
}

function notBegun(service: Service): ServiceResult {
  return { service: service.name, database: null, report: null, error: null, begun: false, current: null, failedVersion: null };
}

async function runService(invocation: Invocation, service: Service, requirements: Requirements, work: Work['shared']): Promise<ServiceResult> {
  const { output } = invocation;
  const story = new Story(service, invocation);
  let database: string | null = null;
  try {
    const connection = await service.connection();
    database = connection.settings.database;
    story.connected(connection);
    service.connector.begin();
    story.listed(await service.source.list());
    const report = await work(service.migrator(migratorOptions(invocation, service, requirements, story.listener)));
    // Whoever did all that was planned knows where that leads to; else others have done a part of it.
    const alone = Math.max(report.applied.length, report.undone.length) === story.planned;
    const current = await (alone ? currentVersion : versionNow)(service, story.applied, report);
    await story.ended(report, current);
    return { service: service.name, database, report, error: null, begun: true, current, failedVersion: null };
  } catch (thrown) {
    story.broken();
    const [{ toMigrationError }, { renderError, styleOf }] = await Promise.all([import('./connect-error.ts'), import('./render/error.ts')]);
    const error = toMigrationError(thrown);
    const { report } = error;
    // A server that has just gone away is not asked again: that could take as long as --wait says.
    const version = error.code === 'connection' ? currentVersion : versionNow;
    const current = report === null || report.unknown.length > 0 ? null : await version(service, story.applied, report);
    if (report !== null) story.reached(report, current);
    output.log(renderError(error, styleOf(invocation, service.about)));
    return { service: service.name, database, report, error, begun: true, current, failedVersion: await versionOf(service.source, error) };
  } finally {
    await service.connector.abandon();
  }
}

/** The engine's settings that the command line decides. */
export function migratorOptions(invocation: Invocation, service: Service, requirements: Requirements, onEvent?: EventListener): Partial<MigratorOptions> {
  const { lockTimeout, lockWait } = invocation.options;
  return {
    ...requirements.hooks(service),
    signal: invocation.signal,
    onEvent,
    ...(lockTimeout === undefined ? {} : { lockTimeoutMs: lockTimeout }),
    ...(lockWait === undefined ? {} : { waitLimitMs: lockWait, retryLimitMs: lockWait, requirementWaitMs: lockWait }),
  };
}

/** Other processes may have shared the work, before this one's steps and after them: only the database knows. */
async function versionNow(service: Service, before: readonly string[], report: Report): Promise<string | null> {
  try {
    return (await service.migrator().status()).current?.version ?? null;
  } catch {
    // It was reached a moment ago. What this process did is still true.
    return currentVersion(service, before, report);
  }
}

/** The newest in source order of what is applied now. What only a newer build knows is above all others. */
async function currentVersion(service: Service, before: readonly string[], report: Report): Promise<string | null> {
  const undone = new Set(report.undone.map((step) => step.name));
  const now = new Set([...before.filter((name) => !undone.has(name)), ...report.applied.map((step) => step.name)]);
  const listing = await service.source.list();
  const names = sourceNames(listing);
  const newest = [...now].findLast((name) => !names.includes(name)) ?? names.findLast((name) => now.has(name));
  return listing.migrations.find((one) => one.name === newest)?.version ?? newest ?? null;
}

/** Of the migration that an error is about: `null` for none, its name where the source does not have it. */
export async function versionOf(source: MigrationSource, error: MigrationError): Promise<string | null> {
  const name = error.report?.failed?.name ?? error.migration;
  if (name === null) return null;
  const listing = await source.list().catch(() => null);
  return listing?.migrations.find((one) => one.name === name)?.version ?? error.problems.find((one) => one.name === name)?.version ?? name;
}
