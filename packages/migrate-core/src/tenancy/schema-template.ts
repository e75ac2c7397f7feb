/**
 * The template schema: what the migrations make of an empty schema, made once, with the script that makes copies of it. Under its own name from
 * the beginning, since functions may name it; it counts when its marker is there, which is written at the very end.
 */

import { randomBytes } from 'node:crypto';

import { historyTables, strangersOf, type HistoryTables } from '../history.ts';
import { revokeFromOthers } from '../history-tables.ts';
import { insertClone } from '../record.ts';
import { newRun } from '../new-run.ts';
import { readContents } from '../schema-script/contents.ts';
import { copyScript, estimatedLocks, type CopyScript } from '../schema-script/copy.ts';
import { compareSchemas, isLockTableFull, proveCopy, type Proof } from '../schema-script/proof.ts';
import { readSchemaScript } from '../schema-script/script.ts';
import type { Session } from '../session.ts';
import { doBlock, identifier, literal, qualified } from '../sql.ts';
import { connected, type TenancyContext } from './context.ts';
import { tenantPath } from './layout.ts';
import { nameWith } from './place.ts';
import { runDone } from './registry.ts';
import { copyTemplate } from './schema-copy.ts';
import { dropSchema } from './schema-removal.ts';
import { ensureTemplate, isTemplateName, outdated, templateOf, type TemplateWorkshop } from './template.ts';

export interface SchemaTemplate extends CopyScript {
  readonly name: string;
  /** That a copy in one transaction holds at its end. */
  readonly locks: number;
  /** That the server has room for, about. */
  readonly capacity: number;
}

/** The template of this build's source, made where there is none. Its problems say why no copies can be made of it. */
export async function schemaTemplate(context: TenancyContext, session: Session): Promise<SchemaTemplate> {
  const { name } = await templateOf(context, context.layout.service);
  // If it is gone, copying it says so.
  const known = context.templates.get(name);
  if (known !== undefined) return known;
  const workshop: TemplateWorkshop = {
    isReady: (other) => isThere(other, context, name),
    make: (guardian) => make(context, name, guardian),
  };
  if (!(await workshop.isReady(session))) await ensureTemplate(context, name, workshop);
  const template = await readTemplate(session, context, name);
  context.templates.set(name, template);
  return template;
}

/** The same where it is there; `null` where it is not, or where no copies can be made of it. Makes none. */
export async function knownTemplate(context: TenancyContext, session: Session): Promise<SchemaTemplate | null> {
  const { name } = await templateOf(context, context.layout.service);
  const known = context.templates.get(name);
  const template = known ?? ((await isThere(session, context, name)) ? await readTemplate(session, context, name) : null);
  if (template === null || template.problems.length > 0) return null;
  context.templates.set(name, template);
  return template;
}

/** What a copy has at its end: the history of the template, and a log that says where it is from. */
export function historyOfCopy(template: string, place: string, table: string): readonly string[] {
  const [from, to] = [historyTables(template, table), historyTables(place, table)];
  return [`INSERT INTO ${to.history} SELECT * FROM ${from.history}`, insertClone(to, newRun(), template)];
}

function markerOf(context: TenancyContext, name: string): { readonly table: string; readonly qualified: string } {
  const table = `${context.layout.table}_tpl`;
  return { table, qualified: qualified(name, table) };
}

async function isThere(session: Session, context: TenancyContext, name: string): Promise<boolean> {
  const marker = markerOf(context, name).qualified;
  // Somebody else's is no template: its statements would run as us.
  const [row] = await session.read(`SELECT pg_catalog.to_regclass(${literal(marker)}) IS NOT NULL AND ${strangersOf([marker])} IS NULL AS there`);
  return row?.['there'] === 't';
}

async function readTemplate(session: Session, context: TenancyContext, name: string): Promise<SchemaTemplate> {
  const [row] = await session.read(
    `SELECT script, locks, pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8 *
 (pg_catalog.current_setting('max_connections')::pg_catalog.int8 + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8) AS capacity
 FROM ${markerOf(context, name).qualified}`,
  );
  const script = JSON.parse(row?.['script'] ?? '{"statements":[],"problems":["its marker is empty"]}') as CopyScript;
  return { ...script, name, locks: Number(row?.['locks'] ?? 0), capacity: Number(row?.['capacity'] ?? 0) };
}

async function make(context: TenancyContext, name: string, guardian: Session): Promise<void> {
  await connected(context, null, async (session, client) => {
    // Under this lock only a process that was killed can have left it.
    await dropSchema(session, name);
    await runDone(session, `CREATE SCHEMA ${identifier(name)}`);
    try {
      const problems = await liveMigrations(context);
      let made: { readonly script: CopyScript; readonly locks: number } = { script: { statements: [], problems }, locks: 0 };
      if (problems.length === 0) {
        const searchPath = tenantPath(context.layout, name).slice(1);
        await (await context.fleet.migratorOn({ tenant: name, schema: name, searchPath }, client)).up();
        made = await scriptOf(context, session, name);
      }
      await publish(context, guardian, name, made);
    } catch (error) {
      await dropSchema(session, name).catch(() => undefined);
      throw error;
    }
    await dropOutdated(context, session, name);
  });
}

/** What asks the database before it knows what it does may do something else for each tenant. */
async function liveMigrations({ options, fleet }: TenancyContext): Promise<readonly string[]> {
  const names = (await fleet.available()).map((one) => one.name);
  const compiled = await options.tenancy.source.compile(names);
  return compiled.filter((one) => one.up.kind === 'live').map((one) => `${one.name}, which asks the database what to do (pgm.db)`);
}

async function scriptOf(context: TenancyContext, session: Session, name: string): Promise<{ readonly script: CopyScript; readonly locks: number }> {
  const { table } = markerOf(context, name);
  const script = await readSchemaScript(session, name, { exclude: [table] });
  if (script === null) return { script: { statements: [], problems: ['its schema is gone'] }, locks: 0 };
  const tables = historyTables(name, context.layout.table);
  const whole = copyScript(script, await readContents(session, script), { emptied: [context.layout.table, `${context.layout.table}_log`] });
  if (whole.problems.length > 0) return { script: { statements: [], problems: whole.problems }, locks: 0 };
  const { locks, differences } = await prove(context, session, name, whole, tables);
  return differences.length === 0
    ? { script: whole, locks }
    : { script: { statements: [], problems: differences.map((one) => `its copy would differ: ${one}`) }, locks };
}

async function prove(context: TenancyContext, session: Session, from: string, script: CopyScript, tables: HistoryTables): Promise<Proof> {
  const to = nameWith(context.layout.service, `_tpl_${randomBytes(10).toString('hex')}`);
  const others = tenantPath(context.layout, to).slice(1);
  const exclude = [markerOf(context, tables.schema).table];
  try {
    return await proveCopy(session, script, { from, to, others, exclude });
  } catch (error) {
    if (!isLockTableFull(error)) throw error;
  }
  // Too large for one transaction: made in several, compared, and dropped again.
  const template = { ...script, name: from, locks: 2 * estimatedLocks(script), capacity: estimatedLocks(script) };
  const clear = (): Promise<void> => dropSchema(session, to, [`CREATE SCHEMA ${identifier(to)}`]);
  try {
    await clear();
    await copyTemplate(session, template, { schema: to, others, frame: { first: [], last: [] }, clear, signal: context.options.signal });
    return { locks: template.locks, differences: await compareSchemas(session, from, to, exclude) };
  } finally {
    await dropSchema(session, to);
  }
}

/** On the connection that has the lock: whoever lost that publishes nothing. */
async function publish(
  context: TenancyContext,
  guardian: Session,
  name: string,
  { script, locks }: { readonly script: CopyScript; readonly locks: number },
): Promise<void> {
  const marker = markerOf(context, name).qualified;
  const body = `DECLARE r record; BEGIN
CREATE TABLE ${marker} (made_at timestamptz NOT NULL DEFAULT pg_catalog.now(), locks integer NOT NULL, script text NOT NULL);
${revokeFromOthers([marker])}
INSERT INTO ${marker} (locks, script) VALUES (${locks}, ${literal(JSON.stringify(script))}); END`;
  const result = await guardian.runInside(`${doBlock(body)}; COMMIT`);
  if (result.kind !== 'done') throw result.error;
}

/** One that is being copied right now is waited for a short time, and else stays until the next template is made. */
async function dropOutdated(context: TenancyContext, session: Session, current: string): Promise<void> {
  const rows = await session.read(`SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE '%\\_tpl\\_%'`);
  const templates: { name: string; comment: string }[] = [];
  for (const name of rows.map((row) => row['nspname'] ?? '').filter((one) => isTemplateName(context, one))) {
    if (!(await isThere(session, context, name))) continue;
    const [row] = await session.read(
      `SELECT pg_catalog.to_char(made_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS made FROM ${markerOf(context, name).qualified}`,
    );
    templates.push({ name, comment: row?.['made'] ?? '' });
  }
  for (const name of outdated(templates, current)) {
    await dropSchema(session, name, [], [`SET LOCAL lock_timeout = '2s'`]).catch(() => undefined);
  }
}
