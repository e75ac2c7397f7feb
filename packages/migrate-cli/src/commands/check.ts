/** `migrate check`: files, names, order, directives and requirements without a server; then whether every down undoes its up, on a scratch database. */

import {
  checkRoundTrip,
  checkSource,
  connectionTo,
  type ChosenConnection,
  type ConnectTo,
  type MigrationError,
  type RequirementProblem,
  type RoundTripFinding,
  type RoundTripReport,
  type SourceFinding,
} from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { toMigrationError } from '../connect-error.ts';
import { connector } from '../connect.ts';
import { isProduction } from '../environment.ts';
import { exit, exitCodeOf } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { outputOptions, placeOptions } from '../options.ts';
import { renderError } from '../render/error.ts';
import { Progress } from '../render/progress.ts';
import { plural, printable } from '../render/text.ts';
import { inOrder, selectServices, type Selection } from '../selection.ts';
import { orderOf } from '../service-order.ts';
import { readMigrations, type Service } from '../service.ts';
import { findWorkspace, shown } from '../workspace.ts';

export const command: CommandModule = {
  help: `Without a server: every file is parsed, names and numbers are looked at, directives are known ones, and what services require
of each other can be brought in an order. Then, where a server is at hand, every migration goes up, down and up again on a scratch
database that is dropped at the end, and the whole schema is compared in between.`,
  options: [...placeOptions, ...outputOptions],
  examples: [
    ['migrate check', 'everything, for every service'],
    ['migrate check --service patient --json', 'one service, for a program'],
    ['migrate check --dir ./migrations --url postgres://…', 'a folder, with a server for the round trip'],
  ],
  run: runCheck,
};

type Finding = SourceFinding | RoundTripFinding;

interface ServiceCheck {
  readonly service: Service;
  readonly migrations: number;
  readonly findings: readonly Finding[];
  readonly roundTrip: RoundTripReport | null;
  /** Why there was no round trip; `null` where there was one. */
  readonly without: string | null;
  /** What kept the check itself from being finished. */
  readonly error: MigrationError | null;
}

async function runCheck(invocation: Invocation): ReturnType<CommandModule['run']> {
  const { output, options } = invocation;
  const broken = await brokenGraph(invocation);
  const selection = broken === null ? await selectServices(invocation) : null;
  const checks: ServiceCheck[] = [];
  for (const service of selection?.services ?? []) {
    checks.push(await checkService(invocation, service));
    tellService(invocation, checks.at(-1) as ServiceCheck);
  }
  const problems = broken ?? (selection === null ? [] : await requirementProblems(selection));
  for (const problem of problems) output.line(`${output.colours.red('✗')} ${printable(problem.message)}`);
  const severities = [...checks.flatMap((one) => one.findings.map(({ severity }) => severity)), ...problems.map(() => 'error' as const)];
  const errors = severities.filter((one) => one === 'error').length;
  const warnings = severities.length - errors;
  tellSummary(invocation, checks, errors, warnings);
  if (options.json === true) output.document(JSON.stringify(documentOf(checks, problems, errors, warnings), null, 2));
  const failed = checks.find((one) => one.error !== null)?.error;
  if (failed !== undefined && failed !== null) return exitCodeOf(failed, 'up', invocation.stoppedBy());
  return errors > 0 ? exit.failed : exit.done;
}

/** Services that cannot be put in an order cannot be selected either: then their order is all there is to say. */
async function brokenGraph(invocation: Invocation): Promise<readonly RequirementProblem[] | null> {
  const workspace = invocation.options.dir === undefined ? findWorkspace(invocation.cwd) : null;
  if (workspace === null) return null;
  const services = (await workspace.services()).map(({ definition: { name, migrations, tenancy }, folder, packageName, dependencies }) => ({
    name,
    packageName,
    dependencies,
    source: readMigrations(migrations, folder).source,
    tenantSource: tenancy === undefined ? null : readMigrations(tenancy.migrations, folder).source,
  }));
  const problems = (await orderOf(services)).problems.filter(({ code }) => code === 'cycle' || code === 'uncovered');
  return problems.length > 0 ? problems : null;
}

/** What the selected services require that nobody has. Outside a workspace nobody knows what others have. */
async function requirementProblems(selection: Selection): Promise<readonly RequirementProblem[]> {
  const [first] = selection.services;
  if (first === undefined) return [];
  const services = [...new Set([...selection.services, ...(await selection.others(first))])];
  const alone = services.length === 1;
  const selected = new Set(selection.services.map((one) => one.name));
  return (await orderOf(services.map(inOrder))).problems.filter(
    ({ code, migration }) => (migration === null || selected.has(migration.service)) && !(alone && code === 'unknownService') && code !== 'uncovered',
  );
}

async function checkService(invocation: Invocation, service: Service): Promise<ServiceCheck> {
  const progress = new Progress(invocation.output.live);
  let migrations = 0;
  let findings: readonly Finding[] = [];
  try {
    const { listing, findings: offline } = await checkSource(service.source);
    migrations = listing.migrations.length;
    findings = offline;
    const without = reasonWithout(invocation, service, migrations, offline);
    if (without !== null) return { service, migrations, findings, roundTrip: null, without, error: null };
    const { definition, history, schema } = service.input;
    const roundTrip = await checkRoundTrip({
      service: service.name,
      source: service.source,
      connect: connectTo(service, await service.connection()),
      schema: schema ?? definition.schema,
      history: { table: history.table ?? definition.history?.table, schema: history.schema ?? definition.history?.schema },
      order: definition.order,
      signal: invocation.signal,
      onMigration: (name, index, count) => progress.show(`${printable(service.name)}: up, down and up again, ${index + 1} of ${count}: ${printable(name)}`),
    });
    return { service, migrations, findings: [...findings, ...roundTrip.findings], roundTrip, without: null, error: null };
  } catch (thrown) {
    return { service, migrations, findings, roundTrip: null, without: 'it could not be finished', error: toMigrationError(thrown) };
  } finally {
    progress.clear();
  }
}

function reasonWithout(invocation: Invocation, service: Service, migrations: number, findings: readonly SourceFinding[]): string | null {
  if (migrations === 0) return 'there is nothing to try';
  if (findings.some(({ severity }) => severity === 'error')) return 'the findings above come first';
  const { environment, local } = service.input;
  // A scratch database is made and dropped, and what concerns the whole server (roles) stays.
  if (isProduction(environment)) return 'not with NODE_ENV=production';
  if (service.named() === null && local === null)
    return `nothing names a server; give --url postgres://… ${invocation.options.dir === undefined ? 'or set DATABASE_URL' : ''}`.trim();
  return null;
}

/** The service's server, and on it any database. */
function connectTo(service: Service, chosen: ChosenConnection): ConnectTo {
  const { settings, source } = chosen;
  const at = (database: string): ChosenConnection => {
    // By name: the password is not enumerable.
    const { host, port, user, password, ssl, parameters } = settings;
    const other = connectionTo(source, { host, port, user, password }, database);
    return { ...other, settings: Object.assign(other.settings, { ssl, parameters }) };
  };
  return async (database) => {
    try {
      return await connector(async () => (database === null ? chosen : at(database)), service.input.connect)();
    } catch (error) {
      // The service's own database may not have been made yet: any other does for making one.
      if (database !== null || (error as { sqlState?: string | null }).sqlState !== '3D000') throw error;
      return connector(async () => at('postgres'), service.input.connect)();
    }
  };
}

function tellService(invocation: Invocation, check: ServiceCheck): void {
  const { output, cwd, options } = invocation;
  const { colours } = output;
  const { service, migrations, findings, roundTrip, without, error } = check;
  const where = service.migrations === null ? service.source.label : shown(service.migrations, cwd);
  output.line(`${colours.bold(printable(service.name))}  ${plural(migrations, 'migration')} in ${printable(where)}`);
  const offline = findings.filter((one) => !isRoundTrip(one));
  for (const finding of offline) tellFinding(invocation, finding);
  if (offline.every(({ severity }) => severity === 'warning') && migrations > 0) output.line(`  ${colours.green('✓')} files, names, order and directives`);
  if (roundTrip !== null) {
    for (const finding of findings.filter(isRoundTrip)) tellFinding(invocation, finding);
    output.line(
      `  ${roundTrip.clean.length === migrations ? colours.green('✓') : colours.yellow('!')} up, down and up again: ${roundTrip.clean.length} of ${migrations} left everything as it was`,
    );
    if (roundTrip.notTried.length > 0)
      output.line(`  ${colours.yellow('!')} not tried, since an earlier one does not go up: ${printable(roundTrip.notTried.join(', '))}`);
  } else if (error === null && migrations > 0) output.line(`  ${colours.yellow('!')} no round trip: ${without}`);
  if (error !== null) output.log(renderError(error, { colours, verbose: options.verbose === true, showData: options.showData === true, cwd }));
}

function isRoundTrip(finding: Finding): finding is RoundTripFinding {
  return 'differences' in finding;
}

function tellFinding({ output, cwd }: Invocation, { severity, message, hint, file, position }: Finding): void {
  const { colours } = output;
  const [first = '', ...more] = printable(message).split('\n');
  output.line(`  ${severity === 'error' ? colours.red('✗') : colours.yellow('!')} ${first}`);
  for (const line of more) output.line(`    ${line}`);
  const at = position?.file ?? file;
  if (at !== null) output.line(`    ${colours.cyan(`${printable(shown(at, cwd))}${position === null ? '' : `:${position.line}:${position.column}`}`)}`);
  if (hint !== null) output.line(`    ${colours.cyan('→')} ${printable(hint)}`);
}

function tellSummary({ output }: Invocation, checks: readonly ServiceCheck[], errors: number, warnings: number): void {
  const { colours } = output;
  const counts = [...(errors > 0 ? [colours.red(plural(errors, 'error'))] : []), ...(warnings > 0 ? [colours.yellow(plural(warnings, 'warning'))] : [])];
  const unfinished = checks.filter((one) => one.error !== null).map((one) => printable(one.service.name));
  if (unfinished.length > 0) counts.push(`not finished: ${unfinished.join(', ')}`);
  output.line(
    `${checks.length === 0 ? 'Nothing was tried' : `${plural(checks.length, 'service')} checked`}: ${counts.length === 0 ? colours.green('nothing found') : counts.join(', ')}.`,
  );
}

function documentOf(checks: readonly ServiceCheck[], problems: readonly RequirementProblem[], errors: number, warnings: number): object {
  return {
    services: checks.map(({ service, migrations, findings, roundTrip, without, error }) => ({
      service: service.name,
      migrations,
      findings: findings.map((one) => ({
        code: one.code,
        severity: one.severity,
        migration: one.migration,
        message: one.message,
        hint: one.hint,
        file: one.position?.file ?? one.file,
        line: one.position?.line ?? null,
        column: one.position?.column ?? null,
        sqlState: isRoundTrip(one) ? one.sqlState : null,
        differences: isRoundTrip(one) ? one.differences.map(({ change, name, before, after }) => ({ change, name, before, after })) : [],
      })),
      roundTrip: roundTrip === null ? null : { clean: roundTrip.clean, notTried: roundTrip.notTried },
      withoutRoundTrip: without,
      error: error === null ? null : { code: error.code, message: error.message, hint: error.hint },
    })),
    requirements: problems.map(({ code, migration, message }) => ({ code, service: migration?.service ?? null, migration: migration?.name ?? null, message })),
    errors,
    warnings,
  };
}
