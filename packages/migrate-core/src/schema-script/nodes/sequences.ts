/** Sequences, and which columns own them. */

import { identifier } from '../../sql.ts';
import type { Context } from '../context.ts';
import type { Node } from '../node.ts';
import { describe } from '../rights.ts';
import type { RelationRow, SequenceRow } from '../rows/relations.ts';
import { sql } from '../text.ts';

export function sequenceOptions(sequence: SequenceRow): string {
  const { increment, min, max, start, cache, cycle } = sequence;
  return `INCREMENT BY ${increment} MINVALUE ${min} MAXVALUE ${max} START WITH ${start} CACHE ${cache}${cycle ? ' CYCLE' : ''}`;
}

export function sequenceNodes(context: Context): Node[] {
  return context.rows.relations.flatMap((relation) => {
    const { oid, name, kind, sequence, owned, persistence } = relation;
    if (kind !== 'S' || sequence === null || owned?.[2] === 'i') return [];
    const key = `pg_class:${oid}`;
    const table = owned === null ? undefined : context.relation(owned[0]);
    if (owned !== null && table === undefined) context.refuse(`sequence ${name} is owned by a column of another schema`);
    const create = `CREATE${persistence === 'u' ? ' UNLOGGED' : ''} SEQUENCE ${identifier(name)} AS ${sequence.type} ${sequenceOptions(sequence)}`;
    const described = describeSequence(context, relation);
    const node: Node = {
      key,
      id: `sequence ${name}`,
      // It goes with its table.
      table: table?.name ?? null,
      kind: 'sequence',
      needs: context.needs(key),
      oid: Number(oid),
      statements: () => [{ phase: 'definition', text: [create] }, ...described],
      clause: null,
      locks: 2,
    };
    if (owned === null || table === undefined) return [node];
    const ownership: Node = {
      key: `ownership:${oid}`,
      id: `owner of sequence ${name}`,
      table: table.name,
      kind: 'ownership',
      needs: new Set([key, `pg_class:${owned[0]}`]),
      oid: Number(oid),
      statements: () => [{ phase: 'definition', text: sql`ALTER SEQUENCE ${identifier(name)} OWNED BY ${identifier(table.name)}.${identifier(owned[1])}` }],
      clause: null,
      locks: 0,
    };
    return [node, ownership];
  });
}

export function describeSequence(context: Context, { oid, name, access, owner, owned }: RelationRow): ReturnType<typeof describe> {
  // A sequence that a column owns has its table's owner, and cannot have another.
  return describe(context, { key: `pg_class:${oid}`, name: `SEQUENCE ${identifier(name)}`, access, owner: owned === null ? owner : null });
}
