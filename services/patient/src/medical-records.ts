/** A patient's medical record: entries are added and corrected by later ones, never rewritten or deleted. */

import { actorOf, allow, byId, insertRow, listRows, notFound, pageQuery, updateRow, type App, type Database, type PageRequest } from '@org/service-kit';
import { Type } from 'typebox';
import { requirePatient } from './owner.ts';
import { optional, strict, time, uuid } from './schemas.ts';

const columns = [
  'id',
  'patient_id',
  'record_type',
  'title',
  'content',
  'diagnosis_codes',
  'recorded_by',
  'recorded_at',
  'corrects_id',
  'is_confidential',
  'created_at',
];

const entry = Type.Object(
  {
    record_type: Type.String({ maxLength: 30 }),
    title: Type.String({ minLength: 1, maxLength: 255 }),
    content: Type.Optional(optional(100_000)),
    diagnosis_codes: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 20 }), { maxItems: 50 })),
    recorded_at: Type.Optional(time),
    corrects_id: Type.Optional(uuid),
    is_confidential: Type.Optional(Type.Boolean()),
  },
  strict,
);
const query = Type.Object(
  { ...pageQuery, record_type: Type.Optional(Type.String({ maxLength: 30 })), diagnosis: Type.Optional(Type.String({ maxLength: 20 })) },
  strict,
);

export function medicalRecordRoutes(app: App, database: Database): void {
  app.post('/patients/:id/records', { onRequest: allow('records:write'), schema: { params: byId, body: entry } }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const actor = actorOf(request);
    const row = await database.asTenant(actor, async (db) => {
      await requirePatient(db, id);
      return await insertRow(db, 'medical_records', actor, { ...request.body, patient_id: id, recorded_by: actor.user }, columns);
    });
    return reply.code(201).send(row);
  });

  app.get('/patients/:id/records', { onRequest: allow('records:read'), schema: { params: byId, querystring: query } }, async (request) => {
    const { id } = request.params as { id: string };
    const { limit, offset, record_type, diagnosis } = request.query as PageRequest & { record_type?: string; diagnosis?: string };
    const where = ['patient_id = $1'];
    const values: string[] = [id];
    if (record_type !== undefined) where.push(`record_type = $${values.push(record_type)}`);
    if (diagnosis !== undefined) where.push(`diagnosis_codes @> ARRAY[$${values.push(diagnosis)}]`);
    return await database.asTenant(actorOf(request), async (db) => {
      await requirePatient(db, id);
      return await listRows(db, { table: 'medical_records', columns, where, values, order: 'recorded_at DESC, id', page: { limit, offset } });
    });
  });

  // All that may change of an entry: the database grants no more.
  const secrecy = Type.Object({ is_confidential: Type.Boolean() }, strict);
  app.patch('/records/:id', { onRequest: allow('records:write'), schema: { params: byId, body: secrecy } }, async (request) => {
    const { id } = request.params as { id: string };
    const row = await database.asTenant(actorOf(request), (db) => updateRow(db, 'medical_records', id, request.body, columns));
    if (row === null) throw notFound();
    return row;
  });
}
