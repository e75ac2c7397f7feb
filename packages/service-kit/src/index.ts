/** The public names of the kit, by hand. */

export { createApp } from './app.ts';
export type { App } from './app.ts';
export { actorOf, allow, allowService, serviceToken, UUID } from './auth.ts';
export type { Claims } from './auth.ts';
export { openDatabase, roleToBecome, tenantTransaction } from './database.ts';
export type { Actor, Database, DatabaseOptions, Pool, Queryable, TransactionSettings } from './database.ts';
export { HttpProblem, notFound, notSetUp } from './problem.ts';
export { byId, resource } from './resource.ts';
export type { Filter, Resource } from './resource.ts';
export { deleteRow, findRow, insertRow, listRows, pageQuery, updateRow } from './rows.ts';
export type { Page, PageRequest, Row } from './rows.ts';
export { exitCodes, runService } from './service.ts';
export type { BackgroundWork, ServiceSpec } from './service.ts';
export { parseCount, readSettings, SettingsError } from './settings.ts';
export type { MigrationSettings, ServiceSettings } from './settings.ts';
export type { Provisioning, ServiceTenants } from './tenants.ts';
