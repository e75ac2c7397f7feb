/** Enums, composite types, domains and ranges. */

import { identifier, literal } from '../../sql.ts';
import type { Context } from '../context.ts';
import type { Node } from '../node.ts';
import { comment, describe } from '../rights.ts';
import type { TypeRow } from '../rows/routines.ts';
import { join, sql, type Text } from '../text.ts';

export function typeNodes(context: Context): Node[] {
  return context.rows.types.flatMap((type) => {
    const { oid, kind, name } = type;
    if (kind === 'e') return [typeNode(context, type, () => [`CREATE TYPE ${identifier(name)} AS ENUM (${(type.labels ?? []).map(literal).join(', ')})`])];
    if (kind === 'r') return rangeNodes(context, type);
    if (kind === 'd') return domainNodes(context, type);
    if (kind === 'c' && context.relation(type.relation)?.kind === 'c') return [compositeNode(context, type)];
    if ((kind === 'b' && type.element === '0') || kind === 'p') context.refuse(`type ${name} (oid ${oid})`);
    return [];
  });
}

function typeNode(context: Context, type: TypeRow, create: (inside: readonly Node[]) => Text): Node {
  const { oid, name, kind, owner, access } = type;
  const key = `pg_type:${oid}`;
  const word = kind === 'd' ? 'DOMAIN' : 'TYPE';
  const later = describe(context, { key, name: `${word} ${identifier(name)}`, grantName: `TYPE ${identifier(name)}`, owner, access });
  const id = `${word.toLowerCase()} ${name}`;
  // Now, so that what is wrong is told before anything is made.
  context.check(id, create([]));
  return {
    key,
    id,
    table: null,
    kind: 'type',
    needs: context.needs(key),
    oid: Number(oid),
    clause: null,
    locks: 2,
    statements: (inside) => [{ phase: 'definition', text: context.check(id, create(inside)) }, ...later],
  };
}

function compositeNode(context: Context, type: TypeRow): Node {
  const columns = context.columns(type.relation);
  const name = identifier(type.name);
  const attributes = columns.map((one) => `${identifier(one.name)} ${one.type}${one.collation === null ? '' : ` COLLATE ${one.collation}`}`);
  const comments = columns.flatMap((one) => comment(context, `pg_class:${type.relation}`, one.number, `COLUMN ${name}.${identifier(one.name)}`));
  const node = typeNode(context, type, () => [`CREATE TYPE ${name} AS (${attributes.join(', ')})`]);
  return { ...node, statements: (inside) => [...node.statements(inside), ...comments] };
}

function rangeNodes(context: Context, type: TypeRow): Node[] {
  const { definition } = type;
  if (definition === null) return [];
  const { subtype, operator_class, collation, canonical, difference, multirange } = definition;
  // Its canonical function takes the type itself, which would have to be a shell before.
  if (canonical !== null) context.refuse(`type ${type.name}, a range with a canonical function`);
  const options = [
    `SUBTYPE = ${subtype}`,
    operator_class === null ? null : `SUBTYPE_OPCLASS = ${operator_class}`,
    collation === null ? null : `COLLATION = ${collation}`,
    difference === null ? null : `SUBTYPE_DIFF = ${difference}`,
    `MULTIRANGE_TYPE_NAME = ${identifier(multirange)}`,
  ];
  return [typeNode(context, type, () => [`CREATE TYPE ${identifier(type.name)} AS RANGE (${options.filter((one) => one !== null).join(', ')})`])];
}

function domainNodes(context: Context, type: TypeRow): Node[] {
  const { domain, name, oid } = type;
  if (domain === null) return [];
  const constraints = context.rows.constraints.filter((one) => one.type === oid);
  const notNull = constraints.find((one) => one.kind === 'n');
  const head = [
    `CREATE DOMAIN ${identifier(name)} AS ${domain.base}`,
    domain.collation === null ? '' : ` COLLATE ${domain.collation}`,
    domain.default === null ? '' : ` DEFAULT ${domain.default}`,
    domain.not_null ? `${notNull === undefined ? '' : ` CONSTRAINT ${identifier(notNull.name)}`} NOT NULL` : '',
  ].join('');
  const node = typeNode(context, type, (inside) => [head, ...join(['', ...inside.map((one) => one.clause?.text ?? [])], ' ')]);
  const notNullComment =
    notNull === undefined ? [] : comment(context, `pg_constraint:${notNull.oid}`, 0, `CONSTRAINT ${identifier(notNull.name)} ON DOMAIN ${identifier(name)}`);
  const checks = constraints
    .filter((one) => one.kind === 'c')
    .map((one): Node => {
      const key = `pg_constraint:${one.oid}`;
      const id = `constraint ${one.name} of domain ${name}`;
      const text = context.check(id, [`CONSTRAINT ${identifier(one.name)} ${one.definition}`]);
      const comments = comment(context, key, 0, `CONSTRAINT ${identifier(one.name)} ON DOMAIN ${identifier(name)}`);
      return {
        key,
        id,
        table: null,
        kind: 'check',
        needs: new Set([...context.needs(key), node.key]),
        oid: Number(one.oid),
        clause: one.valid ? { of: node.key, text } : null,
        locks: 0,
        statements: (inside) => [
          ...(inside.some((other) => other.key === key)
            ? []
            : [{ phase: one.valid ? ('definition' as const) : ('constraint' as const), text: sql`ALTER DOMAIN ${identifier(name)} ADD ${text}` }]),
          ...comments,
        ],
      };
    });
  return [{ ...node, statements: (inside) => [...node.statements(inside), ...notNullComment] }, ...checks];
}
