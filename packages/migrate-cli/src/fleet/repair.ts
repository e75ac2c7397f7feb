/** The histories of tenants, put right one by one where a repair has something to put right. */

import { findVersion, MigrationError, sourceNames, type FleetTarget, type RepairReport, type Status } from '@org/migrate-core';

import { effects } from '../confirm.ts';
import { toMigrationError } from '../connect-error.ts';
import { exit, exitCodeOf, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { heading, plural, printable } from '../render/text.ts';
import type { Scope } from '../scope.ts';
import type { Selection } from '../selection.ts';
import { confirmTouched, withTenants } from './command.ts';
import { ServicesDocument, targetName } from './document.ts';
import { tenantNames } from './failures.ts';
import { aboutTenants } from './hint.ts';
import { tellError } from './run.ts';

/** As people typed them. */
interface Wanted {
  readonly accept: readonly string[];
  readonly markApplied: readonly string[];
  readonly markUndone: readonly string[];
}

interface Repaired {
  readonly target: FleetTarget;
  readonly report: RepairReport | null;
  readonly error: MigrationError | null;
}

/** @param what A clause: `accept 0002 as the files are now`. */
export function repairTenants(invocation: Invocation, selection: Selection, scope: Scope, wanted: Wanted, what: string): Promise<ExitCode> {
  const { options, output } = invocation;
  return withTenants(invocation, selection, scope, 'repair', async (tenants) => {
    const { service, origin, targets } = tenants;
    const names = sourceNames(await origin.source.list());
    const { groups, failures } = await tenants.fleet().status({ concurrency: options.concurrency });
    const requests = groups.map(({ tenants: ids, status }) => ({ ids, request: applicable(wanted, names, status) }));
    const touched = requests.flatMap(({ ids, request }) => (request === null ? [] : ids.map((id) => ({ id, request }))));
    refuseUnknown(
      wanted,
      names,
      groups.map((group) => group.status),
    );
    // Those that have nothing to repair are left alone.
    if (touched.length === 0 && failures.length < targets.length)
      throw new MigrationError({
        code: 'invalidOptions',
        message: `Nothing has to be repaired in ${targets.length === 1 ? (targets[0]?.tenant ?? 'the tenant') : `any of the ${targets.length} tenants`} (${what}). Nothing was changed.`,
        hint: `look with: ${aboutTenants(
          'migrate status',
          targets.map((one) => one.tenant),
          origin.flags,
        )}`,
      });
    const work = touched;
    await confirmTouched(invocation, selection, tenants, work.length, what, effects.repair);
    const requestOf = new Map(work.map(({ id, request }) => [id, request]));
    const chosen = targets.filter((one) => requestOf.has(one.tenant));
    const done = await tenants.each(chosen, async (migrator, target): Promise<Repaired> => {
      try {
        return { target, report: await migrator.repair(requestOf.get(target.tenant) ?? wanted), error: null };
      } catch (error) {
        return { target, report: null, error: toMigrationError(error) };
      }
    });
    const connection = await service.connection();
    if (options.json === true) writeDocument(invocation, service.name, connection.settings.database, done);
    else {
      output.line(heading(origin.label, connection, output.colours));
      tell(invocation, done, targets.length);
    }
    const broken = done.filter((one) => one.error !== null);
    for (const { target, error } of broken) if (error !== null) tellError(invocation, named(error, target.tenant, origin.flags));
    const unread = failures.map((one) => one.tenant);
    if (unread.length > 0) output.log(`${output.colours.red('✗')} ${tenantNames(unread, 'first')}: cannot be read, and was left as it is`);
    const bad = broken.length + unread.length;
    const [first] = broken;
    if (bad === 0) return exit.done;
    if (bad < targets.length) return exit.someTenantsFailed;
    return first?.error == null ? exit.failed : exitCodeOf(first.error, 'up', invocation.stoppedBy());
  });
}

/** A version that neither the source nor any of them has is a slip of the hand. Nothing is said where none of them could be read. */
function refuseUnknown({ accept, markApplied, markUndone }: Wanted, names: readonly string[], statuses: readonly Status[]): void {
  if (statuses.length === 0) return;
  const rows = statuses.flatMap(({ applied, interrupted }) => [...applied, ...interrupted].map((row) => row.name));
  const known = [...new Set([...names, ...rows])];
  for (const version of [...accept, ...markApplied, ...markUndone]) {
    const answer = findVersion(version, known);
    if (answer.kind !== 'none') continue;
    const near = answer.suggestions.length > 0 ? ` Did you mean ${answer.suggestions.join(' or ')}?` : '';
    throw new MigrationError({ code: 'invalidOptions', message: `There is no migration "${version}".${near} Nothing was changed.` });
  }
}

/** What of it there is to do for tenants that stand so; `null`: nothing. */
function applicable({ accept, markApplied, markUndone }: Wanted, names: readonly string[], { applied, interrupted, problems }: Status): Wanted | null {
  const rows = [...applied, ...interrupted].map((row) => row.name);
  const isApplied = new Set(applied.map((row) => row.name));
  const changed = new Set(problems.filter((one) => one.code === 'changed').map((one) => one.name));
  const named = (version: string, among: readonly string[]): string | null => {
    const answer = findVersion(version, among);
    return answer.kind === 'found' ? answer.name : null;
  };
  const request = {
    accept: accept.filter((version) => changed.has(named(version, names) ?? '')),
    markApplied: markApplied.filter((version) => {
      const name = named(version, names);
      return name !== null && !isApplied.has(name);
    }),
    markUndone: markUndone.filter((version) => named(version, rows) !== null),
  };
  return Object.values(request).every((versions) => versions.length === 0) ? null : request;
}

function tell({ output, options }: Invocation, done: readonly Repaired[], total: number): void {
  const { colours } = output;
  const alike = new Map<string, string[]>();
  for (const { target, report } of done) {
    if (report === null) continue;
    const words = [
      ...report.accepted.map((name) => `${colours.green('✓')} ${printable(name)}: accepted as its file is now`),
      ...report.markedUndone.map((name) => `${colours.yellow('↶')} ${printable(name)}: marked as undone`),
      ...report.markedApplied.map((name) => `${colours.green('✓')} ${printable(name)}: marked as applied`),
    ];
    for (const word of words) alike.set(word, [...(alike.get(word) ?? []), target.tenant]);
  }
  for (const [word, tenants] of alike) output.line(`  ${word} (${tenantNames(tenants, options.verbose === true ? 'all' : 'few')})`);
  const repaired = done.filter((one) => one.report !== null).length;
  output.line(`  ${plural(total, 'tenant')}: ${repaired} repaired.${repaired > 0 ? ' Only the history was changed.' : ''}`);
}

function named(error: MigrationError, tenant: string, flags: string): MigrationError {
  const { code, hint, sqlState } = error;
  return new MigrationError({
    code,
    message: `${tenant}: ${aboutTenants(error.message, [tenant], flags)}`,
    hint: hint === null ? undefined : aboutTenants(hint, [tenant], flags),
    sqlState: sqlState ?? undefined,
    cause: error.cause,
  });
}

function writeDocument({ output }: Invocation, service: string, standard: string, done: readonly Repaired[]): void {
  const document = new ServicesDocument(output);
  document.begin(service);
  for (const { target, report, error } of done) {
    const { tenant, schema = null, database = null } = target;
    const { accepted = [], markedApplied = [], markedUndone = [] } = report ?? {};
    const failed = error === null ? null : { code: error.code, message: error.message, sqlState: error.sqlState };
    document.add({ target: targetName({ schema, database }, standard), tenant, accepted, markedApplied, markedUndone, failed });
  }
  document.close();
  document.end();
}
