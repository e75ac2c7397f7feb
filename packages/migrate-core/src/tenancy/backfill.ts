/** What damaged tenants lack of the required tables is made again, as the migrations that they have applied make it. */

import { createHash } from 'node:crypto';

import pLimit from 'p-limit';

import { describeDifference, diffCatalogs, quotedName, readCatalog, type CatalogDifference } from '../catalog.ts';
import { isRetryable } from '../engine/failure.ts';
import { GUARD, takeLockOrFail } from '../guard.ts';
import { historyTables, readHistory, type HistoryRow, type HistoryTables } from '../history.ts';
import { defaults } from '../migrator.ts';
import { replaySettings } from '../schema-script/copy.ts';
import { lackOf, type Lack } from '../schema-script/lack.ts';
import { withRows, type Node, type Statement } from '../schema-script/node.ts';
import { order } from '../schema-script/order.ts';
import { catalogReader } from '../schema-script/proof.ts';
import { readSchemaScript } from '../schema-script/script.ts';
import { render } from '../schema-script/text.ts';
import type { Session } from '../session.ts';
import { doBlock, literal, textArray } from '../sql.ts';
import type { BackfillRequest, Tenant, TenantBackfill } from '../tenancy.ts';
import { historyNames } from '../verify/replay.ts';
import { again, sqlStateOf } from './again.ts';
import { connected, tenantError, type TenancyContext } from './context.ts';
import { healthyTenant, type Healthy } from './healthy.ts';
import { tenantPath } from './layout.ts';
import { lostTenant } from './lost-place.ts';

/** Tenants at once. */
const AT_ONCE = 4;

/** Those of the required tables that this schema does not have, in the order in which they are required. */
export async function missingTables(session: Session, schema: string, required: readonly string[]): Promise<readonly string[]> {
  if (required.length === 0) return [];
  const rows = await session.read(
    `SELECT t.name FROM pg_catalog.unnest(${textArray(required)}) WITH ORDINALITY t(name, place) WHERE NOT EXISTS (
  SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ${literal(schema)} AND c.relname = t.name AND c.relkind IN ('r', 'p')) ORDER BY t.place`,
  );
  return rows.map((row) => row['name'] ?? '');
}

/** One result for each tenant, in their order; a tenant's failure is its own. */
export function backfillTenants(
  context: TenancyContext,
  tenants: readonly Tenant[],
  mode: NonNullable<BackfillRequest['mode']>,
): Promise<readonly TenantBackfill[]> {
  // Replayed once for all tenants with the same history.
  const replayed = new Map<string, Promise<Healthy>>();
  const healthyOf = (rows: readonly HistoryRow[], session: Session, tables: HistoryTables): Promise<Healthy> => {
    const key = createHash('sha256')
      .update(JSON.stringify(rows.map((row) => [row.name, row.checksum])))
      .digest('hex');
    const known = replayed.get(key) ?? healthyTenant(context, rows, session, tables);
    replayed.set(key, known);
    return known;
  };
  return pLimit(AT_ONCE).map(tenants, async (tenant) => {
    try {
      return await connected(context, context.layout.kind === 'schema' ? null : tenant.place, (session) => backfill(context, session, tenant, mode, healthyOf));
    } catch (error) {
      // Of a database that is not there, what became of it.
      const lost = sqlStateOf(error) === '3D000' ? await becameOf(context, tenant.id).catch(() => null) : null;
      return { tenant: tenant.id, created: [], filled: [], failure: lost ?? tenantError(tenant.id, 'mended', error).message };
    }
  });
}

async function backfill(
  context: TenancyContext,
  session: Session,
  { id, place }: Tenant,
  mode: NonNullable<BackfillRequest['mode']>,
  healthyOf: (rows: readonly HistoryRow[], session: Session, tables: HistoryTables) => Promise<Healthy>,
): Promise<TenantBackfill> {
  const { options, layout } = context;
  const schema = layout.kind === 'schema' ? place : 'public';
  const result = (created: readonly string[], failure: string | null, filled: readonly string[] = []): TenantBackfill => ({
    tenant: id,
    created,
    filled,
    failure,
  });
  const absent = await missingTables(session, schema, options.tenancy.requiredTables ?? []);
  if (absent.length === 0) return result([], null);
  const tables = historyTables(schema, layout.table, layout.kind === 'schema' ? layout.schema : schema);
  const history = await readHistory(session, tables);
  const lost = history.tables === 'absent' ? await becameOf(context, id) : null;
  const why = lost ?? whyNotMended(history.applied, absent);
  if (why !== null) return result([], why);
  if (mode === 'plan') return result(absent, null);
  const exclude = historyNames(layout.table);
  const healthy = await healthyOf(history.applied, session, tables);
  const damaged = await readSchemaScript(session, schema, { exclude });
  const unknown = absent.filter((table) => !healthy.script.nodes.some((node) => node.kind === 'table' && node.table === table));
  const known = absent.filter((table) => !unknown.includes(table));
  const noMaker = unknown.length === 0 ? null : `no migration that it has applied makes ${unknown.join(', ')}: migrate it first`;
  if (damaged === null || known.length === 0) return result([], noMaker ?? 'its schema is gone');
  const lack = lackOf(healthy.script, damaged, known);
  await mend(session, mending(context, schema, tables, healthy, lack), options.signal);
  const left = [noMaker, ...(await whatIsLeft(session, schema, exclude, healthy, lack))].filter((one) => one !== null);
  return result(
    lack.tables,
    left.length === 0 ? null : left.join('; '),
    lack.tables.filter((table) => healthy.filled.has(table)),
  );
}

/** Tried again only where others stand in the way. */
async function mend(session: Session, text: string, signal: AbortSignal | undefined): Promise<void> {
  const attempt = async (): Promise<Error | null> => {
    const result = await session.run(text);
    if (result.kind === 'done') return null;
    if (result.kind === 'failed' && !isRetryable(result.error) && result.error.code !== GUARD.lockHeld) return result.error;
    throw result.error;
  };
  const failure = await again(attempt, [GUARD.lockHeld], signal);
  if (failure !== null) throw failure;
}

function whyNotMended(applied: readonly HistoryRow[], absent: readonly string[]): string | null {
  const lacks = `it lacks ${absent.join(', ')}`;
  if (applied.length === 0) return `${lacks}, and its history names no migration that makes them: migrate it first`;
  const open = applied.find((row) => row.state !== 'applied');
  return open === undefined ? null : `${lacks}, and ${open.name} was interrupted half way: migrate it first, which goes on there`;
}

/** For a tenant without a history, which may be another one under the name of its own: what became of it, and what to type; `null` where it is its own. */
async function becameOf(context: TenancyContext, id: string): Promise<string | null> {
  return connected(context, null, async (session) => {
    const tenant = await context.registry.find(session, id);
    const error = tenant === null ? null : (await lostTenant(context, session, tenant))?.error;
    return error == null ? null : `${error.message}; ${error.hint}`;
  });
}

/** One message: everything or nothing, and no migration of the tenant at the same time. */
function mending({ options, layout }: TenancyContext, schema: string, tables: HistoryTables, healthy: Healthy, lack: Lack): string {
  const nodes = lack.nodes.map((node) => (node.kind === 'foreignKey' && !lack.tables.includes(node.table ?? '') ? forgiving(node) : node));
  const { statements } = order(nodes, (node) => node.table === null || !healthy.filled.has(node.table));
  const contents = lack.tables.flatMap((table) => healthy.contents.get(table) ?? []);
  return [
    'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE',
    doBlock(`BEGIN ${takeLockOrFail(tables)} END`),
    `SET LOCAL lock_timeout = '${options.lockTimeoutMs ?? defaults.lockTimeoutMs}ms'`,
    replaySettings(schema, tenantPath(layout, schema).slice(1)),
    ...withRows<Statement>(statements, contents).map((one) => render(one.text, schema)),
    'COMMIT',
  ].join(';\n');
}

/** Rows that point to what is gone are not touched: then the key holds for new ones, which is told afterwards. */
function forgiving(node: Node): Node {
  return {
    ...node,
    clause: null,
    statements: () =>
      node.statements([]).map((one) => {
        if (one.phase !== 'constraint') return one;
        const add = render(one.text, '');
        if (add.endsWith('NOT VALID')) return one;
        const body = `BEGIN EXECUTE ${literal(add)}; EXCEPTION WHEN foreign_key_violation THEN EXECUTE ${literal(`${add} NOT VALID`)}; END`;
        return { phase: one.phase, text: [doBlock(body)] };
      }),
  };
}

/** What of it is not as it would be in a healthy tenant, for people. */
async function whatIsLeft(session: Session, schema: string, exclude: readonly string[], healthy: Healthy, lack: Lack): Promise<readonly string[]> {
  const now = await readSchemaScript(session, schema, { exclude });
  const there = new Set(now?.nodes.map((node) => node.id));
  const gone = lack.nodes.filter((node) => !there.has(node.id)).map((node) => `${node.id} was not made`);
  const differences = diffCatalogs(healthy.catalog, await readCatalog(catalogReader(session), { schema, exclude })).filter((one) => isAbout(one, lack));
  return [...lack.left.map((one) => `${one} is absent, too`), ...gone, ...differences.map(tell)];
}

function isAbout({ object, part }: CatalogDifference, lack: Lack): boolean {
  if (lack.tables.some((table) => object === `table ${quotedName(table)}`)) return true;
  return lack.nodes.some((node) => node.kind === 'foreignKey' && object === `table ${quotedName(node.table ?? '')}` && part === constraintPart(node));
}

function constraintPart({ id, table }: Node): string {
  return `constraint ${quotedName(id.slice('constraint '.length, -` of table ${table}`.length))}`;
}

function tell(difference: CatalogDifference): string {
  const { before, after, name } = difference;
  if (after === `${before} NOT VALID`) return `${name} holds for new rows only, since some that are there point to rows that are gone`;
  return `it differs from what its migrations make: ${describeDifference(difference)}`;
}
