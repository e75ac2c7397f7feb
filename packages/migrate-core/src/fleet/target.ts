/** A tenant's place, as the registry or a query names it. Names are data: they are checked, and quoted wherever they go. */

import { MigrationError } from '../errors.ts';
import type { Session } from '../session.ts';

/** One customer's target. */
export interface FleetTarget {
  /** What people call it. */
  readonly tenant: string;
  /** The schema in which its migrations work. Default `public`. */
  readonly schema?: string | undefined;
  /** Its database. Default: the one that the fleet's connection leads to. */
  readonly database?: string | undefined;
  /** Schemas behind its own one on the search path. Default: `public` for a target with a schema, else what the connection has. */
  readonly searchPath?: readonly string[] | undefined;
}

/** PostgreSQL cuts longer names, so that two tenants could become one. */
const LONGEST_NAME = 63;

/** Why a name cannot be a tenant's schema or database; `null` when it can. */
export function whyNotTenant(name: string, kind: 'schema' | 'database'): string | null {
  if (name === '') return 'it is empty';
  if (name.includes('\0')) return 'it holds a NUL character';
  // Two of them would be the same name for the server.
  if (!name.isWellFormed()) return 'no well-formed Unicode';
  if (Buffer.byteLength(name) > LONGEST_NAME) return `more than ${LONGEST_NAME} bytes`;
  if (kind === 'schema' && /^pg_/i.test(name)) return 'names that begin with pg_ are the system’s';
  if (kind === 'schema' && /^(?:public|information_schema)$/i.test(name)) return 'it is shared by everybody';
  // Quoted or not (manual, 19.11.1): its migrations would work in somebody else's schema.
  if (kind === 'schema' && name === '$user') return 'on a search path PostgreSQL reads that as the name of the role';
  if (kind === 'database' && /^(?:postgres|template0|template1)$/i.test(name)) return 'it is the server’s own';
  return null;
}

/** Throws `invalidOptions` for a target that cannot be one tenant's own. */
export function checkTarget(target: FleetTarget): FleetTarget {
  const { tenant, schema, database } = target;
  if (schema === undefined && database === undefined) throw invalid(tenant, 'it has neither a schema nor a database of its own');
  for (const [kind, name] of [
    ['schema', schema],
    ['database', database],
  ] as const) {
    const why = name === undefined || (kind === 'schema' && name === 'public' && database !== undefined) ? null : whyNotTenant(name, kind);
    if (why !== null) throw invalid(tenant, `${JSON.stringify(name)} cannot be its ${kind}: ${why}`);
  }
  return target;
}

function invalid(tenant: string, why: string): MigrationError {
  return new MigrationError({ code: 'invalidOptions', message: `the tenant ${JSON.stringify(tenant)} cannot be migrated: ${why}` });
}

/** The targets that a query returns: its first column names a schema each, or a database each. Reads in a transaction that can write nothing. */
export async function readTargets(session: Session, query: string, kind: 'schema' | 'database'): Promise<readonly FleetTarget[]> {
  const names = new Set((await readRegistryQuery(session, query)).map(([name]) => name));
  return [...names].map((name) => (kind === 'schema' ? { tenant: name, schema: name } : { tenant: name, database: name }));
}

/** The first two columns of a query's rows, the second one like the first where there is only one. Rows without a name are none. */
export async function readRegistryQuery(session: Session, query: string): Promise<readonly (readonly [string, string])[]> {
  const begun = await session.runInside('BEGIN READ ONLY');
  if (begun.kind !== 'done') throw begun.error;
  try {
    // By the extended protocol the server takes one statement only: nothing behind a semicolon can leave the read-only transaction.
    const { rows } = (await session.query({ text: query, rowMode: 'array', queryMode: 'extended', types: { getTypeParser: () => asText } })) as Answer;
    return rows.flatMap(([id, place = id]) => (typeof id === 'string' && typeof place === 'string' ? [[id, place] as const] : []));
  } finally {
    await session.run('ROLLBACK');
  }
}

interface Answer {
  readonly rows: readonly (readonly (string | null)[])[];
}

function asText(value: string): string {
  return value;
}
