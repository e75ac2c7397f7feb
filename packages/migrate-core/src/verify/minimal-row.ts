/** A row with as little in it as a table takes, for a table that has none: made and rolled back. Pure. */

import { identifier, literal, qualified } from '../sql.ts';

export interface ColumnFacts {
  readonly name: string;
  /** As `format_type` writes it, and its category of `pg_type`. */
  readonly type: string;
  readonly category: string;
  readonly required: boolean;
  /** An identity, or a default that takes from a sequence: what is taken there does not come back. */
  readonly counted: boolean;
  readonly generated: boolean;
  /** The first label of an enum, or the first text that a check of the column names; `null` for none. */
  readonly example: string | null;
  /** Whether the application may update it. */
  readonly updatable: boolean;
  /** Whether it decides the partition. */
  readonly routes: boolean;
}

/**
 * An INSERT for `format`, whose first argument is the tenant. `null` where some column's type has no value that is known to be one.
 */
export function minimalInsert(table: { readonly schema: string; readonly name: string }, columns: readonly ColumnFacts[], tenant: string): string | null {
  const names: string[] = [];
  const values: string[] = [];
  for (const column of columns) {
    if (column.generated || !(column.required || column.counted || column.name === tenant)) continue;
    const value = column.name === tenant ? '%1$L' : valueOf(column);
    if (value === null) return null;
    names.push(forFormat(identifier(column.name)));
    values.push(value);
  }
  const into = `INSERT INTO ${forFormat(qualified(table.schema, table.name))}`;
  return names.length === 0 ? `${into} DEFAULT VALUES` : `${into} (${names.join(', ')}) OVERRIDING SYSTEM VALUE VALUES (${values.join(', ')})`;
}

/** `%` begins a place of `format`. */
export function forFormat(text: string): string {
  return text.replaceAll('%', '%%');
}

function valueOf({ type, category, example, counted }: ColumnFacts): string | null {
  if (counted) return '-1';
  if (example !== null) return forFormat(literal(example));
  if (type === 'uuid') return 'pg_catalog.gen_random_uuid()';
  if (type === 'json' || type === 'jsonb') return `'{}'`;
  if (type === 'bytea') return `''`;
  switch (category) {
    case 'S':
      return `'x'`;
    case 'N':
      return '1';
    case 'B':
      return 'false';
    case 'D':
      return type.startsWith('time') && !type.startsWith('timestamp') ? 'LOCALTIME' : 'pg_catalog.now()';
    case 'T':
      return `'1 day'`;
    case 'A':
      return `'{}'`;
    default:
      return null;
  }
}
