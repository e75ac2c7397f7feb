/** Does row-level security hold? Asked of the catalogue, table by table, and tried with the rows of two tenants. */

import { asTenant, refusal, testTenants, type TenantConnection } from './tenants.ts';

export interface IsolatedSchema extends TenantConnection {
  /** Tables that belong to no tenant: the history and its companions. */
  readonly exclude: readonly string[];
}

interface TableState {
  readonly name: string;
  readonly tenantColumn: boolean;
  readonly leadingIndex: boolean;
  readonly enabled: boolean;
  readonly forced: boolean;
  readonly policed: boolean;
  readonly audited: boolean;
  readonly owned: boolean;
  readonly truncatable: boolean;
  readonly kind: string;
}

const TABLES = `
  SELECT c.relname AS name, c.relkind AS kind,
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull AND NOT a.attisdropped) AS "tenantColumn",
    EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = c.oid AND a.attname = 'tenant_id' AND i.indisvalid AND i.indpred IS NULL) AS "leadingIndex",
    c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
    EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL
             AND pg_get_expr(p.polqual, c.oid) LIKE '%get_current_tenant_id()%' AND pg_get_expr(p.polwithcheck, c.oid) LIKE '%get_current_tenant_id()%') AS policed,
    -- After each row's INSERT, UPDATE and DELETE; or, for the log itself, a refusal before UPDATE and DELETE.
    EXISTS (SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
             WHERE t.tgrelid = c.oid AND (NOT t.tgisinternal OR t.tgparentid <> 0) AND t.tgenabled IN ('O', 'A') AND f.proname = 'create_audit_entry' AND t.tgtype & 1 = 1
               AND (t.tgtype & (2 | 4 | 8 | 16) = (4 | 8 | 16) OR (c.relname LIKE '%\\_audit\\_log' AND t.tgtype & (2 | 8 | 16) = (2 | 8 | 16)))) AS audited,
    pg_get_userbyid(c.relowner) = $3 AS owned,
    has_table_privilege($3, c.oid, 'TRUNCATE') AS truncatable
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname <> ALL ($2) ORDER BY 1`;

const WRITABLE = `
  SELECT quote_ident(attname) AS name FROM pg_attribute
  WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = '' ORDER BY attnum`;

const ROLE = `
  SELECT r.rolsuper AS "is a superuser", r.rolbypassrls AS "has BYPASSRLS", r.rolcreaterole AS "has CREATEROLE", r.rolcreatedb AS "has CREATEDB",
    has_schema_privilege(r.oid, $2, 'CREATE') AS "may create in the schema",
    EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2 AND c.relowner = r.oid)
      OR EXISTS (SELECT FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace WHERE n.nspname = $2 AND f.proowner = r.oid) AS "owns something",
    EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) AS "is a member of other roles"
  FROM pg_roles r WHERE r.rolname = $1`;

/** What is wrong, one sentence each; empty where everything is as it must be. A table that nobody thought of is found as well. */
export async function isolationFaults({ client, schema, role, exclude }: IsolatedSchema): Promise<string[]> {
  const faults: string[] = [];
  const tables = (await client.query<TableState>(TABLES, [schema, exclude, role])).rows;
  if (tables.length === 0) faults.push(`${schema} has no table`);
  for (const table of tables) {
    const expect = (holds: boolean, fault: string): void => {
      if (!holds) faults.push(`${table.name}: ${fault}`);
    };
    expect(table.kind === 'r' || table.kind === 'p', 'is no plain table');
    expect(table.tenantColumn, 'has no tenant_id NOT NULL');
    expect(table.leadingIndex, 'has no whole index that leads with tenant_id');
    expect(table.enabled, 'row-level security is not enabled');
    expect(table.forced, 'row-level security is not forced');
    expect(table.policed, 'has no policy for all commands with USING and WITH CHECK on the tenant');
    expect(table.audited, 'is not audited');
    expect(!table.owned, `is owned by ${role}`);
    expect(!table.truncatable, `${role} may TRUNCATE it`);
  }
  const found = (await client.query<Record<string, boolean>>(ROLE, [role, schema])).rows[0];
  if (found === undefined) faults.push(`${role} does not exist`);
  for (const [fault, is] of Object.entries(found ?? {})) if (is) faults.push(`${role} ${fault}`);
  return faults;
}

/** How one table answered. Counts are of rows, refusals SQLSTATEs. */
export interface IsolationProbe {
  readonly table: string;
  /** Rows that the first tenant has, as the superuser sees it. Above zero, or the rest shows nothing. */
  readonly own: number;
  readonly seen: number;
  /** Rows of the other tenant that the first one sees, updates, deletes. */
  readonly foreignSeen: number;
  readonly foreignChanged: number | string;
  readonly foreignDeleted: number | string;
  /** Inserting a row for the other tenant: how it was refused. */
  readonly foreignInserted: string | null;
  /** Rows seen where no tenant was set, and where it was set to nothing. */
  readonly seenByNobody: number;
  readonly seenByEmpty: number;
  readonly truncated: string | null;
}

/** Tries, as the application's role and for the first of the two tenants, what row-level security is there to prevent. Everything is rolled back. */
export async function probeIsolation(on: IsolatedSchema): Promise<IsolationProbe[]> {
  const [one, other] = testTenants;
  const tables = (await on.client.query<{ name: string }>(TABLES, [on.schema, on.exclude, on.role])).rows.map((row) => row.name);
  const probes: IsolationProbe[] = [];
  const count = async (tenant: typeof one | null, sql: string): Promise<number> => Number((await asTenant(on, tenant, sql)).rows[0]?.['n']);
  for (const name of tables) {
    const table = `"${on.schema}"."${name}"`;
    const own = await on.client.query<{ n: string }>(`SELECT count(*) AS n FROM ${table} WHERE tenant_id = $1`, [one.id]);
    // The row as the other tenant has it: a policy refuses it before any key does.
    await on.client.query(`CREATE TEMP TABLE copied AS SELECT * FROM ${table} WHERE tenant_id = '${other.id}' LIMIT 1; GRANT SELECT ON copied TO "${on.role}"`);
    const columns = (await on.client.query<{ name: string }>(WRITABLE, [table])).rows.map((row) => row.name);
    const [first] = columns;
    const change = async (sql: string): Promise<number | string> => {
      const refused = await refusal(on, one, sql);
      return refused ?? (await asTenant(on, one, sql, 'rollback')).rowCount;
    };
    probes.push({
      table: name,
      own: Number(own.rows[0]?.n),
      seen: await count(one, `SELECT count(*) AS n FROM ${table}`),
      foreignSeen: await count(one, `SELECT count(*) AS n FROM ${table} WHERE tenant_id <> '${one.id}'`),
      foreignChanged: await change(`UPDATE ${table} SET ${first} = ${first} WHERE tenant_id = '${other.id}'`),
      foreignDeleted: await change(`DELETE FROM ${table} WHERE tenant_id = '${other.id}'`),
      foreignInserted: await refusal(on, one, `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${columns.join(', ')} FROM copied`),
      seenByNobody: await count(null, `SELECT count(*) AS n FROM ${table}`),
      seenByEmpty: await count(null, `SET LOCAL app.current_tenant_id = ''; SELECT count(*) AS n FROM ${table}`),
      truncated: await refusal(on, one, `TRUNCATE ${table} CASCADE`),
    });
    await on.client.query('DROP TABLE copied');
  }
  return probes;
}
