/** A schema's definition as statements that make it again under another name. */

import type { Session } from '../session.ts';
import { Context, type DefaultPrivileges } from './context.ts';
import type { Node } from './node.ts';
import { policyNodes, ruleNodes, schemaNodes, triggerNodes } from './nodes/behaviour.ts';
import { constraintNodes, indexNodes, statisticsNodes } from './nodes/constraints.ts';
import { routineNodes } from './nodes/routines.ts';
import { sequenceNodes } from './nodes/sequences.ts';
import { tableNodes } from './nodes/tables.ts';
import { typeNodes } from './nodes/types.ts';
import { viewNodes } from './nodes/views.ts';
import { readSchemaRows, type SchemaRows } from './rows.ts';

export interface SchemaScript {
  /** Where it was read. */
  readonly schema: string;
  readonly nodes: readonly Node[];
  /** What a copy would not have, or not rightly, for people; empty when nothing is known. Only the fingerprint of a copy proves that it is equal. */
  readonly problems: readonly string[];
  readonly rows: SchemaRows;
}

export interface ReadScriptOptions {
  /** Tables to leave out, with all that is theirs. Default none. */
  readonly exclude?: readonly string[] | undefined;
  /** Of the schema in which the statements will run. Default `later`. */
  readonly defaultPrivileges?: DefaultPrivileges | undefined;
}

/** Reads a schema's definition. Writes nothing. `null` where there is no such schema. */
export async function readSchemaScript(
  session: Session,
  schema: string,
  { exclude = [], defaultPrivileges = 'later' }: ReadScriptOptions = {},
): Promise<SchemaScript | null> {
  const rows = await readSchemaRows(session, schema);
  return rows === null ? null : schemaScript(schema, without(rows, new Set(exclude)), defaultPrivileges);
}

export function schemaScript(schema: string, rows: SchemaRows, defaultPrivileges: DefaultPrivileges): SchemaScript {
  const context = new Context(schema, rows, defaultPrivileges);
  const nodes = [
    ...schemaNodes(context),
    ...typeNodes(context),
    ...sequenceNodes(context),
    ...routineNodes(context),
    ...tableNodes(context),
    ...constraintNodes(context),
    ...viewNodes(context),
    ...indexNodes(context),
    ...statisticsNodes(context),
    ...triggerNodes(context),
    ...ruleNodes(context),
    ...policyNodes(context),
  ];
  return { schema, nodes, problems: context.problems(), rows };
}

function without(rows: SchemaRows, exclude: ReadonlySet<string>): SchemaRows {
  if (exclude.size === 0) return rows;
  const named = new Set(rows.relations.filter((one) => exclude.has(one.name)).map((one) => one.oid));
  const gone = new Set([...named, ...rows.relations.filter((one) => one.owned !== null && named.has(one.owned[0])).map((one) => one.oid)]);
  const stays = ({ relation }: { readonly relation: string }): boolean => !gone.has(relation);
  const goneKeys = new Set([...gone].map((oid) => `pg_class:${oid}`));
  for (const one of rows.indexes) if (!stays(one)) goneKeys.add(`pg_class:${one.oid}`);
  for (const one of rows.constraints) if (!stays(one)) goneKeys.add(`pg_constraint:${one.oid}`);
  for (const one of rows.triggers) if (!stays(one)) goneKeys.add(`pg_trigger:${one.oid}`);
  return {
    ...rows,
    relations: rows.relations.filter((one) => !gone.has(one.oid)),
    columns: rows.columns.filter(stays),
    constraints: rows.constraints.filter(stays),
    indexes: rows.indexes.filter(stays),
    types: rows.types.filter(stays),
    statistics: rows.statistics.filter(stays),
    triggers: rows.triggers.filter(stays),
    rules: rows.rules.filter(stays),
    policies: rows.policies.filter(stays),
    comments: rows.comments.filter((one) => !goneKeys.has(one.key)),
  };
}
