/** The rules for roles, views and functions that could reach around policies. Pure. */

import type { RowLevelSecurityDefinition } from '../service.ts';
import { qualified } from '../sql.ts';
import type { VerifyFinding } from './finding.ts';
import { bypassing, reaching } from './reach.ts';
import type { FunctionFacts, TenantFacts } from './tenant-facts.ts';
import { type Exceptions, finding, named, shown, shownName } from './tenant-rules.ts';

/** PostgreSQL 15 has views that ask as whoever reads them. */
const INVOKER_SINCE = 150_000;

export function roleFindings({ application, migrator, tables }: TenantFacts, role: string, exceptions: Exceptions): VerifyFinding[] {
  const found: VerifyFinding[] = [];
  if (!migrator.superuser && !migrator.bypasses) {
    const message = `the role ${shown(migrator.name)}, which migrates, cannot bypass row-level security: what its data migrations change would be filtered by the policies, so they fail`;
    found.push(
      finding('migratorCannotBypass', `role ${shown(migrator.name)}`, message, `ALTER ROLE ${shown(migrator.name)} BYPASSRLS; or let another role migrate`),
    );
  }
  const object = `role ${shown(role)}`;
  if (application === null)
    return [...found, finding('roleAbsent', object, `the application's ${object} does not exist`, `CREATE ROLE ${shown(role)}, in a migration`)];
  const sql = shown(role);
  if (application.superuser)
    found.push(finding('roleSuperuser', object, `the application's ${object} is a superuser: no policy holds it`, `ALTER ROLE ${sql} NOSUPERUSER`));
  else if (application.bypasses)
    found.push(finding('roleBypasses', object, `the application's ${object} has BYPASSRLS: no policy holds it`, `ALTER ROLE ${sql} NOBYPASSRLS`));
  const tenantTables = tables.filter((one) => one.column !== null && !exceptions.has(one.schema, one.name));
  const owners = new Set(tenantTables.map((one) => one.owner));
  for (const other of application.memberOf) {
    const why = other.superuser ? 'a superuser' : other.bypasses ? 'one with BYPASSRLS' : owners.has(other.name) ? 'the owner of tenants’ tables' : null;
    if (why === null || exceptions.has('', other.name)) continue;
    found.push(
      finding(
        'roleMember',
        object,
        `the application's ${object} is a member of ${shown(other.name)}, ${why}, and may become it`,
        `REVOKE ${shown(other.name)} FROM ${sql}`,
      ),
    );
  }
  for (const table of tenantTables) {
    const name = `table ${shownName(table)}`;
    if (table.owner === role) {
      const hint = `ALTER TABLE ${qualified(table.schema, table.name)} OWNER TO ${shown(migrator.name)}`;
      found.push(finding('roleOwns', name, `${name} is owned by the application's role ${shown(role)}, which may take its policies away`, hint));
    }
    const [truncater] = table.truncaters;
    if (truncater !== undefined) {
      const whom = truncater === 'PUBLIC' ? 'PUBLIC' : shown(truncater);
      const hint = `REVOKE TRUNCATE ON ${qualified(table.schema, table.name)} FROM ${whom}`;
      found.push(
        finding(
          'roleTruncates',
          name,
          `${name} may be truncated by the application's role ${shown(role)}: TRUNCATE asks no policy, and takes every tenant's rows`,
          hint,
        ),
      );
    }
  }
  return found;
}

export function viewFindings({ views, serverVersion }: TenantFacts, exceptions: Exceptions): VerifyFinding[] {
  return views.flatMap((view) => {
    if (!view.reading || exceptions.has(view.schema, view.name)) return [];
    const sql = qualified(view.schema, view.name);
    if (view.kind === 'materialized') {
      const object = `materialized view ${shownName(view)}`;
      return [
        finding(
          'materializedView',
          object,
          `${object} keeps rows of all tenants, and no policy holds it`,
          `DROP MATERIALIZED VIEW ${sql}; or take it out of the application's reach and allow it by name`,
        ),
      ];
    }
    const object = `view ${shownName(view)}`;
    const owner = `its owner ${shown(view.owner.name)}${bypassing(view.owner) ? ', whom no policy holds' : ''}`;
    if (serverVersion >= INVOKER_SINCE) {
      if (view.invoker) return [];
      return [
        finding(
          'viewBypasses',
          object,
          `${object} reads tenants' tables as ${owner}, and not as whoever asks`,
          `ALTER VIEW ${sql} SET (security_invoker = true)`,
        ),
      ];
    }
    if (!bypassing(view.owner)) return [];
    return [
      finding('viewBypasses', object, `${object} reads tenants' tables as ${owner}`, `ALTER VIEW ${sql} OWNER TO a role without superuser and BYPASSRLS`),
    ];
  });
}

export function functionFindings(facts: TenantFacts, { audit }: RowLevelSecurityDefinition, exceptions: Exceptions): VerifyFinding[] {
  const tenantTables = facts.tables.filter((one) => one.column !== null && !exceptions.has(one.schema, one.name));
  const passed = (one: FunctionFacts): boolean => one.definer && one.executable && exceptions.allows(one.schema, one.name, one.signature);
  const reach = reaching(facts, tenantTables, passed);
  return facts.functions.flatMap((one) => {
    if (!one.definer || (audit !== undefined && named(audit.functions, one))) return [];
    const why = reach(one);
    if (why === null || exceptions.has(one.schema, one.name, one.signature)) return [];
    const object = `function ${one.schema === 'public' ? '' : `${shown(one.schema)}.`}${one.signature}`;
    const hint = 'make it SECURITY INVOKER, or look at it and allow it by name';
    return [finding('definerFunction', object, `${object} is SECURITY DEFINER and ${why}: it runs with its owner's rights, not the caller's`, hint)];
  });
}
