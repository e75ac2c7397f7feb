/** Rows as statements that hold them, for a copy in another database. */

import type { Session } from '../session.ts';
import { identifier, literal, qualified } from '../sql.ts';
import { columnsToFill } from './contents.ts';
import type { Statement } from './node.ts';
import type { SchemaScript } from './script.ts';

/** Rows of one statement. */
const AT_ONCE = 500;

/** Forms in which every value is read as it was written, whatever the server's settings are. */
const EXACT = `SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex'`;

/** Statements that put a table's rows into the same table elsewhere; none where there are no rows. Generated columns are left out. */
export async function rowValues(session: Session, script: SchemaScript, table: string): Promise<readonly Statement[]> {
  const columns = columnsToFill(script, table).map((one) => one.name);
  const list = columns.map(identifier).join(', ');
  const begun = await session.runInside(`BEGIN READ ONLY; ${EXACT}`);
  if (begun.kind !== 'done') throw begun.error;
  let rows;
  try {
    rows = await session.read(`SELECT ${list} FROM ONLY ${qualified(script.schema, table)}`);
  } finally {
    await session.run('ROLLBACK');
  }
  if (columns.length === 0) return rows.map(() => ({ phase: 'rows', text: [`INSERT INTO ${identifier(table)} DEFAULT VALUES`] }));
  const statements: Statement[] = [];
  for (let at = 0; at < rows.length; at += AT_ONCE) {
    const values = rows.slice(at, at + AT_ONCE).map((row) => `(${columns.map((column) => literal(row[column] ?? null)).join(', ')})`);
    statements.push({ phase: 'rows', text: [`INSERT INTO ${identifier(table)} (${list}) OVERRIDING SYSTEM VALUE VALUES ${values.join(', ')}`] });
  }
  return statements;
}
