/** `verify` over services and their tenants, one after the other. */

import {
  verify,
  verifyFleet,
  type ConnectTo,
  type MigrationError,
  type ProbeReport,
  type SharedPart,
  type TargetVerification,
  type VerifierOptions,
  type VerifyFinding,
} from '@org/migrate-core';

import { toMigrationError } from '../connect-error.ts';
import { isProduction } from '../environment.ts';
import { exit, exitCodeOf, type ExitCode } from '../exit.ts';
import { ServicesDocument, targetName } from '../fleet/document.ts';
import { registryOrigin } from '../fleet/registry-list.ts';
import { noTenants, tellError } from '../fleet/run.ts';
import { ServiceFleet, type TenantOrigin } from '../fleet/service-fleet.ts';
import { queryOrigin, serviceOfTenants, tenantQuery, type TenantKind } from '../fleet/tenant-list.ts';
import type { Invocation } from '../invocation.ts';
import { errorKeys } from '../render/document.ts';
import { Heartbeat } from '../render/heartbeat.ts';
import { Progress } from '../render/progress.ts';
import { heading, plural } from '../render/text.ts';
import type { Scope } from '../scope.ts';
import type { Selection } from '../selection.ts';
import type { Service } from '../service.ts';
import { Alike } from './alike.ts';
import { renderSummary, renderTarget, renderTried, worded, type Tally } from './render.ts';

/** @returns 0 nothing wrong (warnings are not), 1 an error, 4 only some of the tenants have errors. */
export async function verifyScope(invocation: Invocation, selection: Selection, scope: Scope): Promise<ExitCode> {
  const run = new Verification(invocation, selection.services.length);
  if (scope.kind === 'query') {
    const query = tenantQuery(invocation.options);
    const service = serviceOfTenants(selection, query);
    await run.service(service, { shared: false, tenants: { kind: query.kind, find: () => queryOrigin(invocation, service, query) } });
  } else {
    for (const service of selection.services) {
      const tenants = scope.tenants.includes(service) ? { kind: service.tenants?.mode ?? 'schema', find: () => registryOrigin(invocation, service) } : null;
      if (scope.shared.includes(service) || tenants !== null) await run.service(service, { shared: scope.shared.includes(service), tenants });
    }
  }
  return run.end();
}

interface Parts {
  readonly shared: boolean;
  readonly tenants: { readonly kind: TenantKind; readonly find: () => Promise<TenantOrigin> } | null;
}

class Verification {
  readonly #invocation: Invocation;
  readonly #document: ServicesDocument | null;
  /** One service alone throws what keeps it from being verified, as every command does. */
  readonly #alone: boolean;
  readonly #tally: Tally = { services: 0, errors: 0, warnings: 0, unfinished: [] };
  #codes: ExitCode[] = [];

  constructor(invocation: Invocation, services: number) {
    this.#invocation = invocation;
    this.#document = invocation.options.json === true ? new ServicesDocument(invocation.output) : null;
    this.#alone = services === 1;
  }

  async service(service: Service, parts: Parts): Promise<void> {
    this.#tally.services++;
    this.#document?.begin(service.name);
    let error: MigrationError | null = null;
    try {
      if (parts.shared) await this.#target(service);
      if (parts.tenants !== null) await this.#tenants(service, parts.tenants.kind, await parts.tenants.find());
    } catch (thrown) {
      if (this.#invocation.signal.aborted || (this.#alone && this.#document?.begun !== true)) throw thrown;
      error = toMigrationError(thrown);
      this.#invocation.output.line(heading(service.name, await service.connection().catch(() => null), this.#invocation.output.colours));
      tellError(this.#invocation, error);
      this.#tally.unfinished.push(service.name);
      this.#codes.push(exitCodeOf(error, 'up', this.#invocation.stoppedBy()));
    }
    this.#document?.close(error === null ? {} : { error: errorKeys(error) });
  }

  end(): ExitCode {
    this.#document?.end();
    this.#invocation.output.line(renderSummary(this.#tally, this.#invocation.output.colours));
    // What kept one from being verified at all comes first.
    return this.#codes.find((code) => code !== exit.someTenantsFailed) ?? this.#codes[0] ?? exit.done;
  }

  async #target(service: Service): Promise<void> {
    const { output, options } = this.#invocation;
    const { definition, schema = definition.schema } = service.input;
    const connection = await service.connection();
    const found = await verify({ ...this.#options(service), source: service.source, schema, shared: service.tenants === null ? undefined : {} });
    const verified = { ...found, findings: found.findings.map((one) => this.#hinted(one)) };
    const { errors } = this.#count(verified.findings);
    if (errors > 0) this.#codes.push(exit.failed);
    this.#document?.add(targetOf(verified, connection.settings.database));
    output.line(heading(service.name, connection, output.colours));
    const told = { ...verified, findings: verified.findings.map((one) => worded(one, (text) => output.located(text, service.about))) };
    for (const line of renderTarget(told, { colours: output.colours, verbose: options.verbose === true })) output.line(line);
  }

  async #tenants(service: Service, kind: TenantKind, origin: TenantOrigin): Promise<void> {
    const { output, options, signal } = this.#invocation;
    const connection = await service.connection();
    output.line(heading(origin.label, connection, output.colours));
    const progress = new Progress(output.live, signal);
    const alike = new Alike();
    // Once for each catalogue that they have: few.
    const probes: ProbeReport[] = [];
    let leaks = false;
    let done = 0;
    let wrong = 0;
    const { registry, targets } = origin;
    const since = performance.now();
    const heartbeat = new Heartbeat();
    heartbeat.start(output, options.json === true ? 'json' : 'text', () => {
      const left = done > 1 ? ((performance.now() - since) * (targets.length - done)) / done : null;
      return { done, total: targets.length, failed: wrong, left };
    });
    try {
      const verifying = verifyFleet({
        ...this.#options(service),
        // A tenant's history is in its own place.
        history: { table: service.history.table, scriptsSchema: origin.scriptsSchema },
        source: origin.source,
        targets: () => targets,
        requiredTables: service.input.definition.tenancy?.requiredTables,
        shared: sharedPart(service, kind),
        strays: registry === null || options.tenant !== undefined ? undefined : () => registry.tenancy.strays(),
        lostTenant: registry === null ? undefined : ({ tenant, schema, database }) => registry.tenancy.lost(tenant, schema ?? database),
        concurrency: options.concurrency,
      });
      for await (const found of verifying) {
        signal.throwIfAborted();
        const verified = { ...found, findings: found.findings.map((one) => this.#hinted(one)) };
        const { errors } = this.#count(verified.findings);
        if (found.tenant !== null) done++;
        if (errors > 0) wrong++;
        this.#document?.add(targetOf(verified, connection.settings.database));
        alike.add(verified);
        if (found.probe !== null) probes.push(found.probe);
        leaks ||= found.findings.some((one) => one.code === 'leak');
        progress.show(`${done} of ${targets.length} tenants verified`);
      }
    } finally {
      heartbeat.stop();
      progress.clear();
    }
    const style = { colours: output.colours, verbose: options.verbose === true };
    for (const line of alike.render(output.colours, style.verbose ? 'all' : 'first', origin.flags)) output.line(line);
    for (const line of renderTried(probes, leaks ? 'leaks' : 'holds', style)) output.line(line);
    if (targets.length === 0) output.line(`  ${await noTenants(new ServiceFleet(this.#invocation, service, origin))}`);
    else
      output.line(
        `  ${plural(done, 'tenant')} verified${wrong === 0 ? `: ${output.colours.green('none has an error')}` : `: ${output.colours.red(`${wrong} with errors`)}`}`,
      );
    if (wrong > 0) this.#codes.push(wrong < done ? exit.someTenantsFailed : exit.failed);
  }

  #options(service: Service): Omit<VerifierOptions, 'source'> {
    const { definition } = service.input;
    const { connector, history } = service;
    const connect: ConnectTo = (database) => (database === null ? connector.connect() : connector.connectTo(database));
    return {
      service: service.name,
      connect,
      history,
      rowLevelSecurity: definition.rowLevelSecurity,
      applicationRole: definition.applicationRole,
      scratch: this.#scratch(service),
      signal: this.#invocation.signal,
    };
  }

  /** In production a database is not made unasked, and what migrations do to the whole server is not done once more. */
  #scratch(service: Service): 'create' | 'none' {
    return isProduction(service.input.environment) && this.#invocation.options.allowProduction !== true ? 'none' : 'create';
  }

  #hinted(finding: VerifyFinding): VerifyFinding {
    if (finding.code !== 'notChecked' || !finding.message.endsWith('no scratch database was to be made')) return finding;
    return { ...finding, hint: 'with NODE_ENV=production it is made only with --allow-production' };
  }

  #count(findings: readonly VerifyFinding[]): { readonly errors: number } {
    const errors = findings.filter((one) => one.severity === 'error').length;
    this.#tally.errors += errors;
    this.#tally.warnings += findings.length - errors;
    return { errors };
  }
}

function sharedPart({ source, tenants, input }: Service, kind: TenantKind): SharedPart | undefined {
  if (tenants === null) return undefined;
  const { tenancy, schema } = input.definition;
  const { extensions, extensionsSchema } = tenancy ?? {};
  return { extensions, extensionsSchema, ...(kind === 'schema' ? { source, schema: input.schema ?? schema } : {}) };
}

function targetOf({ tenant, database, schema, findings, probe }: TargetVerification, standard: string): object {
  return {
    target: targetName({ schema, database }, standard),
    tenant,
    findings: findings.map(({ code, severity, object, message, hint }) => ({ code, severity, object, message, hint })),
    rowLevelSecurityTried: probe,
  };
}
