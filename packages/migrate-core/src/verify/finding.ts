/** What a verification finds, as data. Pure. */

export type VerifyCode =
  /** The plan's own: see `ProblemCode`. */
  | 'changed'
  | 'unknownApplied'
  | 'renamed'
  | 'interrupted'
  | 'duplicate'
  | 'invalidMigration'
  /** The target was never migrated. */
  | 'notMigrated'
  /** A tenant's place is gone, or its history cannot be read. */
  | 'unreadable'
  /** A schema or database with a history of the service that the registry does not know. */
  | 'stray'
  | 'requiredTableAbsent'
  | 'historyWritable'
  | 'historyOwner'
  /** An object differs from what the applied migrations make. */
  | 'drift'
  | 'invalidIndex'
  | 'constraintNotValidated'
  /** Something could not be looked at, and why. */
  | 'notChecked'
  | RowLevelSecurityCode;

export type RowLevelSecurityCode =
  | 'noTenantColumn'
  | 'tenantColumnNullable'
  | 'noTenantIndex'
  | 'rowSecurityDisabled'
  | 'rowSecurityNotForced'
  | 'noPolicy'
  | 'policyWithoutUsing'
  | 'policyWithoutCheck'
  | 'policyWithoutSetting'
  | 'policyOpen'
  | 'partitionUnprotected'
  | 'foreignTable'
  | 'roleAbsent'
  | 'roleSuperuser'
  | 'roleBypasses'
  | 'roleOwns'
  | 'roleMember'
  | 'roleTruncates'
  | 'migratorCannotBypass'
  | 'viewBypasses'
  | 'materializedView'
  | 'definerFunction'
  | 'notAudited'
  /** An exception that names nothing: it would hide a mistake of that name later. */
  | 'unknownException'
  /** The live probe: one tenant reached another one's rows. */
  | 'leak';

export interface VerifyFinding {
  readonly code: VerifyCode;
  /** `warning`: worth knowing, and nothing is broken by it. */
  readonly severity: 'error' | 'warning';
  /** `table patients`, `policy tenant_isolation of table patients`; `null` where it is about the target as a whole. */
  readonly object: string | null;
  readonly message: string;
  /** What to type or do; `null` where there is nothing general to say. */
  readonly hint: string | null;
}

/** Errors first, else as they were found. */
export function inOrder(findings: readonly VerifyFinding[]): readonly VerifyFinding[] {
  return findings.toSorted((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
}
