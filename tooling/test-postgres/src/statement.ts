/** Statements for rows given as objects: for tests, whose values are known. */

import pg from 'pg';

/** Column names and values; a number is written as one, everything else as a text that PostgreSQL reads by the column's type. */
export type RowValues = Readonly<Record<string, string | number | null>>;

export function insertRow(table: string, values: RowValues): string {
  return `INSERT INTO ${table} (${Object.keys(values).join(', ')}) VALUES (${Object.values(values).map(literal).join(', ')})`;
}

/** Of every row that can be seen. */
export function updateRows(table: string, values: RowValues): string {
  const set = Object.entries(values).map(([column, value]) => `${column} = ${literal(value)}`);
  return `UPDATE ${table} SET ${set.join(', ')}`;
}

function literal(value: string | number | null): string {
  if (value === null) return 'NULL';
  return typeof value === 'number' ? String(value) : pg.escapeLiteral(value);
}
