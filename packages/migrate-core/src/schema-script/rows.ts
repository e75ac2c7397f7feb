/** What the system catalogues say of a schema, as its script needs it. */

import type { Row, Session } from '../session.ts';
import { identifier, literal } from '../sql.ts';
import { constraintRows, indexRows, type ConstraintRow, type IndexRow } from './rows/constraints.ts';
import { dependencyRows, strangerRows, type DependencyRow } from './rows/dependencies.ts';
import { columnRows, relationRows, type ColumnRow, type RelationRow } from './rows/relations.ts';
import { routineRows, typeRows, type RoutineRow, type TypeRow } from './rows/routines.ts';
import {
  commentRows,
  defaultPrivilegeRows,
  policyRows,
  ruleRows,
  schemaRows,
  statisticsRows,
  triggerRows,
  type CommentRow,
  type DefaultPrivilegeRow,
  type PolicyRow,
  type RuleRow,
  type SchemaRow,
  type StatisticsRow,
  type TriggerRow,
} from './rows/small.ts';

export interface SchemaRows {
  readonly schema: SchemaRow;
  readonly relations: readonly RelationRow[];
  readonly columns: readonly ColumnRow[];
  readonly constraints: readonly ConstraintRow[];
  readonly indexes: readonly IndexRow[];
  readonly types: readonly TypeRow[];
  readonly routines: readonly RoutineRow[];
  readonly statistics: readonly StatisticsRow[];
  readonly triggers: readonly TriggerRow[];
  readonly rules: readonly RuleRow[];
  readonly policies: readonly PolicyRow[];
  readonly defaultPrivileges: readonly DefaultPrivilegeRow[];
  readonly comments: readonly CommentRow[];
  readonly dependencies: readonly DependencyRow[];
  /** Objects of kinds that are not read, for people: `operator =(money, money)`. */
  readonly strangers: readonly string[];
}

const PARTS: Readonly<Record<keyof Omit<SchemaRows, 'schema'>, (schema: string) => string>> = {
  relations: relationRows,
  columns: columnRows,
  constraints: constraintRows,
  indexes: indexRows,
  types: typeRows,
  routines: routineRows,
  statistics: statisticsRows,
  triggers: triggerRows,
  rules: ruleRows,
  policies: policyRows,
  defaultPrivileges: defaultPrivilegeRows,
  comments: commentRows,
  dependencies: dependencyRows,
  strangers: strangerRows,
};

/**
 * The search path under which names are read and replayed: what PostgreSQL's own functions write without a schema is then of this schema, or of
 * pg_catalog, whatever the schema is called. The others are only for what runs meanwhile: bodies of functions that an index calls.
 */
export function scriptPath(schema: string, others: readonly string[]): string {
  return [schema, 'pg_catalog', ...others, 'pg_temp'].map(identifier).join(', ');
}

/** One message in a transaction that can write nothing. `null` where there is no such schema. */
export async function readSchemaRows(session: Session, schema: string): Promise<SchemaRows | null> {
  const begin = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
  const [found] = await session.read(
    `SELECT n.oid::pg_catalog.text AS oid, EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace = n.oid) AS operators
 FROM pg_catalog.pg_namespace n WHERE n.nspname = ${literal(schema)}`,
  );
  const oid = found?.['oid'] ?? null;
  if (oid === null) return null;
  // Operators of its own could be taken for those of the queries below: without the path they are only named.
  const path = found?.['operators'] === 't' ? "'pg_catalog'" : scriptPath(schema, []);
  const parts = Object.entries(PARTS).map(
    ([part, query]) => `SELECT ${literal(part)} AS part, pg_catalog.json_agg(r)::pg_catalog.text AS data FROM (${query(oid)}) r`,
  );
  let rows: Row[];
  try {
    rows = await session.read(
      [
        begin,
        `SET LOCAL search_path = ${path}`,
        'SET LOCAL quote_all_identifiers = off',
        `SELECT 'schema' AS part, pg_catalog.json_agg(r)::pg_catalog.text AS data FROM (${schemaRows(oid)}) r`,
        ...parts,
      ].join(';\n'),
    );
  } finally {
    await session.run('ROLLBACK');
  }
  const data = new Map(rows.map((row) => [row['part'], JSON.parse(row['data'] ?? '[]') as unknown[]]));
  const [own] = data.get('schema') ?? [];
  if (own === undefined) return null;
  const strangers = (data.get('strangers') as { name: string }[]).map(({ name }) => name);
  return { ...(Object.fromEntries(data) as unknown as Omit<SchemaRows, 'schema' | 'strangers'>), schema: own as SchemaRow, strangers };
}
