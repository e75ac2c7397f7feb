/** Laboratory tests, from the order to the result. */

import { actorOf, allow, byId, insertRow, listRows, pageQuery, resource, type App, type Database, type PageRequest } from '@org/service-kit';
import { Type } from 'typebox';
import { requirePatient } from './owner.ts';
import { optional, strict, time, uuid } from './schemas.ts';

const columns = [
  'id',
  'patient_id',
  'medical_record_id',
  'test_code',
  'test_name',
  'status',
  'ordered_by',
  'ordered_at',
  'collected_at',
  'result_value',
  'result_unit',
  'reference_range',
  'is_abnormal',
  'resulted_at',
  'notes',
  'created_at',
  'updated_at',
];
const status = Type.String({ maxLength: 20 });
const order = Type.Object(
  {
    test_code: Type.String({ minLength: 1, maxLength: 50 }),
    test_name: Type.String({ minLength: 1, maxLength: 255 }),
    medical_record_id: Type.Optional(uuid),
    notes: Type.Optional(optional(10_000)),
  },
  strict,
);
const result = Type.Partial(
  Type.Object({
    status,
    collected_at: Type.Union([time, Type.Null()]),
    result_value: optional(10_000),
    result_unit: optional(30),
    reference_range: optional(100),
    is_abnormal: Type.Union([Type.Boolean(), Type.Null()]),
    resulted_at: Type.Union([time, Type.Null()]),
    notes: optional(10_000),
  }),
  strict,
);

export function labTestRoutes(app: App, database: Database): void {
  resource(app, database, {
    path: '/lab-tests',
    table: 'lab_tests',
    permission: 'lab_tests',
    columns,
    // Ordered for a patient: the route below.
    create: null,
    change: result,
    removal: 'keep',
    order: 'ordered_at DESC, id',
    filters: {
      status: { schema: status, where: (value) => `status = ${value}` },
      open: { schema: Type.Boolean(), where: (open) => `(status NOT IN ('completed', 'cancelled')) = ${open}` },
    },
  });

  app.post('/patients/:id/lab-tests', { onRequest: allow('lab_tests:write'), schema: { params: byId, body: order } }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const actor = actorOf(request);
    const row = await database.asTenant(actor, async (db) => {
      await requirePatient(db, id);
      return await insertRow(db, 'lab_tests', actor, { ...request.body, patient_id: id, ordered_by: actor.user }, columns);
    });
    return reply
      .code(201)
      .header('location', `/lab-tests/${String(row['id'])}`)
      .send(row);
  });

  app.get(
    '/patients/:id/lab-tests',
    { onRequest: allow('lab_tests:read'), schema: { params: byId, querystring: Type.Object(pageQuery, strict) } },
    async (request) => {
      const { id } = request.params as { id: string };
      const { limit, offset } = request.query as PageRequest;
      return await database.asTenant(actorOf(request), async (db) => {
        await requirePatient(db, id);
        return await listRows(db, {
          table: 'lab_tests',
          columns,
          where: ['patient_id = $1'],
          values: [id],
          order: 'ordered_at DESC, id',
          page: { limit, offset },
        });
      });
    },
  );
}
