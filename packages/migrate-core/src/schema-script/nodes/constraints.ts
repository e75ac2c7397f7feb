/** Constraints, indexes and extended statistics of tables. */

import { identifier } from '../../sql.ts';
import type { Context } from '../context.ts';
import type { Node, Statement } from '../node.ts';
import { comment, describe } from '../rights.ts';
import type { ConstraintRow, IndexRow } from '../rows/constraints.ts';
import { sql } from '../text.ts';
import { storageOption } from './columns.ts';

export function constraintNodes(context: Context): Node[] {
  const indexes = new Map(context.rows.indexes.map((index) => [index.oid, index]));
  return context.rows.constraints.flatMap((constraint) => {
    const { oid, name, kind, relation, definition } = constraint;
    const table = context.relation(relation);
    if (table === undefined || kind === 'n' || kind === 't') return [];
    if (!isOwn(constraint, table.is_partition)) return [];
    const key = `pg_constraint:${oid}`;
    const id = `constraint ${name} of table ${table.name}`;
    if (constraint.disabled) context.refuse(`${id} has disabled triggers`);
    const text = context.check(id, [`CONSTRAINT ${identifier(name)} ${definition}`]);
    const isKey = kind === 'p' || kind === 'u' || kind === 'x';
    const index = isKey ? indexes.get(constraint.index) : undefined;
    const partitioned = table.kind === 'p' || table.is_partition;
    const later: Statement[] = [
      ...(index === undefined ? [] : indexSettings(context, table.name, index, name)),
      ...comment(context, key, 0, `CONSTRAINT ${identifier(name)} ON ${identifier(table.name)}`),
    ];
    // CREATE TABLE would take what is not valid for valid, since there are no rows.
    const inCreate = constraint.valid && !(kind === 'f' && partitioned);
    const node: Node = {
      key,
      id,
      table: table.name,
      kind: kind === 'f' ? 'foreignKey' : isKey ? 'key' : 'check',
      needs: new Set([...context.needs(key), `pg_class:${relation}`]),
      oid: Number(oid),
      clause: inCreate ? { of: `pg_class:${relation}`, text } : null,
      locks: isKey ? 2 : 1,
      statements: (inside) => [
        ...(inside.some((one) => one.key === key)
          ? []
          : [
              {
                phase: kind === 'f' || !constraint.valid ? ('constraint' as const) : ('definition' as const),
                text: sql`ALTER TABLE ${table.kind === 'p' ? '' : 'ONLY '}${identifier(table.name)} ADD ${text}`,
              },
            ]),
        ...later,
      ],
    };
    return [node];
  });
}

/** Whether it is said of this table, and does not come from its parent. A partition's keys and checks are said, to be found equal when it is attached. */
function isOwn({ kind, local, inherited, from_parent: fromParent }: ConstraintRow, isPartition: boolean): boolean {
  if (kind === 'f') return !fromParent;
  return isPartition || local || !inherited;
}

export function indexNodes(context: Context): Node[] {
  return context.rows.indexes.flatMap((index) => {
    const { oid, name, relation, definition, constraint } = index;
    const table = context.relation(relation);
    if (table === undefined || constraint !== '0') return [];
    const key = `pg_class:${oid}`;
    const id = `index ${name} of table ${table.name}`;
    if (!index.valid) context.refuse(`${id} is not valid`);
    const text = context.check(id, [definition]);
    const later = indexSettings(context, table.name, index, null);
    const node: Node = {
      key,
      id,
      table: table.name,
      kind: 'index',
      needs: new Set([...context.needs(key), `pg_class:${relation}`]),
      oid: Number(oid),
      clause: null,
      locks: 1,
      statements: () => [{ phase: 'index', text }, ...later],
    };
    return [node];
  });
}

/** @param constraint The name of the one that it is behind, which made it; `null` for none. */
function indexSettings(context: Context, table: string, index: IndexRow, constraint: string | null): Statement[] {
  const name = identifier(index.name);
  const statements: Statement[] = [];
  const say = (text: string): number => statements.push({ phase: 'attach', text: [text] });
  // CREATE INDEX says its options itself.
  if (constraint !== null && index.options !== null) say(`ALTER INDEX ${name} SET (${index.options.map(storageOption).join(', ')})`);
  if (index.tablespace !== null) say(`ALTER INDEX ${name} SET TABLESPACE ${identifier(index.tablespace)}`);
  for (const [column, target] of index.statistics ?? []) say(`ALTER INDEX ${name} ALTER COLUMN ${column} SET STATISTICS ${target}`);
  if (index.clustered) say(`ALTER TABLE ONLY ${identifier(table)} CLUSTER ON ${name}`);
  if (index.replica_identity) say(`ALTER TABLE ONLY ${identifier(table)} REPLICA IDENTITY USING INDEX ${name}`);
  return [...statements, ...comment(context, `pg_class:${index.oid}`, 0, `INDEX ${name}`)];
}

export function statisticsNodes(context: Context): Node[] {
  return context.rows.statistics.map((one) => {
    const name = identifier(one.name);
    const key = `pg_statistic_ext:${one.oid}`;
    const id = `statistics ${one.name}`;
    const kinds = one.kinds === null ? '' : ` (${one.kinds.join(', ')})`;
    const create = context.check(id, [`CREATE STATISTICS ${name}${kinds} ON ${one.columns} FROM ${one.table}`]);
    const later = describe(context, { key, name: `STATISTICS ${name}`, owner: one.owner });
    return {
      key,
      id,
      table: context.relation(one.relation)?.name ?? null,
      kind: 'statistics',
      needs: new Set([...context.needs(key), `pg_class:${one.relation}`]),
      oid: Number(one.oid),
      clause: null,
      locks: 1,
      statements: () => [
        { phase: 'index', text: create },
        ...(one.target === null ? [] : [{ phase: 'index' as const, text: [`ALTER STATISTICS ${name} SET STATISTICS ${one.target}`] }]),
        ...later,
      ],
    };
  });
}
