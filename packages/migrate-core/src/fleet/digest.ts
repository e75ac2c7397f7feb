/** Histories of thousands of schemas in a few queries: a digest of each, computed by the server, and compared with what this build expects. */

import { createHash } from 'node:crypto';

import { USUAL_NAMES } from '../adoption/usual-names.ts';
import type { MigrationError } from '../errors.ts';
import type { Migration } from '../migration.ts';
import type { Session } from '../session.ts';
import { literal, nameArray, qualified } from '../sql.ts';

/** How many histories one message reads: a statement each, which is cheaper than one UNION of them. */
const TOGETHER = 50;

export type SchemaState =
  | {
      readonly kind: 'history';
      readonly digest: string;
      /** `sound`: history and log are tables, and of owners whom nobody has to distrust. */
      readonly tables: 'sound' | 'doubtful';
      /** The log's newest sequence number, seen together with the digest; `null` when it was not asked for. */
      readonly generation: number | null;
    }
  /** The schema is there, and was never migrated. `elsewhere`: not by us; something in it is called like another tool's history. */
  | { readonly kind: 'unused'; readonly elsewhere: boolean }
  /** `lost`: what became of it, where that is known. */
  | { readonly kind: 'noSchema'; readonly lost?: MigrationError | null };

type Applied = Pick<Migration, 'name' | 'checksum'>;

function lineOf({ name, checksum }: Applied): string {
  return `${name} ${checksum} applied`;
}

/** The digest of a history in which exactly these are applied, in whatever order. */
export function digestOf(migrations: readonly Applied[]): string {
  // By bytes, as the server's collation "C" sorts.
  const lines = migrations.map((one) => ({ key: Buffer.from(one.name), line: lineOf(one) }));
  lines.sort((a, b) => Buffer.compare(a.key, b.key));
  return createHash('sha256')
    .update(lines.map(({ line }) => line).join('\n'))
    .digest('hex');
}

/**
 * Most histories hold the source's migrations in the source's order, up to somewhere. As the server finds their rows it can digest them without
 * sorting, which is half of the work; the digests of all such histories are known beforehand.
 */
export class SourceOrder {
  readonly #migrations: readonly Applied[];
  /** How many of them give this digest of the rows as they lie. */
  readonly #counts = new Map<string, number>();
  readonly #digests = new Map<number, string>();

  constructor(migrations: readonly Applied[]) {
    this.#migrations = migrations;
    const hash = createHash('sha256');
    for (const [index, one] of migrations.entries()) {
      hash.update(`${index === 0 ? '' : '\n'}${lineOf(one)}`);
      this.#counts.set(hash.copy().digest('hex'), index + 1);
    }
  }

  /** `digestOf` a history whose rows lie so; `null` when that has to be asked for. */
  digestFor(asTheyLie: string): string | null {
    const count = this.#counts.get(asTheyLie);
    if (count === undefined) return null;
    const known = this.#digests.get(count) ?? digestOf(this.#migrations.slice(0, count));
    this.#digests.set(count, known);
    return known;
  }
}

/** How the histories are called, and what they are expected to hold. */
export interface Histories {
  readonly table: string;
  readonly order: SourceOrder;
}

/** What each of these schemas of the session's database has; each is in the answer. */
export async function readSchemas(
  session: Session,
  histories: Histories,
  schemas: readonly string[],
  depth: 'digest' | 'generation' = 'digest',
): Promise<ReadonlyMap<string, SchemaState>> {
  const states = new Map<string, SchemaState>(schemas.map((schema) => [schema, { kind: 'noSchema' }]));
  const used: string[] = [];
  const sound = new Set<string>();
  for (const row of await session.read(tablesStatement(histories.table, schemas))) {
    const schema = row['schema'] ?? '';
    states.set(schema, { kind: 'unused', elsewhere: row['elsewhere'] === 't' });
    if (row['used'] === 't') used.push(schema);
    if (row['sound'] === 't') sound.add(schema);
  }
  for (let from = 0; from < used.length; from += TOGETHER) {
    for (const { schema, digest, generation } of await readBlock(session, histories, used.slice(from, from + TOGETHER), sound, depth)) {
      states.set(schema, { kind: 'history', digest, tables: sound.has(schema) ? 'sound' : 'doubtful', generation });
    }
  }
  return states;
}

/** Whom nobody has to distrust: see `strangers` in history.ts. */
function tablesStatement(table: string, schemas: readonly string[]): string {
  const owner = (name: string): string =>
    `(SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname = ${literal(name)} AND c.relkind IN ('r', 'p'))`;
  return `WITH trusted AS MATERIALIZED (SELECT pg_catalog.array_agg(o.oid) AS owners FROM pg_catalog.pg_roles o
  WHERE o.rolsuper OR o.rolname = CURRENT_USER OR o.oid = (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
   OR (NOT (SELECT m.rolsuper FROM pg_catalog.pg_roles m WHERE m.rolname = CURRENT_USER) AND pg_catalog.pg_has_role(CURRENT_USER, o.oid, 'MEMBER'))),
 s AS MATERIALIZED (SELECT n.oid, n.nspname AS schema, ${owner(table)} AS history, ${owner(`${table}_log`)} AS log
  FROM pg_catalog.pg_namespace n WHERE n.nspname = ANY (${nameArray(schemas)}))
 SELECT s.schema, s.history IS NOT NULL AS used, (s.history = ANY (t.owners) AND s.log = ANY (t.owners)) AS sound, s.history IS NULL AND EXISTS (
  SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = s.oid AND c.relname IN (${USUAL_NAMES.map(literal).join(', ')})) AS elsewhere
 FROM trusted t, s`;
}

interface Digested {
  readonly schema: string;
  readonly digest: string;
  readonly generation: number | null;
}

async function readBlock(
  session: Session,
  histories: Histories,
  schemas: readonly string[],
  sound: ReadonlySet<string>,
  depth: 'digest' | 'generation',
): Promise<readonly Digested[]> {
  const { table, order } = histories;
  const digested: Digested[] = [];
  const others: string[] = [];
  for (const one of await readDigests(session, schemas, (schema) => asTheyLie(schema, table, depth === 'generation' && sound.has(schema)))) {
    const digest = order.digestFor(one.digest);
    if (digest === null) others.push(one.schema);
    else digested.push({ ...one, digest });
  }
  return others.length === 0 ? digested : [...digested, ...(await readDigests(session, others, (schema) => sorted(schema, table)))];
}

/** The rows in the order in which they were written, unless somebody changed them. */
function asTheyLie(schema: string, table: string, withGeneration: boolean): string {
  const newest = `GREATEST((SELECT seq FROM ${qualified(schema, `${table}_log`)} ORDER BY seq DESC LIMIT 1), pg_catalog.max(seq), 0)`;
  return `SELECT ${literal(schema)} AS schema, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
 pg_catalog.string_agg(pg_catalog.concat_ws(' ', name, checksum, state), E'\\n'), 'UTF8')), 'hex') AS digest${withGeneration ? `, ${newest} AS generation` : ''} FROM ${qualified(schema, table)}`;
}

function sorted(schema: string, table: string): string {
  return `SELECT ${literal(schema)} AS schema, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(COALESCE(
 pg_catalog.string_agg(name || ' ' || checksum || ' ' || state, E'\\n' ORDER BY name COLLATE "C"), ''), 'UTF8')), 'hex') AS digest FROM ${qualified(schema, table)}`;
}

/** A table that is another tool's, or vanished meanwhile, fails them all: then one by one, where it is `unreadable`, which equals nothing. */
async function readDigests(session: Session, schemas: readonly string[], statement: (schema: string) => string): Promise<readonly Digested[]> {
  try {
    return (await session.read(schemas.map(statement).join(';\n'))).map((row) => ({
      schema: row['schema'] ?? '',
      digest: row['digest'] ?? '',
      generation: row['generation'] === undefined || row['generation'] === null ? null : Number(row['generation']),
    }));
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined || session.lost !== null) throw error;
    if (schemas.length === 1) return [{ schema: schemas[0] as string, digest: 'unreadable', generation: null }];
    const half = schemas.length >> 1;
    return [...(await readDigests(session, schemas.slice(0, half), statement)), ...(await readDigests(session, schemas.slice(half), statement))];
  }
}
