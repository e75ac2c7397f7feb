/** One `up`, `down` or `redo` over the selected services, one after the other, with a story for people and a document for programs. */

import type { EventListener, MigrationError, Migrator, MigratorOptions, Report } from '@org/migrate-core';

import { exit, exitCodeOf, type ExitCode } from './exit.ts';
import type { Invocation } from './invocation.ts';
import { Story } from './render/story.ts';
import { Requirements } from './requirements.ts';
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

export type Work = (migrator: Migrator) => Promise<Report>;

/** @returns The exit code of the first service that failed; the services after it were not begun. */
export async function runServices(invocation: Invocation, selection: Selection, direction: 'up' | 'down', work: Work): Promise<ExitCode> {
  refuseDisorder(selection);
  const { options, output, signal } = invocation;
  const services = direction === 'up' ? selection.services : selection.services.toReversed();
  const requirements = new Requirements(selection, (text) => output.log(text));
  const results: ServiceResult[] = [];
  for (const service of services) {
    const stopped = results.some((one) => one.error !== null);
    if (stopped || signal.aborted) {
      results.push({ service: service.name, database: null, report: null, error: null, begun: false, current: null, failedVersion: null });
      continue;
    }
    results.push(await runService(invocation, service, requirements, work));
  }
  if (options.json === true) {
    const { runDocument } = await import('./render/document.ts');
    output.document(runDocument(results, invocation.cwd));
  } else if (results.length > 1) {
    const { renderResults } = await import('./render/table.ts');
    output.line(renderResults(results, output.colours));
  }
  const failed = results.find((one) => one.error !== null)?.error;
  if (failed !== undefined && failed !== null) return exitCodeOf(failed, direction, invocation.stoppedBy());
  if (results.some((one) => !one.begun)) return invocation.stoppedBy() === 'SIGTERM' ? exit.terminated : exit.interrupted;
  return exit.done;
}

async function runService(invocation: Invocation, service: Service, requirements: Requirements, work: Work): Promise<ServiceResult> {
  const { options, output } = invocation;
  const story = new Story(service, invocation);
  let database: string | null = null;
  try {
    const connection = await service.connection();
    database = connection.settings.database;
    story.connected(connection);
    service.connector.begin();
    story.listed(await service.source.list());
    const report = await work(service.migrator(migratorOptions(invocation, service, requirements, story.listener)));
    const current = story.planned === 0 ? await currentVersion(service, story.applied, report) : await versionNow(service, story.applied, report);
    await story.ended(report, current);
    return { service: service.name, database, report, error: null, begun: true, current, failedVersion: null };
  } catch (thrown) {
    story.broken();
    const [{ toMigrationError }, { renderError }] = await Promise.all([import('./connect-error.ts'), import('./render/error.ts')]);
    const error = toMigrationError(thrown);
    const { report } = error;
    // A server that has just gone away is not asked again: that could take as long as --wait says.
    const version = error.code === 'connection' ? currentVersion : versionNow;
    const current = report === null ? null : await version(service, story.applied, report);
    if (report !== null) story.reached(report, current);
    output.log(renderError(error, { colours: output.colours, verbose: options.verbose === true, showData: options.showData === true, cwd: invocation.cwd }));
    return { service: service.name, database, report, error, begun: true, current, failedVersion: await versionOf(service, error) };
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
  const { migrations } = await service.source.list();
  const newer = [...now].findLast((name) => migrations.every((one) => one.name !== name));
  return newer ?? migrations.findLast((one) => now.has(one.name))?.version ?? null;
}

async function versionOf(service: Service, error: MigrationError): Promise<string | null> {
  const name = error.report?.failed?.name ?? error.migration;
  if (name === null) return null;
  const listing = await service.source.list().catch(() => null);
  return listing?.migrations.find((one) => one.name === name)?.version ?? error.problems.find((one) => one.name === name)?.version ?? name;
}
