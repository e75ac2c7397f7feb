/** The statements that most routes need. Table and column names come from the code, values never become part of the text. */

import { Type, type TInteger } from 'typebox';
import type { Actor, Queryable } from './database.ts';
import { quoted } from './name.ts';

export type Row = Record<string, unknown>;

/** Part of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** The `offset` of what follows; `null` at the end. */
  readonly next: number | null;
}

export interface PageRequest {
  readonly limit: number;
  readonly offset: number;
}

/** The two keys of a paged list's query. */
export const pageQuery: { readonly limit: TInteger; readonly offset: TInteger } = {
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  offset: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 }),
};

function list(columns: readonly string[]): string {
  return columns.map(quoted).join(', ');
}

/** Inserts a row of the tenant; answers its `columns`. `tenantColumn` is `none` where the table makes the tenant from something else. */
export async function insertRow(
  db: Queryable,
  table: string,
  { tenant }: Pick<Actor, 'tenant'>,
  values: Row,
  columns: readonly string[],
  tenantColumn: 'tenant_id' | 'none' = 'tenant_id',
): Promise<Row> {
  const given = Object.entries(tenantColumn === 'none' ? values : { ...values, tenant_id: tenant });
  const { rows } = await db.query<Row>(
    `INSERT INTO ${quoted(table)} (${list(given.map(([name]) => name))}) VALUES (${given.map((_, index) => `$${index + 1}`).join(', ')}) RETURNING ${list(columns)}`,
    given.map(([, value]) => value),
  );
  return rows[0] as Row;
}

export async function findRow(db: Queryable, table: string, id: string, columns: readonly string[], key = 'id'): Promise<Row | null> {
  const { rows } = await db.query<Row>(`SELECT ${list(columns)} FROM ${quoted(table)} WHERE ${quoted(key)} = $1`, [id]);
  return rows[0] ?? null;
}

/** Sets what `values` names, and nothing where it names nothing; `null` where there is no such row. */
export async function updateRow(db: Queryable, table: string, id: string, values: Row, columns: readonly string[], key = 'id'): Promise<Row | null> {
  const given = Object.entries(values);
  if (given.length === 0) return await findRow(db, table, id, columns, key);
  const assignments = given.map(([name], index) => `${quoted(name)} = $${index + 2}`).join(', ');
  const { rows } = await db.query<Row>(`UPDATE ${quoted(table)} SET ${assignments} WHERE ${quoted(key)} = $1 RETURNING ${list(columns)}`, [
    id,
    ...given.map(([, value]) => value),
  ]);
  return rows[0] ?? null;
}

/** Answers whether there was such a row. */
export async function deleteRow(db: Queryable, table: string, id: string): Promise<boolean> {
  const { rowCount } = await db.query(`DELETE FROM ${quoted(table)} WHERE id = $1`, [id]);
  return rowCount === 1;
}

export interface ListRequest {
  readonly table: string;
  readonly columns: readonly string[];
  /** Conditions with `$1` … for `values`; joined by AND. */
  readonly where: readonly string[];
  readonly values: readonly unknown[];
  /** Must end in something unique, or pages overlap. */
  readonly order: string;
  readonly page: PageRequest;
}

export async function listRows(db: Queryable, { table, columns, where, values, order, page }: ListRequest): Promise<Page<Row>> {
  const condition = where.length === 0 ? '' : `WHERE ${where.map((one) => `(${one})`).join(' AND ')}`;
  const { rows } = await db.query<Row>(
    // One more than asked for tells whether anything follows, without counting everything.
    `SELECT ${list(columns)} FROM ${quoted(table)} ${condition} ORDER BY ${order} LIMIT ${page.limit + 1} OFFSET ${page.offset}`,
    values,
  );
  return { items: rows.slice(0, page.limit), next: rows.length > page.limit ? page.offset + page.limit : null };
}
