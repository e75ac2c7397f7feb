/** The public names of the library, by hand. */

export { MigrationError } from './errors.ts';
export type { ErrorCode, SourcePosition } from './errors.ts';
export { createMigrator, defaults } from './migrator.ts';
export type { DetailedPlan, DownRequest, Migrator, MigratorOptions, PlannedStep, Status, UpRequest } from './migrator.ts';
export type { AppliedMigration, OrderPolicy, Plan, PlanRequest, Problem, ProblemCode, Step } from './plan.ts';
export type { Blocker, EventListener, Failure, LogEntry, MigrationEvent, Outcome, Report, StepReport, TargetName } from './report.ts';
export type { Dependant } from './requires.ts';
export type { Migration, MigrationSource, Requirement, SourceListing } from './migration.ts';
export type { Connect, DatabaseClient } from './session.ts';
export { defineService } from './service.ts';
export type { ServiceDefinition } from './service.ts';
export { chooseConnection, connectionNeeded, connectionTo, displayConnection, environmentPrefix } from './connection.ts';
export type { ChosenConnection, ConnectionFlags, ConnectionRequest, ConnectionSettings, Environment } from './connection.ts';
export { startMigrations, startupDefaults } from './startup.ts';
export type { StartMode, Startup, StartupOptions, StartupOutcome, StartupState } from './startup.ts';
export { checkRoundTrip, checkSource, readCatalog, readDatabaseCatalog } from './check.ts';
export { describeDifference, diffCatalogs } from './catalog/difference.ts';
export type { Catalog, CatalogDifference, CatalogOptions, CatalogReader } from './catalog.ts';
export { inRuns, orderServices } from './requirements.ts';
export type { MigrationOfService, RequirementProblem, ServiceNode, ServiceOrder } from './requirements.ts';
export type { RoundTripFinding, RoundTripOptions, RoundTripReport } from './round-trip.ts';
export type { ConnectTo } from './scratch.ts';
export { directorySource } from './source/directory.ts';
export { listSource } from './source/list.ts';
export type { ListedMigration } from './source/list.ts';
export type { SourceCheck, SourceFinding } from './source-check.ts';
export type { RepairReport, RepairRequest } from './repair.ts';
