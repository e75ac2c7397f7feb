/** What other services still have to do for a clinic: rows of the outbox, each read and changed as its own clinic. */

import type { Actor, Database, Queryable, Row } from '@org/service-kit';
import { NO_TENANT } from './lookup.ts';

/** Services that keep a schema or a database for each clinic. */
export const SERVICES = ['appointment'] as const;

/** What they are told of the clinic itself. */
const TOLD = ['name', 'country', 'timezone'] as const;
const TOLD_PAIRS = TOLD.map((column) => `'${column}', h.${column}`).join(', ');

/** One row that is due. */
export interface Due {
  readonly id: string;
  readonly tenant: string;
}

/** One that this process has taken. */
export interface Job extends Due {
  readonly service: string;
  /** With this one. */
  readonly attempts: number;
  /** What the other service is told of the clinic. */
  readonly clinic: Row;
}

/**
 * In the transaction that registers the clinic, or finds it registered: then what failed is due at once, and what was done is asked for again, since the other
 * service may have lost the place, or what was put into it first.
 */
export async function enterProvisionings(db: Queryable, tenant: string, admin: string | null): Promise<void> {
  await db.query(
    `INSERT INTO clinic_provisionings (tenant_id, service, admin_user_id) SELECT $1, service, $2 FROM unnest($3::text[]) AS service
     ON CONFLICT (tenant_id, service) DO UPDATE
        SET next_attempt_at = now(), status = 'pending', completed_at = NULL,
            attempts = CASE WHEN clinic_provisionings.status = 'active' THEN 0 ELSE clinic_provisionings.attempts END
      WHERE clinic_provisionings.status = 'active' OR (clinic_provisionings.attempts > 0 AND clinic_provisionings.last_error IS NOT NULL)`,
    [tenant, admin, SERVICES],
  );
}

/**
 * In the transaction that changes the clinic, after that: where the other services know what is changed, they are told. One that is told just now
 * stays to be done (`recordDone`).
 *
 * @returns Whether something is due now.
 */
export async function enterChange(db: Queryable, tenant: string, changed: readonly string[]): Promise<boolean> {
  if (!TOLD.some((column) => changed.includes(column))) return false;
  const { rowCount } = await db.query(
    `UPDATE clinic_provisionings SET status = 'pending', completed_at = NULL, next_attempt_at = now(), attempts = 0 WHERE tenant_id = $1 AND status = 'active'`,
    [tenant],
  );
  return rowCount !== 0;
}

/** The next ones for these services, of whatever clinics. */
export async function findDue(database: Database, services: readonly string[], most: number): Promise<readonly Due[]> {
  return await database.asTenant({ tenant: NO_TENANT, user: null }, async (db) => {
    await db.query(`SELECT set_config('app.lookup_due_provisionings', 'on', true)`);
    const { rows } = await db.query<Due>(
      `SELECT id, tenant_id AS tenant FROM clinic_provisionings WHERE status = 'pending' AND next_attempt_at <= now() AND service = ANY ($1)
        ORDER BY next_attempt_at LIMIT $2`,
      [services, most],
    );
    return rows;
  });
}

/**
 * Takes a row for `leaseSeconds`: after that another process may, should this one have ended. `null` where somebody else has it, or it is done.
 * No transaction stays open while the other service is asked.
 */
export async function takeDue(database: Database, due: Due, leaseSeconds: number): Promise<Job | null> {
  return await database.asTenant(actorFor(due), async (db) => {
    const { rows } = await db.query<{ service: string; attempts: number; clinic: Row }>(
      `WITH taken AS (
         SELECT id FROM clinic_provisionings WHERE id = $1 AND status = 'pending' AND next_attempt_at <= now() FOR UPDATE SKIP LOCKED
       ), job AS (
         UPDATE clinic_provisionings p SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
           FROM taken WHERE p.id = taken.id RETURNING p.service, p.attempts, p.tenant_id, p.admin_user_id
       )
       SELECT job.service, job.attempts, jsonb_build_object(
                ${TOLD_PAIRS},
                'admin', CASE WHEN u.id IS NOT NULL THEN jsonb_build_object('user_id', u.id, 'email', u.email, 'first_name', u.first_name, 'last_name', u.last_name) END
              ) AS clinic
         FROM job JOIN healthcare_entities h ON h.id = job.tenant_id LEFT JOIN users u ON u.tenant_id = job.tenant_id AND u.id = job.admin_user_id`,
      [due.id, leaseSeconds],
    );
    const found = rows[0];
    return found === undefined ? null : { ...due, ...found };
  });
}

/** `changed`: the clinic is not any more what was told of it, and is due again. */
export async function recordDone(database: Database, job: Job): Promise<'done' | 'changed'> {
  const { rows } = await database.asTenant(actorFor(job), (db) =>
    db.query<{ status: string }>(
      // Locked: a change that is about to commit is waited for and seen, and a later one finds that this was done.
      `WITH clinic AS (
         SELECT $2::jsonb @> jsonb_build_object(${TOLD_PAIRS}) AS same FROM healthcare_entities h WHERE h.id = $3 FOR SHARE
       )
       UPDATE clinic_provisionings
          SET status = CASE WHEN same THEN 'active' ELSE 'pending' END, completed_at = CASE WHEN same THEN now() END,
              next_attempt_at = CASE WHEN same THEN next_attempt_at ELSE now() END, last_error = NULL
         FROM clinic WHERE id = $1 AND status = 'pending' RETURNING status`,
      [job.id, JSON.stringify(job.clinic), job.tenant],
    ),
  );
  return rows[0]?.status === 'pending' ? 'changed' : 'done';
}

/** @param why Without anybody's data; `null` where nothing is wrong, and it only takes its time. */
export async function recordLater(database: Database, job: Due, seconds: number, why: string | null): Promise<void> {
  await database.asTenant(actorFor(job), (db) =>
    db.query(
      `UPDATE clinic_provisionings
          SET next_attempt_at = now() + make_interval(secs => $2), last_error = $3, attempts = CASE WHEN $3::text IS NOT NULL THEN attempts ELSE 0 END
        WHERE id = $1 AND status = 'pending'`,
      [job.id, seconds, why],
    ),
  );
}

/** As `GET /clinics/:id/provisioning` tells it. */
export async function readProvisionings(db: Queryable): Promise<{ status: string; services: readonly Row[] }> {
  const { rows } = await db.query(
    `SELECT service, status, attempts, last_error AS error, CASE WHEN status = 'pending' THEN next_attempt_at END AS next_attempt_at, completed_at
       FROM clinic_provisionings ORDER BY service`,
  );
  return { status: rows.every((row) => row['status'] === 'active') ? 'active' : 'pending', services: rows };
}

function actorFor({ tenant }: Due): Actor {
  return { tenant, user: null };
}
