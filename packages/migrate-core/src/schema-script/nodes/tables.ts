/** Tables with their columns, partitions and what is set on them. */

import { identifier } from '../../sql.ts';
import type { Context } from '../context.ts';
import type { Node, Statement } from '../node.ts';
import { comment, describe, grants } from '../rights.ts';
import type { ColumnRow, RelationRow } from '../rows/relations.ts';
import { join, sql, type Text } from '../text.ts';
import { columnDefinition, columnSettings, storageOption } from './columns.ts';
import { describeSequence } from './sequences.ts';

export function tableNodes(context: Context): Node[] {
  const identities = new Map(context.rows.relations.flatMap((one) => (one.owned?.[2] === 'i' ? [[`${one.owned[0]} ${one.owned[1]}`, one] as const] : [])));
  return context.rows.relations.flatMap((table) => {
    if (table.kind === 'f') context.refuse(`foreign table ${table.name}`);
    if (table.kind !== 'r' && table.kind !== 'p') return [];
    const identityOf = (column: ColumnRow): RelationRow | undefined => identities.get(`${table.oid} ${column.name}`);
    return [tableNode(context, table, identityOf), ...defaultNodes(context, table), ...attachmentNodes(context, table)];
  });
}

function tableNode(context: Context, table: RelationRow, identityOf: (column: ColumnRow) => RelationRow | undefined): Node {
  const { oid, name } = table;
  const key = `pg_class:${oid}`;
  const id = `table ${name}`;
  const columns = context.columns(oid);
  const inherits = inheritance(context, table, columns);
  const own = inherits === 'create' ? columns.filter((column) => column.local) : columns;
  const later = afterCreation(context, table, columns, identityOf, inherits);
  const create = (inside: readonly Node[]): Text => {
    const clauses = new Map(inside.map((node) => [node.key, node]));
    const constraints = inside.filter((node) => node.kind !== 'default').map((node) => node.clause?.text ?? []);
    const definitions = [...own.map((column) => columnDefinition(column, context.server, clauses, identityOf(column))), ...constraints];
    const kind = table.persistence === 'u' ? 'UNLOGGED TABLE' : 'TABLE';
    return context.check(id, sql`CREATE ${kind} ${identifier(name)} (${join(definitions, ', ')})${ending(table, inherits)}`);
  };
  // Now, so that what is wrong is told before anything is made.
  create([]);
  return {
    key,
    id,
    table: name,
    kind: 'table',
    needs: context.needs(key),
    oid: Number(oid),
    clause: null,
    locks: 5 + columns.filter((column) => column.identity !== '').length,
    statements: (inside) => [{ phase: 'definition', text: create(inside) }, ...later],
  };
}

function ending(table: RelationRow, inherits: Inheritance): string {
  const { parents, partition_by, method, options, toast, tablespace } = table;
  const settings = [...(options ?? []).map(storageOption), ...(toast ?? []).map((one) => `toast.${storageOption(one)}`)];
  return [
    inherits === 'create' ? ` INHERITS (${(parents ?? []).map(([, parent]) => parent).join(', ')})` : '',
    partition_by === null ? '' : ` PARTITION BY ${partition_by}`,
    method === null ? '' : ` USING ${identifier(method)}`,
    settings.length === 0 ? '' : ` WITH (${settings.join(', ')})`,
    tablespace === null ? '' : ` TABLESPACE ${identifier(tablespace)}`,
  ].join('');
}

type Inheritance = 'none' | 'create' | 'later';

/** Whether CREATE … INHERITS makes the same columns in the same order, or the parents are said afterwards, which makes every column the table's own. */
function inheritance(context: Context, table: RelationRow, columns: readonly ColumnRow[]): Inheritance {
  const parents = table.parents ?? [];
  if (parents.length === 0 || table.is_partition) return 'none';
  const order = new Set<string>();
  for (const [parent] of parents) {
    if (context.relation(parent) === undefined) context.refuse(`table ${table.name} inherits from a table of another schema`);
    for (const column of context.columns(parent)) order.add(column.name);
  }
  for (const column of columns) if (column.local) order.add(column.name);
  if ([...order].join('\0') === columns.map((column) => column.name).join('\0')) return 'create';
  if (columns.some((column) => !column.local)) context.refuse(`table ${table.name} has its columns in another order than its parents`);
  return 'later';
}

function afterCreation(
  context: Context,
  table: RelationRow,
  columns: readonly ColumnRow[],
  identityOf: (column: ColumnRow) => RelationRow | undefined,
  inherits: Inheritance,
): readonly Statement[] {
  const { oid, name, owner, access, parents, type, row_security, force_row_security, replica_identity } = table;
  const quotedName = identifier(name);
  const key = `pg_class:${oid}`;
  // What CREATE takes of its parents is said of these columns here alone.
  const said = (column: ColumnRow): boolean => inherits !== 'create' || column.local;
  const actions = [
    ...columnSettings(columns.filter(said), context.server),
    ...columnSettings(
      columns.filter((column) => !said(column)),
      0,
    ),
  ];
  if (inherits === 'later') actions.push(...(parents ?? []).map(([, parent]) => `INHERIT ${parent}`));
  if (inherits === 'create') {
    for (const column of columns) {
      if (!column.local && column.not_null && column.not_null_constraint?.local !== false) actions.push(`ALTER COLUMN ${identifier(column.name)} SET NOT NULL`);
    }
  }
  if (type !== null) actions.push(`OF ${type}`);
  const behaviour: string[] = [];
  if (row_security) behaviour.push('ENABLE ROW LEVEL SECURITY');
  if (force_row_security) behaviour.push('FORCE ROW LEVEL SECURITY');
  if (replica_identity === 'f') behaviour.push('REPLICA IDENTITY FULL');
  if (replica_identity === 'n') behaviour.push('REPLICA IDENTITY NOTHING');
  const alter = (phase: Statement['phase'], all: readonly string[]): Statement[] =>
    all.length === 0 ? [] : [{ phase, text: [`ALTER TABLE ONLY ${quotedName} ${all.join(', ')}`] }];
  return [
    ...alter('definition', actions),
    ...alter('behaviour', behaviour),
    ...describe(context, { key, name: `TABLE ${quotedName}`, owner, access }),
    ...columns.flatMap((column) => [
      ...describeColumn(context, table, column),
      ...(identityOf(column) === undefined ? [] : describeSequence(context, identityOf(column) as RelationRow)),
      ...(column.not_null_constraint === null ? [] : describeNotNull(context, table, column.not_null_constraint.name)),
    ]),
  ];
}

export function describeColumn(context: Context, relation: RelationRow, { number, name, rights }: ColumnRow): Statement[] {
  const table = identifier(relation.name);
  return [
    ...(rights === null ? [] : grants({ now: rights, usual: [] }, `TABLE ${table}`, relation.owner, ` (${identifier(name)})`)),
    ...comment(context, `pg_class:${relation.oid}`, number, `COLUMN ${table}.${identifier(name)}`),
  ];
}

function describeNotNull(context: Context, { oid, name: table }: RelationRow, name: string): Statement[] {
  const found = context.rows.constraints.find((one) => one.relation === oid && one.kind === 'n' && one.name === name);
  return found === undefined ? [] : comment(context, `pg_constraint:${found.oid}`, 0, `CONSTRAINT ${identifier(name)} ON ${identifier(table)}`);
}

/** Defaults stand by themselves, since a function that they call may need the table. */
function defaultNodes(context: Context, table: RelationRow): Node[] {
  return context.columns(table.oid).flatMap((column) => {
    const { name, default_oid, generated } = column;
    if (default_oid === null || column.default === null || generated !== '') return [];
    const key = `pg_attrdef:${default_oid}`;
    const id = `default of column ${name} of table ${table.name}`;
    const text: Text = context.check(id, [column.default]);
    const separate = !column.local && !table.is_partition;
    const node: Node = {
      key,
      id,
      table: table.name,
      kind: 'default',
      needs: new Set([...context.needs(key), `pg_class:${table.oid}`]),
      oid: Number(default_oid),
      clause: separate ? null : { of: `pg_class:${table.oid}`, text },
      locks: 0,
      statements: () => [{ phase: 'definition', text: sql`ALTER TABLE ONLY ${identifier(table.name)} ALTER COLUMN ${identifier(name)} SET DEFAULT ${text}` }],
    };
    return [node];
  });
}

/** A partition is a table by itself first: so its keys and indexes keep their names, and its columns their order. */
function attachmentNodes(context: Context, table: RelationRow): Node[] {
  const [parent] = table.parents ?? [];
  if (!table.is_partition || parent === undefined || table.bound === null) return [];
  const [oid, , detaching] = parent;
  const parentTable = context.relation(oid);
  if (detaching || parentTable === undefined) {
    context.refuse(`table ${table.name} is ${detaching ? 'being detached from its parent' : 'a partition of a table of another schema'}`);
    return [];
  }
  const id = `partition ${table.name} of table ${parentTable.name}`;
  const attach = `ALTER TABLE ONLY ${identifier(parentTable.name)} ATTACH PARTITION ${identifier(table.name)} ${table.bound}`;
  return [
    {
      key: `attachment:${table.oid}`,
      id,
      table: table.name,
      kind: 'attachment',
      needs: new Set([`pg_class:${table.oid}`, `pg_class:${oid}`]),
      oid: Number(table.oid),
      clause: null,
      locks: 2,
      statements: () => [{ phase: 'attach', text: context.check(id, [attach]) }],
    },
  ];
}
