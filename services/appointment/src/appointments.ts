/** Appointments: booked without overlaps, listed by day, confirmed, completed or cancelled. */

import {
  actorOf,
  allow,
  byId,
  findRow,
  HttpProblem,
  insertRow,
  notFound,
  resource,
  updateRow,
  type App,
  type Database,
  type Queryable,
} from '@org/service-kit';
import { Type } from 'typebox';
import { optional, strict, time, uuid } from './schemas.ts';
import { mayBecome } from './status.ts';

const columns = [
  'id',
  'patient_id',
  'team_member_id',
  'starts_at',
  'ends_at',
  'status',
  'reason',
  'location',
  'notes',
  'created_by',
  'created_at',
  'updated_at',
];
const details = { reason: optional(255), location: optional(100), notes: optional(10_000) };
const booking = Type.Object(
  { patient_id: uuid, team_member_id: uuid, starts_at: time, ends_at: time, ...Type.Partial(Type.Object(details)).properties },
  strict,
);
const move = Type.Partial(Type.Object({ team_member_id: uuid, starts_at: time, ends_at: time }), strict);
const status = Type.Object({ status: Type.Union(['scheduled', 'confirmed', 'completed', 'cancelled'].map((one) => Type.Literal(one))) }, strict);
/** Which day it is depends on where the clinic is. */
const day = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}(@[A-Za-z_]+(/[A-Za-z_+-]+){0,2})?$', maxLength: 60 });

export function appointmentRoutes(app: App, database: Database): void {
  resource(app, database, {
    path: '/appointments',
    table: 'appointments',
    permission: 'appointments',
    columns,
    // Not without a look at the calendar: the routes below.
    create: null,
    change: Type.Partial(Type.Object(details), strict),
    removal: 'keep',
    order: 'starts_at, id',
    filters: {
      // `2026-11-21@Africa/Casablanca`; without a zone, the day of UTC.
      day: {
        schema: day,
        where: (text) =>
          `starts_at >= (split_part(${text}, '@', 1)::date::timestamp AT TIME ZONE coalesce(nullif(split_part(${text}, '@', 2), ''), 'UTC'))
           AND starts_at < ((split_part(${text}, '@', 1)::date + 1)::timestamp AT TIME ZONE coalesce(nullif(split_part(${text}, '@', 2), ''), 'UTC'))`,
      },
      team_member_id: { schema: uuid, where: (id) => `team_member_id = ${id}` },
      patient_id: { schema: uuid, where: (id) => `patient_id = ${id}` },
      status: { schema: Type.String({ maxLength: 20 }), where: (value) => `status = ${value}` },
    },
  });

  app.post('/appointments', { onRequest: allow('appointments:write'), schema: { body: booking } }, async (request, reply) => {
    const actor = actorOf(request);
    const row = await database.asTenant(actor, async (db) => {
      await requireFree(db, request.body, null);
      return await insertRow(db, 'appointments', actor, { ...request.body, created_by: actor.user }, columns);
    });
    return reply
      .code(201)
      .header('location', `/appointments/${String(row['id'])}`)
      .send(row);
  });

  app.post('/appointments/:id/move', { onRequest: allow('appointments:write'), schema: { params: byId, body: move } }, async (request) => {
    const { id } = request.params as { id: string };
    return await database.asTenant(actorOf(request), async (db) => {
      const row = await locked(db, id);
      if (row.status === 'completed' || row.status === 'cancelled') throw new HttpProblem(409, `it is ${row.status}`);
      await requireFree(db, { ...row, ...request.body }, id);
      return (await updateRow(db, 'appointments', id, request.body, columns)) ?? absent();
    });
  });

  app.post('/appointments/:id/status', { onRequest: allow('appointments:write'), schema: { params: byId, body: status } }, async (request) => {
    const { id } = request.params as { id: string };
    const { status: next } = request.body as { status: string };
    return await database.asTenant(actorOf(request), async (db) => {
      const row = await locked(db, id);
      if (!mayBecome(row.status, next)) throw new HttpProblem(409, `it is ${row.status}, and cannot become ${next}`);
      return (
        (next === row.status ? await findRow(db, 'appointments', id, columns) : await updateRow(db, 'appointments', id, { status: next }, columns)) ?? absent()
      );
    });
  });
}

interface Slot {
  readonly team_member_id: string;
  readonly starts_at: string | Date;
  readonly ends_at: string | Date;
}

async function locked(db: Queryable, id: string): Promise<Slot & { status: string }> {
  const { rows } = await db.query<Slot & { status: string }>('SELECT status, team_member_id, starts_at, ends_at FROM appointments WHERE id = $1 FOR UPDATE', [
    id,
  ]);
  return rows[0] ?? absent();
}

/** One booking of a person at a time: the unique index knows only equal beginnings. */
async function requireFree(db: Queryable, slot: Slot, except: string | null): Promise<void> {
  // Locks the person's row, so that of two bookings at the same moment the second sees the first.
  const { rows } = await db.query<{ is_active: boolean }>('SELECT is_active FROM team_member WHERE id = $1 FOR NO KEY UPDATE', [slot.team_member_id]);
  if (rows[0]?.is_active !== true) throw new HttpProblem(422, 'there is nobody of that id in the team');
  const { rowCount } = await db.query(
    `SELECT FROM appointments WHERE team_member_id = $1 AND status <> 'cancelled' AND starts_at < $3 AND ends_at > $2 AND id IS DISTINCT FROM $4::uuid LIMIT 1`,
    [slot.team_member_id, slot.starts_at, slot.ends_at, except],
  );
  if (rowCount !== 0) throw new HttpProblem(409, 'this person is booked at that time');
}

function absent(): never {
  throw notFound();
}
