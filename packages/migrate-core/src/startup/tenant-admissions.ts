/** What is known of each tenant, and the work that makes it current. */

import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';

import { MigrationError } from '../errors.ts';
import type { Fleet } from '../fleet.ts';
import { failureResult, type FleetEvent, type FleetReport, type TenantResult } from '../fleet/report.ts';
import type { Failure } from '../report.ts';
import type { StartMode } from '../startup.ts';
import type { Tenant } from '../tenancy.ts';
import {
  tenantStartupDefaults,
  type TenantAdmission,
  type TenantRefusal,
  type TenantStartup,
  type TenantStartupOptions,
  type TenantSummary,
} from '../tenant-startup.ts';
import { refuseForGood, unfinished } from './pending.ts';

type Entry =
  | { readonly phase: 'current'; readonly tenant: Tenant; readonly at: number }
  | { readonly phase: 'unchecked' | 'behind'; readonly tenant: Tenant }
  /** It was current, and then a request found otherwise: somebody may have taken it back, which is not ours to undo. */
  | { readonly phase: 'doubted' | 'takenBack'; readonly tenant: Tenant; readonly until: number }
  /** Nobody tries again before `until`. */
  | { readonly phase: 'failed'; readonly tenant: Tenant; readonly failure: Failure; readonly times: number; readonly until: number }
  | { readonly phase: 'notServed'; readonly why: TenantRefusal; readonly until: number };

interface Work {
  /** It is known how the tenant stands. */
  readonly looked: Promise<void>;
  readonly done: Promise<void>;
}

const LONGEST_RETRY_MS = 300_000;
/** How long a request waits for a look: many may have to be looked at at once, and most are current. */
const LOOK_MS = 3_000;
/** A doubt about a tenant that was looked at so recently is no news. */
const LOOKED_MS = 5_000;
/** Ids that nobody has are remembered for a moment only, and never so many that they would fill the memory. */
const MOST_ABSENT = 10_000;
/** Failures that pass by themselves, or when somebody else has done something: worth another pass without being asked. */
const PASSING: ReadonlySet<string> = new Set(['connection', 'lockTimeout', 'unmetRequirement']);

export class TenantAdmissions implements TenantStartup {
  readonly #options: TenantStartupOptions;
  readonly #mode: StartMode;
  readonly #fleet: Pick<Fleet, 'up' | 'status' | 'migrator'>;
  readonly #entries = new Map<string, Entry>();
  /** One at a time for each tenant, whoever asks. */
  readonly #work = new Map<string, Work>();
  /** Looks are short; a migration that takes its time must not keep the look at a tenant that is current waiting. */
  readonly #looks: LimitFunction;
  readonly #migrations: LimitFunction;
  readonly #background: Promise<void>;
  readonly done: Promise<FleetReport | null>;
  #absent = 0;

  constructor(options: TenantStartupOptions) {
    const { urgentConcurrency = tenantStartupDefaults.urgentConcurrency } = options;
    this.#options = options;
    this.#mode = options.mode ?? 'run';
    this.#looks = pLimit(urgentConcurrency);
    this.#migrations = pLimit(urgentConcurrency);
    this.#fleet = options.tenancy.fleet((event) => this.#hear(event));
    const first = Promise.withResolvers<FleetReport | null>();
    this.done = first.promise;
    this.#background = this.#passes(first.resolve)
      // Only the signal ends it otherwise.
      .catch(() => undefined)
      .finally(() => first.resolve(null));
  }

  admitted(id: string): Tenant | null {
    const entry = this.#entries.get(id);
    return entry?.phase === 'current' ? entry.tenant : null;
  }

  async admit(id: string): Promise<TenantAdmission> {
    const now = performance.now();
    const entry = this.#entries.get(id);
    const settled = entry?.phase === 'current' || (entry !== undefined && 'until' in entry && now < entry.until);
    if (!settled && !this.#stopped) {
      const { patienceMs = tenantStartupDefaults.patienceMs } = this.#options;
      const { looked, done } = this.#begin(id);
      await within(LOOK_MS, looked);
      if (this.#entries.get(id)?.phase === 'behind') await within(patienceMs, done);
    }
    return this.#answer(id);
  }

  doubt(id: string): void {
    const entry = this.#entries.get(id);
    const now = performance.now();
    if (entry?.phase === 'current' && now - entry.at > LOOKED_MS) this.#set(id, { phase: 'doubted', tenant: entry.tenant, until: now });
  }

  forget(id: string): void {
    if (this.#entries.get(id)?.phase === 'notServed') this.#absent--;
    this.#entries.delete(id);
  }

  summary(): TenantSummary {
    const counts = { current: 0, behind: 0, failed: 0, unchecked: 0 };
    for (const { phase } of this.#entries.values()) {
      if (phase === 'doubted') counts.unchecked++;
      else if (phase === 'takenBack') counts.behind++;
      else if (phase !== 'notServed') counts[phase]++;
    }
    return { total: counts.current + counts.behind + counts.failed + counts.unchecked, ...counts };
  }

  async settled(): Promise<void> {
    await this.#background;
    await Promise.all([...this.#work.values()].map(({ done }) => done));
  }

  get #stopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #answer(id: string): TenantAdmission {
    const entry = this.#entries.get(id);
    const refused = (why: TenantRefusal, retryAfterMs: number, failure: Failure | null = null): TenantAdmission => ({
      kind: 'refused',
      why,
      retryAfterMs: Math.max(retryAfterMs, 1_000),
      failure,
    });
    switch (entry?.phase) {
      case 'current':
        return { kind: 'admitted', tenant: entry.tenant };
      case 'failed':
        return refused('failed', entry.until - performance.now(), entry.failure);
      case 'notServed':
        return refused(entry.why, entry.until - performance.now());
      case 'behind':
        return refused('behind', 1_000);
      case 'takenBack':
        return refused('behind', entry.until - performance.now());
      // The registry, or the tenant's place, has not answered in time.
      default:
        return refused('unreachable', 1_000);
    }
  }

  #set(id: string, entry: Entry): void {
    this.forget(id);
    if (entry.phase === 'notServed' && ++this.#absent > MOST_ABSENT) {
      for (const [other, { phase }] of this.#entries) if (phase === 'notServed') this.#entries.delete(other);
      this.#absent = 1;
    }
    this.#entries.set(id, entry);
  }

  #current(tenant: Tenant): void {
    this.#set(tenant.id, { phase: 'current', tenant, at: performance.now() });
  }

  #failed(tenant: Tenant, failure: Failure): void {
    const { retryMs = tenantStartupDefaults.retryMs } = this.#options;
    const before = this.#entries.get(tenant.id);
    const times = before?.phase === 'failed' ? before.times + 1 : 1;
    const until = performance.now() + Math.min(retryMs * 2 ** (times - 1), LONGEST_RETRY_MS) * (0.75 + Math.random() / 2);
    this.#set(tenant.id, { phase: 'failed', tenant, failure, times, until });
  }

  /** Makes sure that somebody is at this tenant. Its promises never reject. */
  #begin(id: string): Work {
    const known = this.#work.get(id);
    if (known !== undefined) return known;
    const look = Promise.withResolvers<void>();
    const done = this.#bring(id, look.resolve).finally(() => {
      look.resolve();
      this.#work.delete(id);
    });
    const work = { looked: look.promise, done };
    this.#work.set(id, work);
    return work;
  }

  async #bring(id: string, looked: () => void): Promise<void> {
    const entry = this.#entries.get(id);
    const wasCurrent = entry?.phase === 'doubted' || entry?.phase === 'takenBack';
    let tenant = entry === undefined || entry.phase === 'notServed' || wasCurrent ? null : entry.tenant;
    try {
      tenant ??= await this.#looks(() => this.#register(id));
      if (tenant === null) return;
      if (this.#mode === 'off') return this.#current(tenant);
      const migrator = await this.#fleet.migrator(this.#options.tenancy.target(tenant));
      const status = await this.#looks(() => migrator.status());
      refuseForGood(status);
      if (unfinished(status).length === 0) return this.#current(tenant);
      if (wasCurrent) return this.#set(id, { phase: 'takenBack', tenant, until: performance.now() + LOOKED_MS });
      // One that failed before stays that, with its back-off, until it is known to be better.
      if (this.#entries.get(id)?.phase !== 'failed') this.#set(id, { phase: 'behind', tenant });
      if (this.#mode !== 'run') return;
      looked();
      await this.#migrations(() => migrator.up());
      this.#current(tenant);
    } catch (error) {
      if (this.#stopped || (error instanceof MigrationError && error.code === 'aborted')) return;
      if (tenant === null) return this.#set(id, { phase: 'notServed', why: 'unreachable', until: performance.now() + 1_000 });
      const result = failureResult(this.#options.tenancy.target(tenant), error);
      if (result.failed !== null) this.#failed(tenant, result.failed);
      this.#options.onEvent?.({ type: 'result', result, done: 1 });
    }
  }

  /** What the registry says; a tenant that may be served is in the entries then. */
  async #register(id: string): Promise<Tenant | null> {
    const { tenancy, absentMs = tenantStartupDefaults.absentMs } = this.#options;
    const tenant = await tenancy.find(id);
    if (tenant?.status === 'active') {
      this.#set(id, { phase: 'unchecked', tenant });
      return tenant;
    }
    const why = tenant === null ? 'absent' : tenant.status === 'archived' ? 'archived' : 'provisioning';
    this.#set(id, { phase: 'notServed', why, until: performance.now() + absentMs });
    return null;
  }

  /** Over all tenants, until none is left that another pass could help. */
  async #passes(first: (report: FleetReport | null) => void): Promise<void> {
    const { retryMs = tenantStartupDefaults.retryMs, pollMs = tenantStartupDefaults.pollMs, signal } = this.#options;
    // Deferred, so that the caller has its start-up before the first event.
    await Promise.resolve();
    for (let failures = 0; !this.#stopped;) {
      const began = performance.now();
      let again = false;
      try {
        await this.#list();
        if (this.#mode === 'run') {
          const report = await this.#fleet.up({ concurrency: this.#options.concurrency ?? tenantStartupDefaults.concurrency });
          first(report);
          again = report.failures.some(({ failed }) => failed !== null && PASSING.has(failed.code));
        } else {
          if (this.#mode === 'wait') await this.#survey();
          first(null);
        }
        if (this.#mode === 'wait') {
          if (this.#isWhole()) return;
          // A look at thousands takes a while itself, and is not to become the server's main work.
          await sleep(Math.max(pollMs, 10 * (performance.now() - began)), undefined, { signal });
          continue;
        }
        if (!again) return;
      } catch (error) {
        if (this.#stopped) return;
        this.#options.onTrouble?.(
          error instanceof MigrationError ? error : new MigrationError({ code: 'connection', message: (error as Error).message, cause: error }),
        );
      }
      await sleep(Math.min(retryMs * 2 ** failures++, LONGEST_RETRY_MS) * (0.75 + Math.random() / 2), undefined, { signal });
    }
  }

  async #list(): Promise<void> {
    for (const tenant of await this.#options.tenancy.list()) {
      if (tenant.status !== 'active') continue;
      const entry = this.#entries.get(tenant.id);
      if (entry === undefined || entry.phase === 'notServed')
        this.#set(tenant.id, { phase: this.#mode === 'off' ? 'current' : 'unchecked', tenant, at: performance.now() });
    }
  }

  /** Mode `wait`: who is current by now. */
  async #survey(): Promise<void> {
    const { groups, failures } = await this.#fleet.status();
    for (const { tenants, status } of groups) {
      let failure: TenantResult | null = null;
      try {
        refuseForGood(status);
      } catch (error) {
        failure = failureResult({ tenant: tenants[0] ?? '' }, error);
      }
      const current = failure === null && unfinished(status).length === 0;
      for (const id of tenants) {
        const tenant = this.#tenantOf(id);
        if (tenant === null || this.#work.has(id)) continue;
        if (current) this.#current(tenant);
        else if (failure?.failed) this.#failed(tenant, failure.failed);
        else this.#set(id, { phase: 'behind', tenant });
      }
    }
    for (const { tenant: id, failed } of failures) {
      const tenant = this.#tenantOf(id);
      if (tenant !== null && failed !== null) this.#failed(tenant, failed);
    }
  }

  #isWhole(): boolean {
    const { total, current } = this.summary();
    return total === current;
  }

  #tenantOf(id: string): Tenant | null {
    const entry = this.#entries.get(id);
    return entry === undefined || entry.phase === 'notServed' ? null : entry.tenant;
  }

  #hear(event: FleetEvent): void {
    this.#options.onEvent?.(event);
    if (event.type === 'connectionLost' || event.type === 'fewConnections') return;
    const id = event.type === 'result' ? event.result.tenant : event.tenant;
    const tenant = this.#tenantOf(id);
    // One that was created since: the first request finds it.
    if (tenant === null) return;
    if (event.type === 'tenant') {
      if (event.event.type === 'planned' && event.event.steps.length > 0 && this.admitted(id) === null && this.#entries.get(id)?.phase === 'unchecked')
        this.#set(id, { phase: 'behind', tenant });
      return;
    }
    const { outcome, failed } = event.result;
    if (outcome === 'upToDate' || outcome === 'applied') this.#current(tenant);
    // A request's own attempt is under way, and knows better.
    else if (outcome === 'failed' && failed !== null && !this.#work.has(id)) this.#failed(tenant, failed);
  }
}

/** Until the work is done, but not longer. */
async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  const late = new AbortController();
  await Promise.race([work, sleep(milliseconds, undefined, { signal: late.signal }).catch(() => undefined)]);
  late.abort();
}
