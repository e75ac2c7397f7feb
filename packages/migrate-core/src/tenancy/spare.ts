/**
 * Spares: places made ahead, each a finished copy of a template under a provisional name, which tells whose it is and what it was made from. One is taken by
 * the rename that is committed together with the registry's row, so it goes to one tenant, whoever asks at the same time.
 */

import { createHash, randomBytes } from 'node:crypto';

import { replaySettings, textsOfName } from '../schema-script/copy.ts';
import type { Session } from '../session.ts';
import { doBlock, identifier, literal } from '../sql.ts';
import type { TenancyContext } from './context.ts';
import { ABSENT, IN_USE } from './database.ts';
import { databaseRights, markOf } from './database-place.ts';
import { tenantPath, type TenancyLayout } from './layout.ts';
import { nameWith } from './place.ts';
import { tenantOf, type RegisteredTenant } from './registry.ts';
import { schemaRights } from './schema-place.ts';
import { knownTemplate } from './schema-template.ts';
import { templateOf } from './template.ts';

/** Ends the name of one that is not whole yet, or is to be dropped. */
export const HALF = '_new';

/** How the spares of one registry are called. */
export interface SpareNames {
  /** Of all of them. */
  readonly prefix: string;
  /** Of those that a new tenant may get: whole copies of what is the template now, with the tables that are required now. */
  readonly current: string;
}

/** Hexadecimal digits of a name: whose it is, what it is a copy of, and which one. */
const DIGITS = { owner: 6, state: 10, own: 6 } as const;

export async function spareNames(context: TenancyContext, session: Session): Promise<SpareNames> {
  const { layout, registry, options } = context;
  const database = await context.serviceDatabase(session);
  // Databases of all services are side by side on the server; a schema is in its service's, whatever that is called.
  const owner = digest([layout.kind === 'database' ? database : null, registry.table]).slice(0, DIGITS.owner);
  const state = digest([(await templateOf(context, database)).name, options.tenancy.requiredTables ?? []]).slice(0, DIGITS.state);
  const behind = `_${'0'.repeat(DIGITS.own)}${HALF}`;
  const whole = nameWith(layout.kind === 'database' ? database : layout.service, `_spare_${owner}${state}${behind}`);
  const prefix = whole.slice(0, -state.length - behind.length);
  return { prefix, current: `${prefix}${state}_` };
}

export function newSpareName({ current }: SpareNames): string {
  return `${current}${randomBytes(DIGITS.own / 2).toString('hex')}`;
}

/** Whether a schema is a spare of this service, whole or not. */
export function isSpareName({ layout: { service } }: { readonly layout: TenancyLayout }, name: string): boolean {
  const suffix = /_spare_[0-9a-f]{16}_[0-9a-f]{6}(?=(?:_new)?$)/.exec(name)?.[0];
  return suffix !== undefined && nameWith(service, `${suffix}${HALF}`).startsWith(name);
}

function digest(of: unknown): string {
  return createHash('sha256').update(JSON.stringify(of)).digest('hex');
}

/** The catalogue of what spares are, and its columns. */
function catalogOf(kind: TenancyLayout['kind']): { readonly from: string; readonly name: string; readonly owner: string } {
  return kind === 'schema'
    ? { from: 'pg_catalog.pg_namespace p', name: 'p.nspname::pg_catalog.text', owner: 'p.nspowner' }
    : { from: 'pg_catalog.pg_database p', name: 'p.datname::pg_catalog.text', owner: 'p.datdba' };
}

/** SQL of those whose names begin so, the oldest first. What somebody else made under such a name is none of ours: its triggers would run as us. */
function ofOwn(kind: TenancyLayout['kind'], prefix: string): string {
  const { from, name, owner } = catalogOf(kind);
  return `SELECT p.oid, ${name} AS name FROM ${from} WHERE pg_catalog.starts_with(${name}, ${literal(prefix)})
 AND ${owner} = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER) ORDER BY p.oid`;
}

/** Names of this registry's spares, the oldest first: whole ones, and others. */
export async function readSpares({ layout }: Pick<TenancyContext, 'layout'>, session: Session, prefix: string): Promise<readonly string[]> {
  return (await session.read(ofOwn(layout.kind, prefix))).map((row) => row['name'] ?? '');
}

/** How many whole ones of the present template there are; not more than are wanted. */
export async function countSpares(context: TenancyContext, session: Session): Promise<number> {
  const names = await readSpares(context, session, (await spareNames(context, session)).current);
  return Math.min(names.filter((name) => !name.endsWith(HALF)).length, context.layout.spares);
}

/** PL/pgSQL: whether nobody else is at this spare. Held until the transaction ends. @param name An expression. */
export function tryLock(name: string): string {
  return `pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended(pg_catalog.concat('spare of migrate ', ${name}), 0))`;
}

/**
 * Gives a new tenant a spare, in the caller's transaction, which is open still: the tenant as it is registered then. `null` where there is no spare of the
 * present template that can be taken; nothing is changed then.
 */
export async function takeSpare(
  context: TenancyContext,
  session: Session,
  tenant: RegisteredTenant,
  as: 'placed' | 'active',
): Promise<RegisteredTenant | null> {
  const { layout, registry } = context;
  const { current } = await spareNames(context, session);
  const own = await (layout.kind === 'schema' ? ofSchema : ofDatabase)(context, session, tenant.place);
  if (own === null) return null;
  const { from, name } = catalogOf(layout.kind);
  const kind = layout.kind.toUpperCase();
  // Whoever is connected to a database keeps its name: such a one waits for another tenant.
  const used =
    layout.kind === 'schema' ? '' : `CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = s.oid AND a.usesysid IS NOT NULL);`;
  const body = `DECLARE s record; BEGIN
FOR s IN ${ofOwn(layout.kind, current)} LOOP
CONTINUE WHEN pg_catalog.right(s.name, ${HALF.length}) = ${literal(HALF)} OR NOT ${tryLock('s.name')};
CONTINUE WHEN NOT EXISTS (SELECT FROM ${from} WHERE p.oid = s.oid AND ${name} = s.name);
${used}
BEGIN
EXECUTE pg_catalog.format('ALTER ${kind} %I RENAME TO %I', s.name, ${literal(tenant.place)});
${registry.taking(tenant.id, 's.oid', as)};
${own.map((one) => `${one};\n`).join('')}RETURN;
EXCEPTION WHEN SQLSTATE '${IN_USE}' OR SQLSTATE '${ABSENT}' OR SQLSTATE '3F000' THEN NULL;
WHEN OTHERS THEN RETURN;
END;
END LOOP; END`;
  const [row] = await session.read(`${doBlock(body)}; ${registry.selection(tenant.id)}`);
  const now = row === undefined ? null : tenantOf(row);
  return now?.madeAs == null ? null : now;
}

/** What else a taken one gets, as PL/pgSQL: until then the application's role has no way in; `null` where none can be taken. */
type Own = (context: TenancyContext, session: Session, place: string) => Promise<readonly string[] | null>;

const ofDatabase: Own = async (context, session, place) => {
  const mark = markOf(await context.serviceDatabase(session), context);
  return [`COMMENT ON DATABASE ${identifier(place)} IS ${literal(mark)}`, ...databaseRights(context, place)].map(execute);
};

const ofSchema: Own = async (context, session, place) => {
  const template = await knownTemplate(context, session);
  const texts = template === null ? null : textsOfName(template, place);
  if (texts === null) return null;
  const rights = schemaRights(context, place).map(execute);
  if (texts.length === 0) return rights;
  const settings = replaySettings(place, tenantPath(context.layout, place).slice(1)).replace(/^SELECT /, 'PERFORM ');
  return [...rights, settings, ...texts.map(execute)];
};

function execute(statement: string): string {
  return `EXECUTE ${literal(statement)}`;
}
