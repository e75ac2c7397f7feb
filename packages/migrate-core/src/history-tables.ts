/** How the tables of a history are made. Pure. */

import type { HistoryTables } from './history.ts';
import { doBlock, identifier, literal } from './sql.ts';

/** From here on CREATE TABLE takes the storage of a column. */
const WITH_STORAGE = 160_000;

/**
 * Statements of a DO block which create what is missing. A stored down is code, and usual default privileges would let
 * an application rewrite it (ALTER DEFAULT PRIVILEGES … GRANT … ON TABLES): whatever they granted is taken back at once.
 */
export function createTablesBody(tables: HistoryTables, serverVersion: number): string {
  const { history, log } = creating(tables, serverVersion);
  return `
IF pg_catalog.to_regnamespace(${literal(identifier(tables.schema))}) IS NULL THEN CREATE SCHEMA ${identifier(tables.schema)}; END IF;
IF pg_catalog.to_regclass(${literal(tables.history)}) IS NULL THEN ${history.join('; ')}; END IF;
IF pg_catalog.to_regclass(${literal(tables.log)}) IS NULL THEN ${log}; END IF;
CREATE TABLE IF NOT EXISTS ${tables.scripts} (
  key text PRIMARY KEY, up text, down text, down_checksum text, down_transaction text, down_parse text);
${revokeFromOthers([tables.history, tables.log, tables.scripts])}`;
}

/** Statements of a DO block with a record `r`: takes from everybody but the owners what default privileges gave on these tables. */
export function revokeFromOthers(tables: readonly string[]): string {
  return `FOR r IN SELECT c.oid::pg_catalog.regclass AS relation, CASE WHEN a.grantee = 0::pg_catalog.oid THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee
  FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
  WHERE c.oid IN (${tables.map((name) => `${literal(name)}::pg_catalog.regclass::pg_catalog.oid`).join(', ')}) AND a.grantee <> c.relowner
LOOP EXECUTE 'REVOKE ALL ON TABLE ' || r.relation || ' FROM ' || r.grantee; END LOOP;`;
}

/** The history and its log where neither is there, nor any default privilege that would have to be taken back. */
export function createUnused(tables: HistoryTables, serverVersion: number): readonly string[] {
  const { history, log } = creating(tables, serverVersion);
  return [...history, log];
}

/**
 * As few relations and rows of the catalogue as can be: each relation costs as much as a small migration, and there are two tables for every tenant. Without
 * a column that may be stored elsewhere there is no TOAST table with its index; of the log, which is written under the lock and never changed, every reader
 * wants the newest rows of a few. Each default, and since PostgreSQL 18 each NOT NULL, is a row of the catalogue: whoever inserts names every column. One of
 * thousands of histories has no primary key either: its index is a tenth of what a new tenant costs, and the lock lets nobody write a row twice.
 */
function creating(tables: HistoryTables, serverVersion: number): { readonly history: readonly string[]; readonly log: string } {
  const inRow = serverVersion >= WITH_STORAGE ? ' STORAGE PLAIN' : '';
  const many = tables.of === 'many';
  const plain = many ? inRow : '';
  const text = `text${plain}`;
  const table = `CREATE TABLE ${tables.history} (
  name ${text}${many ? '' : ' PRIMARY KEY'}, version ${text}, description ${text}, checksum ${text}, seq bigint, state ${text}, applied_at timestamptz, applied_by ${text},
  duration_ms bigint, run_id ${text}, tool ${text}, requires text[]${plain}, progress ${text}, script ${text}, reversible boolean)`;
  // Else the server refuses to change a row of a published table (manual, 29.1.1).
  const identity = `ALTER TABLE ${tables.history} REPLICA IDENTITY FULL`;
  const logText = `text${inRow}`;
  return {
    history: many ? [table, identity] : [table],
    log: `CREATE TABLE ${tables.log} (
  seq bigint, at timestamptz, action ${logText}, name ${logText}, by ${logText}, "from" ${logText}, run_id ${logText}, duration_ms bigint, detail ${logText})`,
  };
}

/** SQL for the newest number that the log has given: a copy's history may be ahead of its log. */
export function newestNumber(tables: HistoryTables): string {
  return `GREATEST((SELECT pg_catalog.max(seq) FROM ${tables.log}), (SELECT pg_catalog.max(seq) FROM ${tables.history}), 0)`;
}

/** A row has to fit into a page of 8 kB: so many bytes of what the migrations say, as many of its progress, and the columns of known length. */
const LONGEST_SHORT_ROW = 3_500;

/** The statement that lets a tenant's history take values of any length, before one that may be too long for its page; `null` where these are not. */
export function roomFor(tables: HistoryTables, values: readonly string[]): string | null {
  if (tables.of === 'one' || values.reduce((sum, value) => sum + Buffer.byteLength(value), 0) <= LONGEST_SHORT_ROW) return null;
  const columns = ['version', 'description', 'requires', 'progress'];
  // Only once, and only by its owner: others may write rows, and the lock that this takes waits for every reader.
  return doBlock(
    `BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = ${literal(tables.history)}::pg_catalog.regclass AND attname = 'description' AND attstorage = 'p')
THEN ALTER TABLE ${tables.history} ${columns.map((column) => `ALTER COLUMN ${column} SET STORAGE EXTENDED`).join(', ')}; END IF; END`,
  );
}
