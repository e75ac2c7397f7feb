/** What comes into a tenant's new schema: a copy of the template, or what its migrations make there themselves. */

import { MigrationError } from '../errors.ts';
import { historyTables } from '../history.ts';
import type { ServerError, Session } from '../session.ts';
import { identifier, literal } from '../sql.ts';
import type { TenancyContext } from './context.ts';
import { tenantPath } from './layout.ts';
import { copyTemplate, stateOf } from './schema-copy.ts';
import type { RegisteredTenant } from './registry.ts';
import { schemaRights } from './schema-place.ts';
import { dropSchema } from './schema-removal.ts';
import { historyOfCopy, schemaTemplate, type SchemaTemplate } from './schema-template.ts';

export interface Filling {
  /** `template`: it is a copy, with its history. */
  readonly by: 'template' | 'replay';
  /** `migrations`: it is empty, was begun by its migrations, or copied by an earlier call from what was the template then. */
  readonly lacks: 'nothing' | 'migrations';
}

/** A template that cannot be made or copied is no failure of the tenant's: its migrations say what is wrong, if anything is. */
export async function fillSchema(context: TenancyContext, session: Session, { id, place }: RegisteredTenant, placed: 'made' | 'there'): Promise<Filling> {
  const { options, layout, registry } = context;
  const tables = historyTables(place, layout.table);
  const clear = (): Promise<void> =>
    dropSchema(session, place, [
      `CREATE SCHEMA ${identifier(place)}`,
      ...schemaRights(context, place),
      registry.placement(id, place, `status = 'provisioning'`),
    ]);
  const state = placed === 'made' ? 'empty' : await stateOf(session, place, tables.history);
  if (state === 'begun') return { by: (await isCopy(session, tables.log)) ? 'template' : 'replay', lacks: 'migrations' };
  if (state === 'half') await clear();
  for (let attempt = 1; ; attempt++) {
    const template = await templateFor(context, session);
    if (template === null) return { by: 'replay', lacks: 'migrations' };
    const frame = { first: [], last: historyOfCopy(template.name, place, layout.table) };
    try {
      await copyTemplate(session, template, { schema: place, others: tenantPath(layout, place).slice(1), frame, clear, signal: options.signal });
      return { by: 'template', lacks: 'nothing' };
    } catch (error) {
      if (isOfConnection(error)) throw error;
      // A build with other migrations may have dropped it meanwhile.
      context.templates.delete(template.name);
      if (attempt === 2) return { by: 'replay', lacks: 'migrations' };
    }
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
