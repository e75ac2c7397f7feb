/**
 * Whether row-level security holds, by trying: as the application's role and for one tenant, what only another one may do. Everything happens in a
 * block inside the server, in transactions that are rolled back: no row and no tenant's name comes here, and nothing stays behind but gaps in sequences.
 */

import type { RowLevelSecurityDefinition } from '../service.ts';
import type { Session } from '../session.ts';
import { identifier, literal } from '../sql.ts';
import type { VerifyFinding } from './finding.ts';
import type { ColumnFacts } from './minimal-row.ts';
import { ATTEMPTS, probeBlock, type Attempt } from './probe-block.ts';
import type { TableFacts } from './tenant-facts.ts';
import { finding, shown, shownName } from './tenant-rules.ts';

export interface ProbeReport {
  /** Tables that were tried with two tenants. */
  readonly probed: number;
  /** Tables that could not be, and why, as a clause. */
  readonly notProbed: readonly { readonly table: string; readonly reason: string }[];
}

export interface ProbeRequest {
  readonly schema: string;
  readonly definition: Pick<RowLevelSecurityDefinition, 'column' | 'setting'>;
  readonly role: string;
  /** Whether a policy of this table for reading was allowed by name. */
  readonly open: (table: TableFacts) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds. Nobody's request must wait for a verification, and a large table without an index is not read through. */
const LOCK_LIMIT = 1_000;
const STATEMENT_LIMIT = 10_000;
const LOCKED = 'somebody has it locked';
/** So many other tables are asked for a second tenant. */
const MOST_ASKED = 20;

/** How one attempt ended: rows reached, or the error's code and the table it names. */
interface Ending {
  readonly rows: number | null;
  readonly state: string;
  readonly table: string;
}

type Answer = { readonly own: Ending } & { readonly [Name in Attempt]?: Ending };

/** Why the role cannot be tried out, as a sentence; `null` when it can. */
export async function whyNotBecome(session: Session, role: string): Promise<string | null> {
  const result = await session.run(`BEGIN; SET LOCAL ROLE ${identifier(role)}; ROLLBACK`);
  return result.kind === 'done' ? null : result.error.message;
}

export async function probeTables(
  session: Session,
  tables: readonly TableFacts[],
  request: ProbeRequest,
): Promise<{ readonly findings: readonly VerifyFinding[]; readonly report: ProbeReport }> {
  const findings: VerifyFinding[] = [];
  const notProbed: { table: string; reason: string }[] = [];
  const columns = await readColumns(session, tables, request);
  for (const table of tables) {
    request.signal?.throwIfAborted();
    const name = shownName(table);
    if (table.strangers.length > 0) {
      notProbed.push({ table: name, reason: `code of ${table.strangers.map(shown).join(', ')} would run in this role's session` });
      continue;
    }
    const others = tables.filter((one) => one !== table && one.strangers.length === 0 && one.column?.type === table.column?.type).slice(0, MOST_ASKED);
    const answer = await ask(
      session,
      probeBlock({
        table,
        others,
        columns: columns.get(table.oid) ?? [],
        column: request.definition.column,
        setting: request.definition.setting,
        role: request.role,
      }),
      request.schema,
    );
    if (typeof answer === 'string') {
      notProbed.push({ table: name, reason: answer });
      continue;
    }
    const done = [...new Set((Object.keys(ATTEMPTS) as Attempt[]).filter((one) => reached(answer[one], one)).map((one) => ATTEMPTS[one]))];
    if (done.length > 0) {
      const message = `table ${name} lets ${shown(request.role)} ${done.join(', ')}: it was tried with two tenants`;
      const leak = finding('leak', `table ${name}`, message, 'read its policies again: what they let through is more than one tenant’s rows');
      // What a policy that was allowed by name shows is meant to be seen; whether it is that policy is for a person to tell.
      const meant = done.every((one) => one.startsWith('see ')) && request.open(table);
      findings.push(meant ? { ...leak, severity: 'warning' } : leak);
    }
    // A role that does not even see its own rows shows nothing about those of others.
    if (done.length === 0 && answer.own.rows === 0) notProbed.push({ table: name, reason: 'a tenant does not see its own rows there' });
  }
  return { findings, report: { probed: tables.length - notProbed.length, notProbed } };
}

/** A constraint is asked after the policies: its violation says that they let the row through. */
function reached(ending: Ending | undefined, attempt: Attempt): boolean {
  if (ending === undefined) return false;
  if (ending.rows !== null && ending.rows > 0) return true;
  return !attempt.startsWith('sees') && ending.state.startsWith('23') && ending.table !== '';
}

/** The answer, or why there is none. */
async function ask(session: Session, block: string, schema: string): Promise<Answer | string> {
  const parts = [
    'BEGIN ISOLATION LEVEL READ COMMITTED',
    `SET LOCAL lock_timeout = ${LOCK_LIMIT}`,
    `SET LOCAL statement_timeout = ${STATEMENT_LIMIT}`,
    `SET LOCAL search_path = ${identifier(schema)}, public`,
    block,
    `SELECT pg_catalog.current_setting('migrate.probe_answer')`,
    'ROLLBACK',
  ];
  const result = await session.run(parts.join(';\n'), new Set([parts.length - 2]));
  if (result.kind === 'lost') throw result.error;
  if (result.kind === 'failed') {
    const code = result.error.code ?? '';
    if (code === '57014') return 'to look for two tenants in it takes too long';
    if (code === '55P03') return LOCKED;
    return `the server refused (SQLSTATE ${code})`;
  }
  const answer = JSON.parse(result.kept.get(parts.length - 2)?.[0] ?? '{}') as Answer | { readonly reason: string };
  if ('reason' in answer) return answer.reason;
  return Object.values(answer).some((one) => one.state === '55P03') ? LOCKED : answer;
}

async function readColumns(session: Session, tables: readonly TableFacts[], { role }: ProbeRequest): Promise<ReadonlyMap<string, readonly ColumnFacts[]>> {
  if (tables.length === 0) return new Map();
  const [row] = await session.read(`SELECT pg_catalog.json_object_agg(c.oid::text, (
  SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, NULL), 'category', t.typcategory,
    'required', a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
    'counted', a.attidentity <> '' OR a.attgenerated = '' AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%',
    'generated', a.attgenerated <> '',
    'example', coalesce((SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = a.atttypid ORDER BY e.enumsortorder LIMIT 1),
      (SELECT (pg_catalog.regexp_match(pg_catalog.pg_get_constraintdef(k.oid), 'ARRAY\\[[^'']*''([^'']+)'''))[1] FROM pg_catalog.pg_constraint k
       WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum] AND t.typcategory = 'S' LIMIT 1)),
    'updatable', pg_catalog.has_column_privilege(${literal(role)}, c.oid, a.attnum, 'UPDATE'),
    'routes', EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = c.oid AND a.attnum = ANY (p.partattrs::int2[]))) ORDER BY a.attnum)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) AS columns
 FROM pg_catalog.pg_class c WHERE c.oid IN (${tables.map((one) => `${one.oid}::pg_catalog.oid`).join(', ')})`);
  return new Map(Object.entries(JSON.parse(row?.['columns'] ?? '{}') as Record<string, readonly ColumnFacts[]>));
}
