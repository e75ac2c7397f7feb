/** The databases of the services, and the roles that their applications log in as. */

import { createHmac } from 'node:crypto';
import pg from 'pg';

/** What one service needs on the server. */
export interface DatabaseRequest {
  readonly service: string;
  /** `patient_service_db` */
  readonly database: string;
  /** A login role that owns nothing and cannot bypass row-level security: `patient_app`. */
  readonly applicationRole?: string;
}

/** The password of an application role: fixed by the server's own, so that nothing more has to be kept. */
export function rolePassword(serverPassword: string, role: string): string {
  return createHmac('sha256', serverPassword).update(role).digest('base64url').slice(0, 24);
}

/** Creates what is missing; one query when nothing is. Several processes may do so at once. */
export async function ensureDatabases(client: pg.Client, password: string, requests: readonly DatabaseRequest[]): Promise<void> {
  const databases = [...new Set(requests.map((request) => request.database))];
  const roles = [...new Set(requests.flatMap((request) => request.applicationRole ?? []))];
  const { rows } = await client.query<{ kind: 'database' | 'role'; name: string }>(
    `SELECT 'database' AS kind, name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name)
     UNION ALL
     SELECT 'role', name FROM unnest($2::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)`,
    [databases, roles],
  );
  for (const { kind, name } of rows) {
    const quoted = pg.escapeIdentifier(name);
    await unlessThere(
      client.query(
        kind === 'database'
          ? // Nobody is ever connected to template0, so nobody can be in the way.
            `CREATE DATABASE ${quoted} TEMPLATE template0`
          : `CREATE ROLE ${quoted} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD ${pg.escapeLiteral(rolePassword(password, name))}`,
      ),
    );
  }
}

/** Somebody else made it since we looked: the server says so in three ways, depending on how close it was. */
async function unlessThere(made: Promise<unknown>): Promise<void> {
  try {
    await made;
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code !== '42P04' && code !== '42710' && code !== '23505') throw error;
  }
}
