/** `migrate check`: files, names, order, directives and requirements without a server; then whether every down undoes its up, on a scratch database. */

import type { RequirementProblem } from '@org/migrate-core';

import { checkPart, isRoundTrip, type CheckedPart, type Finding } from '../check/part.ts';
import type { CommandModule } from '../commands.ts';
import { exit, exitCodeOf } from '../exit.ts';
import { tenantQuery } from '../fleet/tenant-list.ts';
import type { Invocation } from '../invocation.ts';
import type { About } from '../located.ts';
import { outputOptions, placeOptions, type SourceName } from '../options.ts';
import { renderError, styleOf } from '../render/error.ts';
import { plural, printable, printableText } from '../render/text.ts';
import { scopeOf, type Scope } from '../scope.ts';
import { inOrder, selectServices, type Selection } from '../selection.ts';
import { orderOf } from '../service-order.ts';
import { readMigrations, type Service } from '../service.ts';
import { findWorkspace, shown } from '../workspace.ts';

export const command: CommandModule = {
  help: `Without a server: every file is parsed, names and numbers are looked at, directives are known ones, and what services require
of each other can be brought in an order. Then, where a server is at hand, every migration goes up, down and up again on a scratch
database that is dropped at the end, and the whole schema is compared in between. Of a service with tenants, what each of them has is tried in a schema, or a database, of its own;
what it says of the schema public, and nobody can tell whether the tenant's is meant, is a warning.`,
  options: [...placeOptions, 'tenantSchemas', 'source', ...outputOptions],
  examples: [
    ['migrate check', 'everything, for every service'],
    ['migrate check --service patient --json', 'one service, for a program'],
    ['migrate check --dir ./migrations --url postgres://…', 'a folder, with a server for the round trip'],
    ['migrate check --dir ./migrations --tenant-schemas "SELECT schema_name FROM tenants"', 'a folder that is for each of these schemas'],
  ],
  run: runCheck,
};

async function runCheck(invocation: Invocation): ReturnType<CommandModule['run']> {
  const { output, options } = invocation;
  const broken = await brokenGraph(invocation);
  const selection = broken === null ? await selectServices(invocation) : null;
  const scope: Scope = selection === null ? { kind: 'services', shared: [], tenants: [] } : scopeOf(options, selection, 'both');
  if (scope.kind === 'query') tenantQuery(options);
  const checks: CheckedPart[] = [];
  for (const service of selection?.services ?? []) {
    for (const source of sourcesOf(scope, service)) {
      const shared = checks.find((one) => one.service === service) ?? null;
      const part = await checkPart(invocation, service, source, shared);
      checks.push(part);
      tellPart(invocation, part);
    }
  }
  const problems = broken ?? (selection === null ? [] : await requirementProblems(selection));
  for (const problem of problems) output.line(`${output.colours.red('✗')} ${printableText(problem.message)}`);
  const severities = [...checks.flatMap((one) => one.findings.map(({ severity }) => severity)), ...problems.map(() => 'error' as const)];
  const errors = severities.filter((one) => one === 'error').length;
  const warnings = severities.length - errors;
  tellSummary(invocation, checks, errors, warnings);
  if (options.json === true) output.document(JSON.stringify(documentOf(checks, problems, errors, warnings), null, 2));
  const failed = checks.find((one) => one.error !== null)?.error;
  if (failed !== undefined && failed !== null) return exitCodeOf(failed, 'up', invocation.stoppedBy());
  return errors > 0 ? exit.failed : exit.done;
}

/** The query itself is not asked: whoever the tenants are, their migrations are the same. */
function sourcesOf(scope: Scope, service: Service): SourceName[] {
  if (scope.kind === 'query') return ['tenant'];
  const { shared, tenants } = scope;
  return [...(shared.includes(service) ? (['shared'] as const) : []), ...(tenants.includes(service) ? (['tenant'] as const) : [])];
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

function tellPart(invocation: Invocation, check: CheckedPart): void {
  const { output, cwd } = invocation;
  const { colours } = output;
  const { service, source, migrations, findings, roundTrip, without, error } = check;
  const { folder, label } =
    source === 'tenant' && service.tenants !== null
      ? { folder: service.tenants.folder, label: service.tenants.source.label }
      : { folder: service.migrations, label: service.source.label };
  const where = folder === null ? label : shown(folder, cwd);
  const name = `${service.name}${source === 'tenant' ? ' tenants' : ''}`;
  output.line(`${colours.bold(printable(name))}  ${plural(migrations, 'migration')} in ${printable(where)}`);
  const offline = findings.filter((one) => !isRoundTrip(one));
  const about = source === 'tenant' ? undefined : service.about;
  for (const finding of offline) tellFinding(invocation, finding, about);
  if (offline.every(({ severity }) => severity === 'warning') && migrations > 0) output.line(`  ${colours.green('✓')} files, names, order and directives`);
  if (roundTrip !== null) {
    for (const finding of findings.filter(isRoundTrip)) tellFinding(invocation, finding, about);
    output.line(
      `  ${roundTrip.clean.length === migrations ? colours.green('✓') : colours.yellow('!')} up, down and up again: ${roundTrip.clean.length} of ${migrations} left everything as it was`,
    );
    if (roundTrip.notTried.length > 0)
      output.line(`  ${colours.yellow('!')} not tried, since an earlier one does not go up: ${printable(roundTrip.notTried.join(', '))}`);
  } else if (error === null && migrations > 0) output.line(`  ${colours.yellow('!')} no round trip: ${without}`);
  if (error !== null) output.log(renderError(error, styleOf(invocation, service.about)));
}

function tellFinding({ output, cwd }: Invocation, { severity, message, hint, file, position }: Finding, about: About | undefined): void {
  const { colours } = output;
  const [first = '', ...more] = printableText(output.located(message, about)).split('\n');
  output.line(`  ${severity === 'error' ? colours.red('✗') : colours.yellow('!')} ${first}`);
  for (const line of more) output.line(`    ${line}`);
  const at = position?.file ?? file;
  if (at !== null) output.line(`    ${colours.cyan(`${printable(shown(at, cwd))}${position === null ? '' : `:${position.line}:${position.column}`}`)}`);
  if (hint !== null) output.line(`    ${colours.cyan('→')} ${printableText(output.located(hint, about))}`);
}

function tellSummary({ output }: Invocation, checks: readonly CheckedPart[], errors: number, warnings: number): void {
  const { colours } = output;
  const counts = [...(errors > 0 ? [colours.red(plural(errors, 'error'))] : []), ...(warnings > 0 ? [colours.yellow(plural(warnings, 'warning'))] : [])];
  const unfinished = [...new Set(checks.filter((one) => one.error !== null).map((one) => printable(one.service.name)))];
  if (unfinished.length > 0) counts.push(`not finished: ${unfinished.join(', ')}`);
  const services = new Set(checks.map((one) => one.service)).size;
  output.line(
    `${services === 0 ? 'Nothing was tried' : `${plural(services, 'service')} checked`}: ${counts.length === 0 ? colours.green('nothing found') : counts.join(', ')}.`,
  );
}

function documentOf(checks: readonly CheckedPart[], problems: readonly RequirementProblem[], errors: number, warnings: number): object {
  const services = [...new Set(checks.map((one) => one.service))];
  return {
    services: services.map((service) => {
      const [shared, tenants] = (['shared', 'tenant'] as const).map((source) => checks.find((one) => one.service === service && one.source === source));
      return {
        service: service.name,
        ...(shared === undefined ? {} : partDocument(shared)),
        // There only for a service that has some.
        ...(tenants === undefined ? {} : { tenants: partDocument(tenants) }),
      };
    }),
    requirements: problems.map(({ code, migration, message }) => ({ code, service: migration?.service ?? null, migration: migration?.name ?? null, message })),
    errors,
    warnings,
  };
}

function partDocument({ migrations, findings, roundTrip, without, error }: CheckedPart): object {
  return {
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
  };
}
