/** Verifies target after target of one source. What the applied migrations make is found out once for each distinct history. */

import { availableOf } from '../available.ts';
import { type Catalog, type CatalogReader, readCatalog } from '../catalog.ts';
import { type CatalogLine, readLines } from '../catalog/line.ts';
import type { ConnectTo } from '../check/scratch.ts';
import { emptiedProblems } from '../emptied.ts';
import type { FleetTarget } from '../fleet/target.ts';
import { historyTables, readHistory, type HistorySnapshot, type HistoryTables } from '../history.ts';
import { inHistoryOrder } from '../history-order.ts';
import type { MigrationSource, SourceListing } from '../migration.ts';
import { plan, type Problem } from '../plan.ts';
import { TAKEN_OVER_FROM } from '../record.ts';
import type { RowLevelSecurityDefinition } from '../service.ts';
import type { Session } from '../session.ts';
import { inQuotes } from '../shell.ts';
import { identifier, literal } from '../sql.ts';
import { adviseUnfilled } from '../unfilled.ts';
import { readCatalogs } from './catalogs.ts';
import { comparable, driftFindings, invalidIndexFinding } from './drift.ts';
import { inOrder, type VerifyFinding } from './finding.ts';
import type { ProbeReport } from './probe.ts';
import { historyNames, replay, type NotReplayed, type Replayed, type SharedPart } from './replay.ts';
import { verifyRowLevelSecurity } from './row-level-security.ts';
import { shown } from './tenant-rules.ts';

export interface VerifierOptions {
  readonly service: string;
  readonly source: MigrationSource;
  /** Opens a connection to a database of the server; `null`: to the service's own. */
  readonly connect: ConnectTo;
  readonly history?: {
    /** Default `schema_migrations_<service>`. */
    readonly table?: string | undefined;
    /** Default: the target's schema. */
    readonly schema?: string | undefined;
    /** Of tenants with a schema each. Default `public`. */
    readonly scriptsSchema?: string | undefined;
  };
  /** Tables that must be there. Default: none. */
  readonly requiredTables?: readonly string[] | undefined;
  /** Default: the tables hold no rows of many tenants. */
  readonly rowLevelSecurity?: RowLevelSecurityDefinition | undefined;
  readonly applicationRole?: string | undefined;
  /** `create`: what the applied migrations make is found out in a scratch database of the same server. `none`: drift is not looked for. Default `create`. */
  readonly scratch?: 'create' | 'none' | undefined;
  /** What the tenants of one database find beside their own schema. Default: nothing. */
  readonly shared?: SharedPart | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TargetVerification {
  /** `null` where the target is no tenant's. */
  readonly tenant: string | null;
  /** `null`: the one that the connection leads to. */
  readonly database: string | null;
  readonly schema: string;
  /** Errors first. */
  readonly findings: readonly VerifyFinding[];
  /** How far row-level security was tried; `null` where it was not. */
  readonly probe: ProbeReport | null;
}

const HISTORY_COLUMNS: ReadonlySet<string> = new Set(['name', 'checksum', 'seq', 'state', 'run_id', 'reversible'].map((name) => `column ${name}`));
/** So many histories' catalogues are kept: tenants of one fleet have few. */
const MOST_KEPT = 16;

export class Verifier {
  readonly #options: VerifierOptions;
  readonly #expected = new Map<string, Promise<Replayed | NotReplayed>>();
  #listing: Promise<SourceListing> | null = null;
  /** What was found with each catalogue, and in which schema: where another one is equal, so are the findings. */
  readonly #isolation = new Map<string, { readonly schema: string; readonly findings: readonly VerifyFinding[] }>();

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /** What several schemas of one database hold, for `verify`; nothing where they cannot be read together. */
  async catalogs(session: Session, targets: readonly FleetTarget[]): Promise<ReadonlyMap<string, Catalog>> {
    const schemas = targets.flatMap(({ schema }) => schema ?? []);
    if (schemas.length < 2) return new Map();
    try {
      return await readCatalogs(session, schemas, historyNames(this.#table));
    } catch (error) {
      // One of them may be locked, or broken: then one by one, where it is that one's own.
      if (session.lost !== null) throw error;
      return new Map();
    }
  }

  /** @param session On the target's database. @param known Its catalogue, where it was read already. */
  async verify(session: Session, target: Omit<FleetTarget, 'tenant'> & { readonly tenant: string | null }, known?: Catalog): Promise<TargetVerification> {
    const { history = {}, requiredTables = [] } = this.#options;
    const { schema = 'public', database = null, tenant } = target;
    const table = this.#table;
    const isolated = schema !== 'public' && tenant !== null;
    const tables = historyTables(history.schema ?? schema, table, isolated ? (history.scriptsSchema ?? 'public') : undefined);
    const base = { tenant, database, schema };
    const catalog = known ?? (await readCatalog(readerOn(session), { schema, exclude: historyNames(table) }));
    if (catalog.text === '') return { ...base, findings: [gone(schema)], probe: null };
    const snapshot = await readHistory(session, tables);
    const findings: VerifyFinding[] = [...(await this.#historyFindings(session, snapshot, tables))];
    const state = await readState(session, tables);
    findings.push(...state.writers.map((one) => writable(one, tables)));
    const lines = readLines(catalog.text);
    const others = otherHistories(lines);
    const objects = new Set(lines.map((line) => line.object));
    const absent = requiredTables.filter((name) => !objects.has(`table ${shown(name)}`));
    findings.push(...absent.map(requiredTable));
    let own: readonly string[] | undefined;
    let foreign: readonly string[] = [];
    if (snapshot.tables !== 'absent') {
      if (snapshot.tables === 'present') foreign = await takenOver(session, tables, schema);
      const { drift, made } = await this.#drift({ session, target, tables, snapshot, catalog, state, others, foreign });
      if (others.length > 0 && made !== null) own = tablesOf(made);
      const told = new Set(absent.map((name) => `table ${shown(name)}`));
      findings.push(...drift.filter((one) => one.object === null || !told.has(one.object)));
    }
    const isolation = await this.#rowLevelSecurity(session, schema, catalog, own, [...historyNames(table), ...foreign]);
    return { ...base, findings: inOrder([...findings, ...isolation.findings]), probe: isolation.probe };
  }

  get #table(): string {
    return this.#options.history?.table ?? `schema_migrations_${this.#options.service}`;
  }

  async #historyFindings(session: Session, snapshot: HistorySnapshot, tables: HistoryTables): Promise<VerifyFinding[]> {
    const [emptied] = await emptiedProblems(session, tables, snapshot);
    if (emptied !== undefined) return [problem('notMigrated', 'error', null, emptied.message, null)];
    if (snapshot.tables === 'absent')
      return [problem('notMigrated', 'error', null, `${this.#options.service} was never migrated here: there is no ${tables.history}`, 'migrate up')];
    this.#listing ??= this.#options.source.list();
    const listing = await this.#listing;
    const available = availableOf(listing);
    const planned = plan(available, snapshot.applied, { direction: 'up', order: 'allow' });
    const problems = await adviseUnfilled(session, tables, snapshot, available, planned.problems);
    const found = problems.flatMap((one) => (isHistoryProblem(one) ? [problem(one.code, one.severity, `migration ${one.name}`, one.message, null)] : []));
    found.push(...listing.problems.map((one) => problem(one.code, 'error', `migration ${one.name}`, one.message, null)));
    for (const row of snapshot.applied.filter((one) => one.state !== 'applied' && found.every(({ object }) => object !== `migration ${one.name}`))) {
      const message = `${row.name} was interrupted half way ${row.state === 'started' ? 'up' : 'down'}`;
      const next = row.state === 'started' ? 'migrate up' : `migrate down --only ${inQuotes(row.name)}`;
      found.push(problem('interrupted', 'error', `migration ${row.name}`, message, `${next} goes on where it stopped`));
    }
    if (snapshot.strangers !== null) {
      const message = `the history's tables are not all of a role that this one trusts (${snapshot.strangers}): what their owner puts on them runs with the rights of whoever migrates`;
      found.push(
        problem('historyOwner', 'error', `table ${shown(tables.table)}`, message, 'look at them, then: ALTER TABLE … OWNER TO the role that migrates'),
      );
    }
    return found;
  }

  async #drift(input: {
    readonly session: Session;
    readonly target: Pick<FleetTarget, 'schema' | 'searchPath'>;
    readonly tables: HistoryTables;
    readonly snapshot: HistorySnapshot;
    readonly catalog: Catalog;
    readonly state: TargetState;
    /** Other services' history tables in the same schema. */
    readonly others: readonly string[];
    /** Other tools' histories in the same schema. */
    readonly foreign: readonly string[];
  }): Promise<{ readonly drift: readonly VerifyFinding[]; readonly made: Catalog | null }> {
    const { session, target, tables, snapshot, catalog, state, others, foreign } = input;
    const without = async (reason: string): Promise<{ readonly drift: readonly VerifyFinding[]; readonly made: null }> => ({
      made: null,
      drift: [
        problem('notChecked', 'warning', null, `the schema was not compared with what the applied migrations make: ${reason}`, null),
        ...(await invalidIndexes(session, target.schema ?? 'public')).map(({ index, table }) => invalidIndexFinding(shown(index), shown(table))),
      ],
    });
    const half = snapshot.applied.find((row) => row.state !== 'applied');
    if (half !== undefined) return without(`${half.name} is half done`);
    if (this.#options.scratch === 'none') return without('no scratch database was to be made');
    const expected = await this.#replayed(session, target, tables, snapshot);
    if ('reason' in expected) return without(expected.reason);
    const extent = others.length === 0 ? 'whole' : 'own';
    const compare = (made: Catalog, there: Catalog, schema: string | null): VerifyFinding[] =>
      driftFindings(comparable(made, state.owner), comparable(there, state.owner), schema === null ? extent : 'own', schema);
    const beside = foreign.filter((name) => !tablesOf(expected.catalog).includes(name));
    const exclude = [...historyNames(tables.table), ...beside];
    const there = beside.length === 0 ? catalog : await readCatalog(readerOn(session), { schema: target.schema ?? 'public', exclude });
    const found = compare(expected.catalog, there, null);
    for (const [schema, made] of expected.others) {
      const there = await readCatalog(readerOn(session), { schema, exclude: historyNames(tables.table) });
      found.push(...compare(made, there, shown(schema)));
    }
    if (extent === 'own') {
      const message = `other histories are in this schema as well (${others.join(', ')}): what is there beside what ${this.#options.service} makes was not judged`;
      found.push(problem('notChecked', 'warning', null, message, null));
    }
    return { drift: found, made: expected.catalog };
  }

  async #replayed(
    session: Session,
    target: Pick<FleetTarget, 'schema' | 'searchPath'>,
    tables: HistoryTables,
    snapshot: HistorySnapshot,
  ): Promise<Replayed | NotReplayed> {
    const { service, source, connect, shared, signal } = this.#options;
    this.#listing ??= source.list();
    const applied = inHistoryOrder(availableOf(await this.#listing), snapshot.applied);
    const key = JSON.stringify(applied.map((row) => [row.name, row.checksum]));
    const known = this.#expected.get(key);
    if (known !== undefined) return known;
    const { schema = 'public', searchPath } = target;
    const made = replay({ service, source, connect, schema, searchPath, table: tables.table, shared, signal }, applied, session, tables);
    this.#expected.set(key, made);
    made.catch(() => this.#expected.delete(key));
    for (const oldest of this.#expected.keys()) {
      if (this.#expected.size <= MOST_KEPT) break;
      this.#expected.delete(oldest);
    }
    return made;
  }

  async #rowLevelSecurity(
    session: Session,
    schema: string,
    catalog: Catalog,
    only: readonly string[] | undefined,
    exclude: readonly string[],
  ): Promise<{ findings: readonly VerifyFinding[]; probe: ProbeReport | null }> {
    const { rowLevelSecurity: definition, applicationRole = null, shared, signal } = this.#options;
    if (definition === undefined) return { findings: [], probe: null };
    const known = this.#isolation.get(catalog.hash);
    if (known !== undefined) return { findings: known.findings.map((one) => inSchema(one, known.schema, schema)), probe: null };
    const report = await verifyRowLevelSecurity(session, {
      definition,
      applicationRole,
      schema,
      exclude,
      only,
      history: this.#table,
      // With two sources, a name may be the other one's.
      exceptions: shared === undefined ? 'all-met' : 'some-met',
      signal,
    });
    // Tenants have few catalogues; where each has one of its own, they are not all kept.
    if (this.#isolation.size < MOST_KEPT) this.#isolation.set(catalog.hash, { schema, findings: report.findings });
    return report;
  }
}

/** Names of the tables of a catalogue. */
function tablesOf({ text }: Catalog): string[] {
  const objects = readLines(text).flatMap((line) => (line.object.startsWith('table ') ? [line.object.slice('table '.length)] : []));
  return [...new Set(objects)].map((name) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name));
}

function readerOn(session: Session): CatalogReader {
  return { query: (text, values) => session.query({ text, values }) as Promise<{ rows: unknown[] }> };
}

/** The tables of the schema from which its history was taken over: they stay, and are nobody's migrations. */
async function takenOver(session: Session, tables: HistoryTables, schema: string): Promise<readonly string[]> {
  const from = `${TAKEN_OVER_FROM}${schema}.`;
  const rows = await session.read(
    `SELECT DISTINCT detail FROM ${tables.log} WHERE action = 'baseline' AND pg_catalog.starts_with(detail, ${literal(from)}) ORDER BY detail`,
  );
  return rows.map((row) => (row['detail'] ?? '').slice(from.length));
}

interface TargetState {
  /** Of the history table. */
  readonly owner: string;
  /** Who but its owner may write which of the history's tables. */
  readonly writers: readonly { readonly table: string; readonly grantee: string; readonly privileges: string }[];
}

async function readState(session: Session, tables: HistoryTables): Promise<TargetState> {
  const oid = (name: string): string => `pg_catalog.to_regclass(${literal(name)})::pg_catalog.oid`;
  const list = (select: string): string => `(SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (${select}) x)`;
  const [row] = await session.read(`SELECT pg_catalog.json_build_object(
 'owner', coalesce((SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c WHERE c.oid = ${oid(tables.history)}), CURRENT_USER),
 'writers', ${list(`SELECT c.oid::pg_catalog.regclass::text AS table, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee) END AS grantee,
    pg_catalog.string_agg(DISTINCT a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
   FROM pg_catalog.pg_class c, LATERAL (SELECT * FROM pg_catalog.aclexplode(c.relacl)
    UNION ALL SELECT x.* FROM pg_catalog.pg_attribute t, pg_catalog.aclexplode(t.attacl) x WHERE t.attrelid = c.oid) a
   WHERE c.oid IN (${[tables.history, tables.log, tables.scripts].map(oid).join(', ')}) AND a.grantee <> c.relowner
    AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER') GROUP BY c.oid, a.grantee ORDER BY 1, 2`)}
) AS state`);
  return JSON.parse(row?.['state'] ?? '{}') as TargetState;
}

async function invalidIndexes(session: Session, schema: string): Promise<readonly { readonly index: string; readonly table: string }[]> {
  const rows = await session.read(`SELECT x.relname AS index, c.relname AS table FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
 JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ${literal(schema)} AND NOT i.indisvalid AND c.relkind <> 'p' ORDER BY 1`);
  return rows.map((row) => ({ index: row['index'] ?? '', table: row['table'] ?? '' }));
}

/** Tables that are histories by their columns; the target's own is not in its catalogue. */
function otherHistories(lines: readonly CatalogLine[]): string[] {
  const found = new Map<string, number>();
  for (const { object, part, aspect } of lines) {
    if (aspect === '' && HISTORY_COLUMNS.has(part) && object.startsWith('table ')) found.set(object, (found.get(object) ?? 0) + 1);
  }
  return [...found].filter(([, columns]) => columns === HISTORY_COLUMNS.size).map(([object]) => object.slice('table '.length));
}

/** A finding as it is of another schema that is the same. */
function inSchema(finding: VerifyFinding, from: string, to: string): VerifyFinding {
  const renamed = (text: string): string => text.replaceAll(`${identifier(from)}.`, `${identifier(to)}.`).replaceAll(`${shown(from)}.`, `${shown(to)}.`);
  const { object, message, hint } = finding;
  return { ...finding, object: object === null ? null : renamed(object), message: renamed(message), hint: hint === null ? null : renamed(hint) };
}

function isHistoryProblem(
  one: Problem,
): one is Problem & { readonly code: 'changed' | 'unknownApplied' | 'renamed' | 'interrupted' | 'duplicate' | 'invalidMigration' } {
  return ['changed', 'unknownApplied', 'renamed', 'interrupted', 'duplicate', 'invalidMigration'].includes(one.code);
}

function problem(code: VerifyFinding['code'], severity: VerifyFinding['severity'], object: string | null, message: string, hint: string | null): VerifyFinding {
  return { code, severity, object, message, hint };
}

function gone(schema: string): VerifyFinding {
  return problem('unreadable', 'error', `schema ${shown(schema)}`, `there is no schema ${shown(schema)}`, null);
}

function writable({ table, grantee, privileges }: TargetState['writers'][number], tables: HistoryTables): VerifyFinding {
  const what = table === tables.scripts || table.endsWith('_scripts') ? 'a stored down is code' : 'what counts as applied is decided there';
  const message = `table ${table} of the history can be written by ${grantee} (${privileges}), and ${what}`;
  return problem('historyWritable', 'error', `table ${table}`, message, `REVOKE ALL ON ${table} FROM ${grantee === 'PUBLIC' ? grantee : shown(grantee)}`);
}

function requiredTable(name: string): VerifyFinding {
  return problem(
    'requiredTableAbsent',
    'error',
    `table ${shown(name)}`,
    `the required table ${shown(name)} is not there`,
    'migrate tenants backfill makes a tenant’s again, from its migrations',
  );
}
