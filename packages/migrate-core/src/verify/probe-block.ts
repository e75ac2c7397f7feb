/** The block of PL/pgSQL that tries one table out, inside the server. Pure. */

import { doBlock, identifier, literal, qualified, textArray } from '../sql.ts';
import { type ColumnFacts, forFormat, minimalInsert } from './minimal-row.ts';
import type { TableFacts } from './tenant-facts.ts';

/** What must not succeed, as what the role was let do when it did. */
export const ATTEMPTS = {
  sees: 'see rows of another tenant',
  seesBlind: 'see rows where it has none of its own',
  seesNobody: 'see rows while no tenant is set',
  inserts: 'insert a row as another tenant’s',
  updates: 'update another tenant’s row',
  updatesBlind: 'update another tenant’s row',
  deletes: 'delete another tenant’s row',
  deletesBlind: 'delete another tenant’s row',
  givesAway: 'give a row to another tenant',
} as const;

export type Attempt = keyof typeof ATTEMPTS;

export interface BlockInput {
  readonly table: TableFacts;
  /** Tables with a column of the same type, where a second tenant may be found. */
  readonly others: readonly TableFacts[];
  readonly columns: readonly ColumnFacts[];
  /** The tenant's column. */
  readonly column: string;
  readonly setting: string;
  readonly role: string;
}

/** Once only: the first row that it is asked for. A second one would be another one too many to lock. */
const FIRST = `pg_catalog.set_config('migrate.probe_row', (pg_catalog.current_setting('migrate.probe_row')::int + 1)::text, true)::int = 1`;

/** Not one that somebody made for the type: it would run in this role's session. */
const EQUALS = 'OPERATOR(pg_catalog.=)';

/** The block that tries everything on one table. `%1$L` is the other tenant, `%2$L` the one whose row it is, `%3$L` one without rows. */
export function probeBlock({ table, others, columns, column: tenant, setting, role }: BlockInput): string {
  const name = forFormat(qualified(table.schema, table.name));
  const column = forFormat(identifier(tenant));
  const type = table.column?.type ?? 'text';
  const routes = columns.filter((one) => one.routes && one.name !== tenant && !one.generated);
  const set = assignment(columns, tenant);
  const insertInto = [
    ...(table.column?.generated === true ? [] : [[column, '%2$L'] as const]),
    ...routes.map((one, index) => [forFormat(identifier(one.name)), `%${index + 4}$L`] as const),
  ];
  const attempts: [name: 'own' | Attempt, tenant: 'owner' | 'other' | 'stranger' | 'nobody', sql: string][] = [
    ['own', 'owner', `SELECT FROM ${name} WHERE ${column} ${EQUALS} %2$L LIMIT 1`],
    ['sees', 'other', `SELECT FROM ${name} WHERE ${column} ${EQUALS} %2$L LIMIT 1`],
    ['seesBlind', 'stranger', `SELECT FROM ${name} LIMIT 1`],
    ['seesNobody', 'nobody', `SELECT FROM ${name} LIMIT 1`],
    [
      'inserts',
      'other',
      `INSERT INTO ${name} ${insertInto.length === 0 ? 'DEFAULT VALUES' : `(${insertInto.map(([one]) => one).join(', ')}) VALUES (${insertInto.map(([, value]) => value).join(', ')})`}`,
    ],
    ['deletes', 'other', `DELETE FROM ${name} WHERE ${column} ${EQUALS} %2$L AND ${FIRST}`],
    ['deletesBlind', 'stranger', `DELETE FROM ${name} WHERE ${FIRST}`],
  ];
  if (set !== null) {
    attempts.push(
      ['updates', 'other', `UPDATE ${name} SET ${set} WHERE ${column} ${EQUALS} %2$L AND ${FIRST}`],
      ['updatesBlind', 'stranger', `UPDATE ${name} SET ${set.replace('%1$L', '%3$L')} WHERE ${FIRST}`],
    );
    if (set.includes('%1$L')) attempts.push(['givesAway', 'owner', `UPDATE ${name} SET ${set} WHERE ${column} ${EQUALS} %2$L AND ${FIRST}`]);
  }
  const made = minimalInsert(table, columns, tenant);
  const first = (direction: string): string => `SELECT ${column}::text FROM %s WHERE ${column} IS NOT NULL ORDER BY ${column}${direction} LIMIT 1`;
  return doBlock(`
DECLARE
  mine text := pg_catalog.current_setting('role');
  replication text := pg_catalog.current_setting('session_replication_role');
  owner text; other text; stranger text; candidate text; asked text; routed text[] := '{}'; place text; touched bigint; tried record;
  answer jsonb := '{}';
BEGIN
  PERFORM pg_catalog.set_config('row_security', 'off', true);
  EXECUTE ${formatted(first(''), [literal(qualified(table.schema, table.name))])} INTO owner;
  EXECUTE ${formatted(first(' DESC'), [literal(qualified(table.schema, table.name))])} INTO other;
  IF other = owner THEN other := NULL; END IF;
  FOREACH asked IN ARRAY ${textArray(others.flatMap((one) => [qualified(one.schema, one.name)]))} LOOP
    EXIT WHEN other IS NOT NULL;
    EXECUTE ${formatted(first(''), ['asked'])} INTO candidate;
    IF candidate IS DISTINCT FROM owner THEN other := candidate; END IF;
    CONTINUE WHEN other IS NOT NULL;
    EXECUTE ${formatted(first(' DESC'), ['asked'])} INTO candidate;
    IF candidate IS DISTINCT FROM owner THEN other := candidate; END IF;
  END LOOP;
  stranger := ${stranger(type)};
  other := coalesce(other, ${stranger(type)});
  IF owner IS NULL THEN
    ${
      made === null
        ? 'NULL;'
        : `BEGIN
      -- Without triggers and foreign keys, where this role may: what the row would need beside it is not there.
      BEGIN PERFORM pg_catalog.set_config('session_replication_role', 'replica', true); EXCEPTION WHEN OTHERS THEN NULL; END;
      EXECUTE ${formatted(made, [stranger(type)])};
      PERFORM pg_catalog.set_config('session_replication_role', replication, true);
      EXECUTE ${formatted(first(''), [literal(qualified(table.schema, table.name))])} INTO owner;
    EXCEPTION WHEN OTHERS THEN NULL;
    END;`
    }
  END IF;
  IF owner IS NULL THEN
    PERFORM pg_catalog.set_config('migrate.probe_answer', '{"reason": "it has no row, and none could be made"}', true);
    RETURN;
  END IF;
  IF other IS NULL OR stranger IS NULL THEN
    PERFORM pg_catalog.set_config('migrate.probe_answer', '{"reason": "there is no second tenant"}', true);
    RETURN;
  END IF;
  ${routes.length === 0 ? '' : `EXECUTE ${formatted(`SELECT ARRAY[${routes.map((one) => `${forFormat(identifier(one.name))}::text`).join(', ')}] FROM ${name} WHERE ${column} ${EQUALS} %L LIMIT 1`, ['owner'])} INTO routed;`}
  FOR tried IN SELECT * FROM (VALUES ${attempts.map(([attempt, tenant, sql]) => `(${literal(attempt)}, ${literal(tenant)}, ${literal(sql)})`).join(', ')}) v (name, tenant, sql) LOOP
    touched := NULL; place := '';
    BEGIN
      PERFORM pg_catalog.set_config('row_security', 'on', true);
      PERFORM pg_catalog.set_config('migrate.probe_row', '0', true);
      PERFORM pg_catalog.set_config(${literal(setting)}, CASE tried.tenant WHEN 'owner' THEN owner WHEN 'other' THEN other WHEN 'stranger' THEN stranger ELSE '' END, true);
      PERFORM pg_catalog.set_config('role', ${literal(role)}, true);
      EXECUTE pg_catalog.format(tried.sql, VARIADIC pg_catalog.array_cat(ARRAY[other, owner, stranger], routed));
      GET DIAGNOSTICS touched = ROW_COUNT;
      -- Whatever it did is undone, the role included.
      RAISE EXCEPTION USING ERRCODE = 'MG009';
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS place = TABLE_NAME;
      answer := answer || pg_catalog.jsonb_build_object(tried.name, pg_catalog.jsonb_build_object('rows', touched, 'state', SQLSTATE, 'table', place));
    END;
    PERFORM pg_catalog.set_config('role', mine, true);
  END LOOP;
  PERFORM pg_catalog.set_config('migrate.probe_answer', answer::text, true);
END`);
}

function formatted(text: string, values: readonly string[]): string {
  return `pg_catalog.format(${[literal(text), ...values].join(', ')})`;
}

/** A tenant that nobody is, as SQL; NULL for a type of which none can be made up. */
function stranger(type: string): string {
  if (type === 'uuid') return 'pg_catalog.gen_random_uuid()::text';
  if (type === 'text' || type.startsWith('character varying')) return 'pg_catalog.left(pg_catalog.md5(pg_catalog.random()::text), 8)';
  if (['smallint', 'integer', 'bigint', 'numeric'].includes(type)) return '(-1 - pg_catalog.floor(pg_catalog.random() * 30000))::text';
  return 'NULL::text';
}

/** What an update would set: the tenant, else something that changes nothing else; `null` where the application may update no column. */
function assignment(columns: readonly ColumnFacts[], tenant: string): string | null {
  const updatable = columns.filter((one) => one.updatable && !one.generated);
  const name = (one: ColumnFacts): string => forFormat(identifier(one.name));
  const own = updatable.find((one) => one.name === tenant);
  if (own !== undefined) return `${name(own)} = %1$L`;
  const [any] = updatable;
  return any === undefined ? null : `${name(any)} = ${name(any)}`;
}
