/**
 * What a non-transactional statement leaves behind when it fails or is killed, and how the catalogue tells whether it
 * was done. An INVALID unique index rejects the application's inserts, and IF NOT EXISTS "succeeds" on it, so it goes at once.
 */

import type { Leftover, ObjectName, Statement } from '../migration.ts';
import type { Session } from '../session.ts';
import { identifier, literal, qualified } from '../sql.ts';

/** What the catalogue said before a statement was sent, small enough to stand in the history row. */
export type Before =
  /** Indexes of the table: oid and whether it was valid. */
  | { readonly kind: 'indexes'; readonly indexes: readonly (readonly [oid: string, valid: boolean])[] }
  | { readonly kind: 'exists'; readonly exists: boolean }
  | { readonly kind: 'nothing' };

export type Verdict =
  | { readonly kind: 'done' }
  | { readonly kind: 'again' }
  /** A person has to look. */
  | { readonly kind: 'undecidable'; readonly reason: string };

/** Sends one statement outside a transaction; throws when it fails. */
export type Sweep = (sql: string) => Promise<void>;

interface IndexState {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly valid: boolean;
  /** A living session is building it. */
  readonly building: boolean;
}

/** Looks before the statement is sent. */
export async function lookBefore(session: Session, leftover: Leftover): Promise<Before> {
  switch (leftover.kind) {
    case 'createIndex':
      return { kind: 'indexes', indexes: (await indexesOf(session, leftover.table)).map((one) => [one.oid, one.valid]) };
    case 'reindex':
      return { kind: 'indexes', indexes: (await indexesInReach(session, leftover.object, leftover.target)).map((one) => [one.oid, one.valid]) };
    case 'dropIndex': {
      const found = await Promise.all(leftover.indexes.map((name) => indexNamed(session, name)));
      return { kind: 'exists', exists: found.some((one) => one !== null) };
    }
    case 'createDatabase':
    case 'dropDatabase':
      return { kind: 'exists', exists: await databaseExists(session, leftover.database) };
    case 'detachPartition':
    case 'repeatable':
    case 'undecidable':
      return { kind: 'nothing' };
  }
}

/**
 * An INVALID index of the wanted name that nobody is building, left by whoever failed before: in the way of CREATE, and
 * a lie under IF NOT EXISTS. Answers the names that were dropped.
 */
export async function clearWay(session: Session, leftover: Leftover, run: Sweep): Promise<string[]> {
  if (leftover.kind !== 'createIndex' || leftover.index === null) return [];
  const wanted = leftover.index.name;
  const dead = (await indexesOf(session, leftover.table)).filter((one) => one.name === wanted && !one.valid && !one.building);
  return dropIndexes(dead, run);
}

/**
 * Takes away what a failed or killed statement left: INVALID indexes that were not there before, `_ccnew` and `_ccold`
 * of a REINDEX, a pending DETACH. Answers what was done, for people.
 */
export async function cleanUp(session: Session, leftover: Leftover, before: Before, run: Sweep): Promise<string[]> {
  switch (leftover.kind) {
    case 'createIndex':
    case 'reindex': {
      const now = leftover.kind === 'createIndex' ? await indexesOf(session, leftover.table) : await indexesInReach(session, leftover.object, leftover.target);
      const known = new Set(before.kind === 'indexes' ? before.indexes.map(([oid]) => oid) : []);
      const dead = now.filter((one) => !one.valid && !one.building && !known.has(one.oid));
      return dropIndexes(dead, run);
    }
    case 'detachPartition':
      if ((await detachState(session, leftover)) !== 'pending') return [];
      await run(`ALTER TABLE ${named(leftover.table)} DETACH PARTITION ${named(leftover.partition)} FINALIZE`);
      return [`finished the detaching of ${leftover.partition.name}`];
    default:
      return [];
  }
}

/** After the statement's end is unknown: was it done? Call `cleanUp` first. */
export async function judge(session: Session, leftover: Leftover, before: Before): Promise<Verdict> {
  switch (leftover.kind) {
    case 'createIndex': {
      const known = new Set(before.kind === 'indexes' ? before.indexes.map(([oid]) => oid) : []);
      const fresh = (await indexesOf(session, leftover.table)).filter((one) => one.valid && !known.has(one.oid));
      const mine = leftover.index === null ? fresh : fresh.filter((one) => one.name === leftover.index?.name);
      return { kind: mine.length > 0 ? 'done' : 'again' };
    }
    case 'dropIndex': {
      const found = await Promise.all(leftover.indexes.map((name) => indexNamed(session, name)));
      const gone = found.every((one) => one === null);
      return { kind: gone && before.kind === 'exists' && before.exists ? 'done' : 'again' };
    }
    case 'detachPartition':
      return { kind: (await detachState(session, leftover)) === 'detached' ? 'done' : 'again' };
    case 'createDatabase': {
      const exists = await databaseExists(session, leftover.database);
      return { kind: exists && before.kind === 'exists' && !before.exists ? 'done' : 'again' };
    }
    case 'dropDatabase': {
      const exists = await databaseExists(session, leftover.database);
      return { kind: !exists && before.kind === 'exists' && before.exists ? 'done' : 'again' };
    }
    case 'reindex':
    case 'repeatable':
      return { kind: 'again' };
    case 'undecidable':
      return { kind: 'undecidable', reason: 'nothing in the catalogue tells whether it was done' };
  }
}

/** After success too: a build that only IF NOT EXISTS called done. */
export async function isValid(session: Session, leftover: Leftover): Promise<boolean> {
  if (leftover.kind !== 'createIndex' || leftover.index === null) return true;
  const index = (await indexesOf(session, leftover.table)).find((one) => one.name === leftover.index?.name);
  return index?.valid === true;
}

/** Fails with 22P02 where that index is INVALID. One on a partitioned table is so as long as partitions lack theirs, which may be meant. */
export function validityOf({ index, table }: NonNullable<Statement['passesOver']>): string {
  return `SELECT (CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.relnamespace = x.relnamespace
 WHERE t.oid = pg_catalog.to_regclass(${literal(named(table))})::pg_catalog.oid AND x.relname = ${literal(index)} AND x.relkind = 'i' AND NOT (i.indisvalid AND i.indisready)) THEN 'migrate: the index is INVALID' ELSE '1' END)::int`;
}

const INDEX = `SELECT i.indexrelid::text AS oid, n.nspname AS schema, c.relname AS name, i.indisvalid AND i.indisready AS valid,
 EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) AS building
 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`;

async function indexesOf(session: Session, table: ObjectName): Promise<IndexState[]> {
  return readIndexes(session, `i.indrelid = pg_catalog.to_regclass(${literal(named(table))})::pg_catalog.oid`);
}

async function indexNamed(session: Session, index: ObjectName): Promise<IndexState | null> {
  return (await readIndexes(session, `i.indexrelid = pg_catalog.to_regclass(${literal(named(index))})::pg_catalog.oid`))[0] ?? null;
}

/** The indexes that a REINDEX touches: of one table, of the table of one index, of a schema, or all. */
async function indexesInReach(
  session: Session,
  object: ObjectName | null,
  target: 'index' | 'table' | 'schema' | 'database' | 'system',
): Promise<IndexState[]> {
  const name = object === null ? 'NULL' : literal(named(object));
  const suffix = `c.relname::pg_catalog.text ~ '_cc(new|old)[0-9]*$' AND `;
  switch (target) {
    case 'index':
      return readIndexes(
        session,
        `${suffix}i.indrelid = (SELECT x.indrelid FROM pg_catalog.pg_index x WHERE x.indexrelid = pg_catalog.to_regclass(${name})::pg_catalog.oid)`,
      );
    case 'table': {
      // The table's TOAST index is rebuilt with it.
      const table = `pg_catalog.to_regclass(${name})::pg_catalog.oid`;
      return readIndexes(session, `${suffix}i.indrelid IN (${table}, (SELECT t.reltoastrelid FROM pg_catalog.pg_class t WHERE t.oid = ${table}))`);
    }
    case 'schema':
      return readIndexes(session, `${suffix}n.nspname = ${literal(object?.name ?? '')}`);
    case 'database':
    case 'system':
      return readIndexes(session, `${suffix}true`);
  }
}

async function readIndexes(session: Session, condition: string): Promise<IndexState[]> {
  const rows = await session.read(`${INDEX} WHERE ${condition}`);
  return rows.map((row) => ({
    oid: row['oid'] ?? '',
    schema: row['schema'] ?? '',
    name: row['name'] ?? '',
    valid: row['valid'] === 't',
    building: row['building'] === 't',
  }));
}

async function dropIndexes(indexes: readonly IndexState[], run: Sweep): Promise<string[]> {
  const dropped: string[] = [];
  for (const index of indexes) {
    await run(`DROP INDEX CONCURRENTLY IF EXISTS ${qualified(index.schema, index.name)}`);
    dropped.push(`dropped the invalid index ${index.schema}.${index.name}`);
  }
  return dropped;
}

async function detachState(session: Session, leftover: Extract<Leftover, { kind: 'detachPartition' }>): Promise<'attached' | 'pending' | 'detached'> {
  const rows = await session.read(
    `SELECT inhdetachpending AS pending FROM pg_catalog.pg_inherits WHERE inhrelid = pg_catalog.to_regclass(${literal(named(leftover.partition))})::pg_catalog.oid AND inhparent = pg_catalog.to_regclass(${literal(named(leftover.table))})::pg_catalog.oid`,
  );
  if (rows[0] === undefined) return 'detached';
  return rows[0]['pending'] === 't' ? 'pending' : 'attached';
}

async function databaseExists(session: Session, name: string): Promise<boolean> {
  return (await session.read(`SELECT 1 FROM pg_catalog.pg_database WHERE datname = ${literal(name)}`)).length > 0;
}

/** As SQL. */
export function named(object: ObjectName): string {
  return object.schema === null ? identifier(object.name) : qualified(object.schema, object.name);
}

/** VACUUM FULL, CLUSTER, REINDEX without CONCURRENTLY: readers queue behind them while they wait. */
export function locksStrongly(leftover: Leftover): boolean {
  return leftover.kind === 'repeatable' || (leftover.kind === 'reindex' && !leftover.concurrently);
}
