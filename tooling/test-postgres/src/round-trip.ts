/**
 * Up, down, up of each migration of a service, with rows in every table: is the schema the same again, and what became of the rows?
 * It knows nothing of the library under test: that is handed in, so that this package needs no other.
 */

import type pg from 'pg';

/** One service on one database. */
export interface RoundTripSubject {
  /** A superuser's client: row-level security hides nothing from it. */
  readonly client: pg.Client;
  readonly schema: string;
  /** Tables that are not the service's own: the history and its companions. */
  readonly exclude: readonly string[];
  /** All migrations, in order. */
  readonly names: readonly string[];
  /** Applies the next migration. */
  up(): Promise<void>;
  /** Undoes the last one. */
  down(): Promise<void>;
  /** The schema as text, equal for equal schemas. */
  catalog(): Promise<string>;
  /** Puts rows into what this migration made. Called again after the second up: rows that are there already must not disturb it. */
  fill(name: string): Promise<void>;
}

/** What was seen of one migration. */
export interface RoundTripStep {
  readonly name: string;
  /** The schema before, after an up, after a down with rows in every table, after the up that followed. */
  readonly before: string;
  readonly afterUp: string;
  readonly afterDown: string;
  readonly afterSecondUp: string;
  /** Tables in which no row was while the down ran: their part of it is not shown. */
  readonly empty: readonly string[];
  /** What was there before an up and is not there as it was after the down that followed: `patients.phone`, or `patients (rows)`. Must be nothing. */
  readonly damaged: readonly string[];
  /** What was written under the migration and is not there as it was after down and up: what the down cannot keep. */
  readonly lost: readonly string[];
}

/** Rows by table, each as an object of its columns. */
export type Rows = ReadonlyMap<string, readonly Readonly<Record<string, unknown>>[]>;

/** Takes every migration up and down, and with rows of its own up, down and up again, one after the other; leaves all of them applied. */
export async function roundTrips(subject: RoundTripSubject): Promise<RoundTripStep[]> {
  const steps: RoundTripStep[] = [];
  for (const name of subject.names) {
    const before = await subject.catalog();
    const rowsBefore = await readRows(subject);
    await subject.up();
    const afterUp = await subject.catalog();
    await subject.down();
    const damaged = differences(rowsBefore, await readRows(subject));

    await subject.up();
    await subject.fill(name);
    const filled = await readRows(subject);
    await subject.down();
    const afterDown = await subject.catalog();
    await subject.up();
    const afterSecondUp = await subject.catalog();
    const lost = differences(filled, await readRows(subject));
    await subject.fill(name);
    const empty = [...filled].filter(([, rows]) => rows.length === 0).map(([table]) => table);
    steps.push({ name, before, afterUp, afterDown, afterSecondUp, empty, damaged, lost });
  }
  return steps;
}

/** Every row of every table of the schema but the excluded ones. */
export async function readRows({ client, schema, exclude }: Pick<RoundTripSubject, 'client' | 'schema' | 'exclude'>): Promise<Rows> {
  const tables = await client.query<{ name: string; qualified: string }>(
    `SELECT c.relname AS name, pg_catalog.format('%I.%I', n.nspname, c.relname) AS qualified
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL ($2) ORDER BY 1`,
    [schema, exclude],
  );
  const rows = new Map<string, Record<string, unknown>[]>();
  for (const { name, qualified } of tables.rows) {
    const found = await client.query<{ row: Record<string, unknown> }>(`SELECT pg_catalog.to_jsonb(t) AS row FROM ${qualified} t`);
    rows.set(
      name,
      found.rows.map(({ row }) => row),
    );
  }
  return rows;
}

/** What of `before` is not in `after`: whole rows of a table, or the columns whose values are no longer those they were. More rows are no difference. */
export function differences(before: Rows, after: Rows): string[] {
  const found: string[] = [];
  for (const [table, rows] of before) {
    if (rows.length === 0) continue;
    const now = after.get(table) ?? [];
    if (now.length < rows.length) {
      found.push(`${table} (rows)`);
      continue;
    }
    for (const column of Object.keys(rows[0] ?? {})) {
      // Beside the key, so that values which changed places are seen as well.
      const key = 'id' in (rows[0] ?? {}) ? 'id' : column;
      const kept = new Set(now.map((row) => JSON.stringify([row[key], row[column] ?? null])));
      if (rows.some((row) => !kept.has(JSON.stringify([row[key], row[column] ?? null])))) found.push(`${table}.${column}`);
    }
  }
  return found.toSorted();
}
