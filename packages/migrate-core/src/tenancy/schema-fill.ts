/** What comes into a tenant's new schema: a copy of the template, or what its migrations make there themselves. */

import { MigrationError } from '../errors.ts';
import { historyTables } from '../history.ts';
import type { ServerError, Session } from '../session.ts';
import { identifier, literal } from '../sql.ts';
import type { TenancyContext } from './context.ts';
import { tenantPath } from './layout.ts';
import { copyTemplate, stateOf } from './schema-copy.ts';
import type { RegisteredTenant } from './registry.ts';
import { dropSchema } from './schema-removal.ts';
import { historyOfCopy, schemaTemplate, type SchemaTemplate } from './schema-template.ts';

/**
 * `template`: the schema is a copy, whole, with its history. `replay`: it is empty, or what was begun by its migrations; they make the rest. A template that
 * cannot be made or copied is no failure of the tenant's: its migrations say what is wrong, if anything is.
 */
export async function fillSchema(context: TenancyContext, session: Session, { id, place }: RegisteredTenant): Promise<'template' | 'replay'> {
  const { options, layout, registry } = context;
  const tables = historyTables(place, layout.table);
  const role = options.applicationRole;
  const clear = (): Promise<void> =>
    dropSchema(session, place, [
      `CREATE SCHEMA ${identifier(place)}`,
      ...(role === undefined ? [] : [`GRANT USAGE ON SCHEMA ${identifier(place)} TO ${identifier(role)}`]),
      registry.placement(id, place, `status = 'provisioning'`),
    ]);
  const state = await stateOf(session, place, tables.history);
  if (state === 'begun') return (await isCopy(session, tables.log)) ? 'template' : 'replay';
  if (state === 'half') await clear();
  const template = await templateFor(context, session);
  if (template === null) return 'replay';
  const last = historyOfCopy(template.name, place, layout.table);
  try {
    await copyTemplate(session, template, {
      schema: place,
      others: tenantPath(layout, place).slice(1),
      frame: { first: [], last },
      clear,
      signal: options.signal,
    });
    return 'template';
  } catch (error) {
    if (isOfConnection(error)) throw error;
    context.templates.delete(template.name);
    return 'replay';
  }
}

async function templateFor(context: TenancyContext, session: Session): Promise<SchemaTemplate | null> {
  try {
    const template = await schemaTemplate(context, session);
    return template.problems.length === 0 ? template : null;
  } catch (error) {
    if (isOfConnection(error)) throw error;
    return null;
  }
}

/** Nothing can be done without the server, and nothing is to be done after a stop. */
function isOfConnection(error: unknown): boolean {
  if (error instanceof MigrationError) return error.code === 'aborted' || error.code === 'connection' || error.code === 'lockTimeout';
  return (error as ServerError).severity === undefined || (error as ServerError).code === '53300' || (error as ServerError).code === '53200';
}

async function isCopy(session: Session, log: string): Promise<boolean> {
  const [there] = await session.read(`SELECT pg_catalog.to_regclass(${literal(log)}) IS NOT NULL AS there`);
  if (there?.['there'] !== 't') return false;
  const [row] = await session.read(`SELECT EXISTS (SELECT FROM ${log} WHERE action = 'clone') AS copied`);
  return row?.['copied'] === 't';
}
