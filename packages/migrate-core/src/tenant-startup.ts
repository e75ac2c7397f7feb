/**
 * Which tenants of a service can be served, from its start on: those that are current at once, the others as soon as they are migrated.
 * Begins when the shared source is current, and keeps nobody waiting but the requests of a tenant that is behind.
 */

import type { Fleet } from './fleet.ts';
import type { FleetEvent, FleetReport } from './fleet/report.ts';
import type { MigrationError } from './errors.ts';
import type { Failure } from './report.ts';
import type { StartMode } from './startup.ts';
import type { Tenancy, Tenant } from './tenancy.ts';

export interface TenantStartupOptions {
  /** Its signal is what cancels migrations in the server: give both the same. */
  readonly tenancy: Pick<Tenancy, 'list' | 'find' | 'target'> & { fleet(onEvent?: (event: FleetEvent) => void): Pick<Fleet, 'up' | 'status' | 'migrator'> };
  /**
   * `run`: tenants that are behind are migrated. `wait`: somebody else does that; looks, without writing, until they are current. `off`: whoever the
   * registry knows as active is served. Default `run`.
   */
  readonly mode?: StartMode | undefined;
  /** Tenants migrated at once in the background. Default 4. */
  readonly concurrency?: number | undefined;
  /** Tenants migrated at once because a request asked for them, beside those. Default 4. */
  readonly urgentConcurrency?: number | undefined;
  /** How long `admit` waits for a tenant that is behind; for a look at one that is not known yet, at most three seconds. Milliseconds, default 500. */
  readonly patienceMs?: number | undefined;
  /** After a tenant's failure no request tries again for so long; each further failure doubles it, up to 5 minutes. Milliseconds, default 5_000. */
  readonly retryMs?: number | undefined;
  /** How long it is believed that the registry does not know an id. Milliseconds, default 1_000. */
  readonly absentMs?: number | undefined;
  /** Mode `wait`: between two looks. Milliseconds, default 1_000. */
  readonly pollMs?: number | undefined;
  /** Aborting ends the work in the background; the record of each tenant stays true. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: FleetEvent) => void) | undefined;
  /** The registry could not be read, or nothing could be begun: it is tried again. */
  readonly onTrouble?: ((error: MigrationError) => void) | undefined;
}

/** Why a tenant is not served just now. */
export type TenantRefusal =
  /** The registry does not know it: perhaps not yet. */
  | 'absent'
  /** Put away. */
  | 'archived'
  /** It is being made, or making it was cut off. */
  | 'provisioning'
  /** Its migrations run, or wait for their turn. */
  | 'behind'
  /** Its migration failed; `failure` says why. */
  | 'failed'
  /** Its place or the registry cannot be asked. */
  | 'unreachable';

export type TenantAdmission =
  | { readonly kind: 'admitted'; readonly tenant: Tenant }
  | { readonly kind: 'refused'; readonly why: TenantRefusal; readonly retryAfterMs: number; readonly failure: Failure | null };

/** How many active tenants are known, and how they stand. */
export interface TenantSummary {
  readonly total: number;
  readonly current: number;
  readonly behind: number;
  readonly failed: number;
  /** Not looked at yet. */
  readonly unchecked: number;
}

export interface TenantStartup {
  /** A tenant that is known to be current: a lookup in a map. `null`: ask `admit`. */
  admitted(id: string): Tenant | null;
  /** Looks at this tenant, puts its migration first in line where it is behind, and waits for it a little. Never rejects. */
  admit(id: string): Promise<TenantAdmission>;
  /**
   * A request found that something is not there in this tenant's place: it is looked at again. Not more often than every few seconds; and where its
   * migrations were undone meanwhile they are not done again, since whoever did that wanted it so.
   */
  doubt(id: string): void;
  /** Its registration has changed: the registry is asked again. */
  forget(id: string): void;
  summary(): TenantSummary;
  /** The first pass over all tenants is over. `null` where nobody was migrated: in another mode than `run`, or stopped before. Never rejects. */
  readonly done: Promise<FleetReport | null>;
  /** After the signal: nothing is under way any more. */
  settled(): Promise<void>;
}

/** Defaults of `TenantStartupOptions`. Durations in milliseconds. */
export const tenantStartupDefaults = { concurrency: 4, urgentConcurrency: 4, patienceMs: 500, retryMs: 5_000, absentMs: 1_000, pollMs: 1_000 } as const;

const NOBODY: TenantSummary = { total: 0, current: 0, behind: 0, failed: 0, unchecked: 0 };

/**
 * Begins, and answers at once. A tenant's failure is its own: it ends neither the others' migrations nor the service.
 *
 * @example
 * const tenants = startTenants({ tenancy, signal });
 * const admission = await tenants.admit(id);
 * if (admission.kind === 'refused') reply.code(503).header('retry-after', Math.ceil(admission.retryAfterMs / 1000));
 */
export function startTenants(options: TenantStartupOptions): TenantStartup {
  // Until it has begun, nothing is known of any tenant.
  let begun: TenantStartup | null = null;
  // Loaded by whoever starts tenants: the command line, and a service without any, never need it.
  const loading = import('./startup/tenant-admissions.ts').then(({ TenantAdmissions }) => (begun = new TenantAdmissions(options)));
  return {
    admitted: (id) => begun?.admitted(id) ?? null,
    admit: async (id) => (await loading).admit(id),
    doubt: (id) => begun?.doubt(id),
    forget: (id) => begun?.forget(id),
    summary: () => begun?.summary() ?? NOBODY,
    done: loading.then((admissions) => admissions.done),
    settled: async () => (await loading).settled(),
  };
}
