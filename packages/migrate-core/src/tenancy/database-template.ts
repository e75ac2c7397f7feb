/** The template database: migrated beside under another name, then closed, marked as a template and renamed, all at once. */

import { MigrationError } from '../errors.ts';
import type { ServerError, Session } from '../session.ts';
import { identifier, literal } from '../sql.ts';
import { again } from './again.ts';
import { connected, type TenancyContext } from './context.ts';
import { ABSENT, databaseOid, endSessions, EXISTS, IN_USE } from './database.ts';
import { ensureExtensions } from './extensions.ts';
import { tenantPath } from './layout.ts';
import { nameWith } from './place.ts';
import { runDone } from './registry.ts';
import { ensureTemplate, outdated, templateOf, type Template } from './template.ts';

/** Of server 15: before, CREATE DATABASE has one strategy. */
const WITH_STRATEGY = 150_000;

/** A template can be done without: who uses one is waited for so long. */
const USED_MS = 10_000;

/** A new database with what the migrations make. Answers the template that it is a copy of; `null` when the server had finished the copy of a process that was killed. */
export async function copyTemplate(context: TenancyContext, admin: Session, name: string, serviceDatabase: string): Promise<string | null> {
  for (let attempt = 1; ; attempt++) {
    const template = await templateDatabase(context, admin, serviceDatabase);
    try {
      await copyDatabase(admin, name, template, context.options.signal);
      return template;
    } catch (error) {
      const { code } = error as ServerError;
      if (code === EXISTS) return null;
      // A build with other migrations may have dropped it meanwhile.
      if (code !== ABSENT || attempt === 2) throw error;
    }
  }
}

/** What is wrong with the template, or with its copy, and with nothing else. What its migrations fail with they would fail with by themselves, too. */
export function isOfTemplate(error: unknown): boolean {
  if (error instanceof MigrationError)
    return (error.code === 'invalidOptions' && error.sqlState === EXISTS) || (error.code === 'lockTimeout' && error.sqlState === IN_USE);
  const { severity, code } = error as ServerError;
  return severity !== undefined && code !== '53300' && code !== '53200';
}

/** The name of the template database for this build's source; made where there is none. */
async function templateDatabase(context: TenancyContext, admin: Session, serviceDatabase: string): Promise<string> {
  const template = await templateOf(context, serviceDatabase);
  const isReady = async (session: Session): Promise<boolean> => {
    const rows = await session.read(`SELECT 1 FROM pg_catalog.pg_database WHERE datname = ${literal(template.name)} AND datistemplate`);
    return rows.length > 0;
  };
  if (!(await isReady(admin))) await ensureTemplate(context, template.name, { isReady, make: (guardian) => make(context, template, guardian) });
  return template.name;
}

async function make(context: TenancyContext, template: Template, guardian: Session): Promise<void> {
  const { options, layout, fleet } = context;
  const { name, mark } = template;
  const beside = identifier(nameWith(name, '_new'));
  const admin = await context.open(null);
  try {
    if ((await databaseOid(admin, name)) !== null) throw noTemplate(name);
    // Under this lock only a process that was killed can have left it.
    await runDone(admin, `DROP DATABASE IF EXISTS ${beside} WITH (FORCE)`);
    await again(() => runDone(admin, `CREATE DATABASE ${beside}`), [IN_USE], options.signal);
    try {
      await runDone(admin, `REVOKE CONNECT ON DATABASE ${beside} FROM PUBLIC`);
      await connected(context, nameWith(name, '_new'), async (session, client) => {
        await ensureExtensions(session, layout, options.applicationRole);
        const migrator = await fleet.migratorOn({ tenant: name, database: nameWith(name, '_new'), searchPath: tenantPath(layout, name).slice(1) }, client);
        await migrator.up();
      });
      await runDone(admin, `ALTER DATABASE ${beside} ALLOW_CONNECTIONS false`);
      await endSessions(admin, nameWith(name, '_new'), options.signal);
      await publish(guardian, beside, template);
    } catch (error) {
      await runDone(admin, `DROP DATABASE IF EXISTS ${beside} WITH (FORCE)`).catch(() => undefined);
      throw error;
    }
    await dropOutdated(admin, name, mark);
  } finally {
    await admin.close();
  }
}

/** On the connection that has the lock: whoever lost that publishes nothing. */
async function publish(guardian: Session, beside: string, { name, mark }: Template): Promise<void> {
  const statements = [
    `ALTER DATABASE ${beside} RENAME TO ${identifier(name)}`,
    `ALTER DATABASE ${identifier(name)} IS_TEMPLATE true`,
    `COMMENT ON DATABASE ${identifier(name)} IS ${literal(`${mark}${new Date().toISOString()}`)}`,
    'COMMIT',
  ];
  const result = await guardian.runInside(statements.join('; '));
  if (result.kind === 'done') return;
  throw result.kind === 'failed' && result.error.code === EXISTS ? noTemplate(name) : result.error;
}

function noTemplate(name: string): MigrationError {
  return new MigrationError({
    code: 'invalidOptions',
    message: `there is a database ${JSON.stringify(name)} that is no template of this service; it was not touched`,
    hint: 'rename it: new tenants are copied from a template of that name',
    sqlState: EXISTS,
  });
}

/** One that is being copied right now stays until the next template is made. */
async function dropOutdated(admin: Session, current: string, mark: string): Promise<void> {
  const rows = await admin.read(
    `SELECT d.datname AS name, pg_catalog.shobj_description(d.oid, 'pg_database') AS comment FROM pg_catalog.pg_database d
 WHERE d.datistemplate AND pg_catalog.starts_with(pg_catalog.shobj_description(d.oid, 'pg_database'), ${literal(mark)})`,
  );
  const templates = rows.map((row) => ({ name: row['name'] ?? '', comment: row['comment'] ?? '' }));
  for (const name of outdated(templates, current)) {
    await admin.run(`ALTER DATABASE ${identifier(name)} IS_TEMPLATE false`);
    const dropped = await admin.run(`DROP DATABASE IF EXISTS ${identifier(name)}`);
    if (dropped.kind === 'failed') await admin.run(`ALTER DATABASE ${identifier(name)} IS_TEMPLATE true`);
  }
}

/** Copies a template. Nobody may be connected to one; whoever got in nevertheless is waited for, or ended where this role may. */
async function copyDatabase(admin: Session, name: string, template: string, signal: AbortSignal | undefined): Promise<void> {
  const [server] = await admin.read(`SELECT pg_catalog.current_setting('server_version_num') AS version`);
  const strategy = Number(server?.['version']) >= WITH_STRATEGY ? ' STRATEGY wal_log' : '';
  const copy = async (): Promise<void> => {
    const result = await admin.run(`CREATE DATABASE ${identifier(name)} TEMPLATE ${identifier(template)}${strategy}`);
    if (result.kind === 'done') return;
    if (result.kind === 'failed' && result.error.code === IN_USE) {
      await admin.run(`ALTER DATABASE ${identifier(template)} ALLOW_CONNECTIONS false`);
      await endSessions(admin, template, signal, USED_MS);
    }
    throw result.error;
  };
  await again(copy, [IN_USE], signal);
}
