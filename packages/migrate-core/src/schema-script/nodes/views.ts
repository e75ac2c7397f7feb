/** Views and materialized views. */

import { identifier } from '../../sql.ts';
import type { Context } from '../context.ts';
import type { Node, Statement } from '../node.ts';
import { describe } from '../rights.ts';
import type { RelationRow } from '../rows/relations.ts';
import { sql } from '../text.ts';
import { columnSettings, storageOption } from './columns.ts';
import { describeColumn } from './tables.ts';

export function viewNodes(context: Context): Node[] {
  return context.rows.relations.filter((one) => one.kind === 'v' || one.kind === 'm').map((view) => viewNode(context, view));
}

function viewNode(context: Context, view: RelationRow): Node {
  const { oid, kind, owner, access, options, method, tablespace, definition, populated } = view;
  const name = identifier(view.name);
  const key = `pg_class:${oid}`;
  const word = kind === 'm' ? 'MATERIALIZED VIEW' : 'VIEW';
  const id = `${word.toLowerCase()} ${view.name}`;
  const columns = context.columns(oid);
  const settings = options === null ? '' : ` WITH (${options.map(storageOption).join(', ')})`;
  const query = (definition ?? '').replace(/;\s*$/, '');
  const create =
    kind === 'v'
      ? `CREATE VIEW ${name}${settings} AS ${query}`
      : `CREATE MATERIALIZED VIEW ${name}${method === null ? '' : ` USING ${identifier(method)}`}${settings}${tablespace === null ? '' : ` TABLESPACE ${identifier(tablespace)}`} AS ${query}\nWITH NO DATA`;
  const text = context.check(id, [create]);
  const later: Statement[] = [];
  for (const column of columns) {
    if (kind === 'v' && column.default !== null) {
      later.push({ phase: 'behaviour', text: context.check(id, [`ALTER VIEW ${name} ALTER COLUMN ${identifier(column.name)} SET DEFAULT ${column.default}`]) });
    }
    later.push(...describeColumn(context, view, column));
  }
  const actions = kind === 'm' ? columnSettings(columns, 0) : [];
  if (actions.length > 0) later.push({ phase: 'definition', text: [`ALTER MATERIALIZED VIEW ${name} ${actions.join(', ')}`] });
  if (kind === 'm' && populated) later.push({ phase: 'refresh', text: [`REFRESH MATERIALIZED VIEW ${name}`] });
  later.push(...describe(context, { key, name: sql`${word} ${name}`, grantName: `TABLE ${name}`, owner, access }));
  return {
    key,
    id,
    table: null,
    kind: 'view',
    needs: context.needs(key),
    oid: Number(oid),
    clause: null,
    locks: kind === 'm' ? 4 : 2,
    statements: () => [{ phase: 'definition', text }, ...later],
  };
}
