/**
 * For migrations in TypeScript: row-level security and the audit of a table, each with its exact inverse. Every name is quoted, whatever it is.
 * They write plain SQL, so that a down cannot be inferred from them: call the inverse in `down`, or drop the table.
 *
 * @example
 * import { auditTable, enableRowLevelSecurity } from '@org/migrate-core/pgm';
 *
 * export function up(pgm: MigrationBuilder): void {
 *   pgm.createTable('roles', { id: 'id', tenant_id: { type: 'uuid', notNull: true } });
 *   enableRowLevelSecurity(pgm, 'roles', { column: 'tenant_id', tenant: { function: 'get_current_tenant_id' } });
 *   auditTable(pgm, 'roles', { function: 'create_audit_entry', log: 'user_audit_log' });
 * }
 */

import { identifier, literal, qualified } from './sql.ts';

/** The part of `pgm` that is used. */
export interface SqlBuilder {
  sql(text: string): void;
}

/** One name, whatever stands in it; or one with its schema. Without a schema the search path decides. */
export type PgmName = string | { readonly schema?: string; readonly name: string };

/** Where a transaction's tenant is known from. */
export type CurrentTenant =
  /** A function without arguments that answers it. */
  | { readonly function: PgmName }
  /** A setting, which becomes a value of this type: `uuid`, `bigint`, `text`. */
  | { readonly setting: string; readonly type: string };

export interface RowLevelSecurityOptions {
  /** The column that says whose a row is. */
  readonly column: string;
  readonly tenant: CurrentTenant;
  /** The policy's name. Default `tenant_isolation`. */
  readonly policy?: string;
}

export interface AuditOptions {
  /** A trigger function that takes the log's name, and then the columns whose values it withholds. */
  readonly function: PgmName;
  readonly log: string;
  /** Default: none. */
  readonly withheld?: readonly string[];
  /** The trigger's name. Default: the table's, and `_audit`. */
  readonly trigger?: string;
}

const POLICY = 'tenant_isolation';

/**
 * Row-level security, forced, with one policy for all commands: a row is seen and written by its tenant only. Index the column yourself.
 * @throws TypeError for a type that is not a type's name.
 */
export function enableRowLevelSecurity(pgm: SqlBuilder, table: PgmName, { column, tenant, policy = POLICY }: RowLevelSecurityOptions): void {
  const name = quoted(table);
  const own = `${identifier(column)} = ${current(tenant)}`;
  pgm.sql(`ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`);
  pgm.sql(`ALTER TABLE ${name} FORCE ROW LEVEL SECURITY`);
  pgm.sql(`CREATE POLICY ${identifier(policy)} ON ${name} USING (${own}) WITH CHECK (${own})`);
}

/** Takes back what `enableRowLevelSecurity` does. */
export function disableRowLevelSecurity(pgm: SqlBuilder, table: PgmName, { policy = POLICY }: Pick<RowLevelSecurityOptions, 'policy'> = {}): void {
  const name = quoted(table);
  pgm.sql(`DROP POLICY ${identifier(policy)} ON ${name}`);
  pgm.sql(`ALTER TABLE ${name} NO FORCE ROW LEVEL SECURITY`);
  pgm.sql(`ALTER TABLE ${name} DISABLE ROW LEVEL SECURITY`);
}

/** A trigger that logs each row's insertion, change and deletion. */
export function auditTable(pgm: SqlBuilder, table: PgmName, { function: name, log, withheld = [], trigger }: AuditOptions): void {
  const values = [log, ...withheld].map((one) => literal(one)).join(', ');
  pgm.sql(
    `CREATE TRIGGER ${triggerOf(table, trigger)} AFTER INSERT OR UPDATE OR DELETE ON ${quoted(table)}\n  FOR EACH ROW EXECUTE FUNCTION ${quoted(name)}(${values})`,
  );
}

/** Takes back what `auditTable` does. */
export function stopAuditingTable(pgm: SqlBuilder, table: PgmName, { trigger }: Pick<AuditOptions, 'trigger'> = {}): void {
  pgm.sql(`DROP TRIGGER ${triggerOf(table, trigger)} ON ${quoted(table)}`);
}

function quoted(name: PgmName): string {
  if (typeof name === 'string') return identifier(name);
  return name.schema === undefined ? identifier(name.name) : qualified(name.schema, name.name);
}

function triggerOf(table: PgmName, trigger: string | undefined): string {
  return identifier(trigger ?? `${typeof table === 'string' ? table : table.name}_audit`);
}

function current(tenant: CurrentTenant): string {
  if ('function' in tenant) return `${quoted(tenant.function)}()`;
  // A type's name is SQL: `character varying(20)` cannot be quoted as one name.
  if (!/^[a-z_][\w ]*(?:\(\d+(?:, ?\d+)?\))?$/i.test(tenant.type)) throw new TypeError(`${JSON.stringify(tenant.type)} is not the name of a type`);
  // After a transaction that had set it, the setting is '' and not NULL: the cast would fail in a pooled connection.
  return `nullif(pg_catalog.current_setting(${literal(tenant.setting)}, true), '')::${tenant.type}`;
}
