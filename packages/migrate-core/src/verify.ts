/** Whether targets are what their histories say, and keep tenants apart. Loaded when it is asked for. */

import type { FleetTarget } from './fleet/target.ts';
import type { DatabaseClient } from './session.ts';
import type { LostTenant, TenantStrays } from './tenancy.ts';
import type { RowLevelSecurityOptions, RowLevelSecurityReport } from './verify/row-level-security.ts';
import type { TargetVerification, VerifierOptions } from './verify/verifier.ts';

export interface VerifyOptions extends VerifierOptions {
  /** Default `public`. */
  readonly schema?: string | undefined;
  /** Schemas behind that one on the search path, as of a migrator. */
  readonly searchPath?: readonly string[] | undefined;
}

export interface FleetVerifyOptions extends VerifierOptions {
  /** The tenants: a list, or whatever hands them out one by one. */
  readonly targets: () => AsyncIterable<FleetTarget> | Iterable<FleetTarget>;
  /** What the registry and the server do not agree on (`tenancy.strays()`). Default: not asked. */
  readonly strays?: (() => Promise<Pick<TenantStrays, 'unknown'>>) | undefined;
  /** What became of a tenant whose place is not there, or was never migrated (`tenancy.lost()`): its only finding then. Default: not asked. */
  readonly lostTenant?: ((target: FleetTarget) => Promise<LostTenant | null>) | undefined;
  /** Pieces of 200 tenants at once. Default 4. */
  readonly concurrency?: number | undefined;
}

/**
 * Verifies one target: its history against the source, who may write the history, required tables, every object against what the applied migrations make
 * (replayed in a scratch database of the same server, which needs CREATEDB), and row-level security where the service uses it. What cannot be looked at is
 * a finding `notChecked`. Writes nothing to the target but gaps in sequences; run it as the role that migrates.
 *
 * @throws MigrationError `foreignHistory` for a history that is another tool's, `connection`, `aborted`, `lockTimeout` where somebody has a table locked.
 */
export async function verify(options: VerifyOptions): Promise<TargetVerification> {
  const [{ Verifier }, { Session }] = await Promise.all([import('./verify/verifier.ts'), import('./session.ts')]);
  const session = await Session.open(() => options.connect(null));
  try {
    const { schema, searchPath } = options;
    return await new Verifier(options).verify(session, { tenant: null, schema, searchPath });
  } finally {
    await session.close();
  }
}

/**
 * Verifies the tenants of a fleet, each as `verify` does. What the applied migrations make is found out once for each distinct history, and compared by
 * hash. Row-level security is verified once for each distinct catalogue. Results come as they are ready; one tenant's error is its own finding.
 *
 * @throws MigrationError `invalidOptions` for a target that cannot be one, `aborted`.
 */
export async function* verifyFleet(options: FleetVerifyOptions): AsyncGenerator<TargetVerification, void, undefined> {
  const { verifyTargets } = await import('./verify/fleet-verification.ts');
  yield* verifyTargets(options);
}

/** See `row-level-security.ts`: the rules and the trial by themselves, on a connection of the role that migrates. */
export async function verifyRowLevelSecurity(client: DatabaseClient, options: RowLevelSecurityOptions): Promise<RowLevelSecurityReport> {
  const [{ verifyRowLevelSecurity: run }, { Session }] = await Promise.all([import('./verify/row-level-security.ts'), import('./session.ts')]);
  return Session.borrow(client, (session) => run(session, options));
}
