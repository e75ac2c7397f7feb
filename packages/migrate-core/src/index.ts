/** The public names of the library, by hand. */

export { MigrationError } from './errors.ts';
export { inQuotes } from './shell.ts';
export type { ErrorCode, SourcePosition } from './errors.ts';
export { createMigrator, defaults } from './migrator.ts';
export type { DetailedPlan, DownRequest, Migrator, MigratorOptions, UpRequest } from './migrator.ts';
export type { Status } from './status.ts';
export type { PlannedStep } from './engine/planned-step.ts';
export type { AppliedMigration, OrderPolicy, Plan, PlanRequest, Problem, ProblemCode, Step } from './plan.ts';
export type { Blocker, EventListener, Failure, LogEntry, MigrationEvent, Outcome, Report, StepReport, TargetName, WantedLock } from './report.ts';
export type { Dependant } from './requires.ts';
export { findVersion } from './migration.ts';
export { sourceNames } from './available.ts';
export type { Migration, MigrationSource, Requirement, SourceListing } from './migration.ts';
export type { Connect, DatabaseClient } from './session.ts';
export { defineService } from './service.ts';
export type { RowLevelSecurityDefinition, ServiceDefinition, TenancyDefinition } from './service.ts';
export { chooseConnection, connectionNeeded, connectionTo, displayConnection, environmentPrefix } from './connection.ts';
export { tlsOf, type TlsSettings } from './connection/tls.ts';
export type { ChosenConnection, ConnectionFlags, ConnectionRequest, ConnectionSettings, Environment } from './connection.ts';
export { startMigrations, startupDefaults } from './startup.ts';
export type { StartMode, Startup, StartupOptions, StartupOutcome, StartupState } from './startup.ts';
export { startTenants, tenantStartupDefaults } from './tenant-startup.ts';
export type { TenantAdmission, TenantRefusal, TenantStartup, TenantStartupOptions, TenantSummary } from './tenant-startup.ts';
export { checkRoundTrip, checkSource, readCatalog, readDatabaseCatalog } from './check.ts';
export { describeDifference, diffCatalogs } from './catalog/difference.ts';
export type { Catalog, CatalogDifference, CatalogOptions, CatalogReader } from './catalog.ts';
export { inRuns, orderServices } from './requirements.ts';
export type { MigrationOfService, RequirementProblem, ServiceNode, ServiceOrder } from './requirements.ts';
export type { RoundTripFinding, RoundTripOptions, RoundTripReport } from './check/round-trip.ts';
export type { ConnectTo } from './check/scratch.ts';
export { directorySource } from './source/directory.ts';
export { listSource } from './source/list.ts';
export type { ListedMigration } from './source/list.ts';
export type { SourceCheck, SourceCheckOptions, SourceFinding } from './check/source-check.ts';
export type { RepairReport, RepairRequest } from './repair.ts';
export { planAdoption } from './adopt.ts';
export type { Adoption, AdoptionOptions } from './adoption/adoption.ts';
export type { ForeignTool } from './adoption/foreign-history.ts';
export { createFleet, fleetDefaults } from './fleet.ts';
export type { Fleet, FleetDownRequest, FleetGroup, FleetLimits, FleetOptions, FleetStatus, FleetUpRequest } from './fleet.ts';
export { failureResult, resultOf } from './fleet/report.ts';
export type { FleetEvent, FleetReport, FleetStop, TenantResult } from './fleet/report.ts';
export { readTargets, whyNotTenant } from './fleet/target.ts';
export type { FleetTarget } from './fleet/target.ts';
export { positionIn } from './position.ts';
export { createTenancy } from './tenancy.ts';
export { MOST_SPARES } from './tenancy/layout.ts';
export type {
  BackfillRequest,
  CreateTenantOptions,
  DropTenantOptions,
  DroppedTenant,
  LostTenant,
  SparePreparation,
  Tenancy,
  TenancyOptions,
  Tenant,
  TenantBackfill,
  TenantCreation,
  TenantSpares,
  TenantStatus,
  TenantStrays,
  TenantsLeftOut,
} from './tenancy.ts';
export { verify, verifyFleet, verifyRowLevelSecurity } from './verify.ts';
export type { FleetVerifyOptions, VerifyOptions } from './verify.ts';
export type { RowLevelSecurityCode, VerifyCode, VerifyFinding } from './verify/finding.ts';
export type { ProbeReport } from './verify/probe.ts';
export type { SharedPart } from './verify/replay.ts';
export type { RowLevelSecurityOptions, RowLevelSecurityReport } from './verify/row-level-security.ts';
export type { TargetVerification, VerifierOptions } from './verify/verifier.ts';
