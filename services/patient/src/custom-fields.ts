/** Fields that a clinic adds itself, and their values for patients. */

import { actorOf, allow, HttpProblem, resource, byId, type App, type Database } from '@org/service-kit';
import { Type } from 'typebox';
import { misfit, type FieldDefinition } from './field-value.ts';
import { requirePatient } from './owner.ts';
import { strict, uuid } from './schemas.ts';

const columns = ['id', 'entity', 'name', 'label', 'field_type', 'options', 'is_required', 'position', 'is_active', 'created_at', 'updated_at'];
const entity = Type.String({ maxLength: 30 });
const options = Type.Union([Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { minItems: 1, maxItems: 200, uniqueItems: true }), Type.Null()]);
// What a field is cannot change under the values that it has; its label, order and choices can.
const changeable = {
  label: Type.String({ minLength: 1, maxLength: 255 }),
  options,
  is_required: Type.Boolean(),
  position: Type.Integer({ minimum: 0, maximum: 10_000 }),
};
const definition = Type.Object(
  {
    entity,
    name: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 63 }),
    field_type: Type.String({ maxLength: 20 }),
    label: changeable.label,
    options: Type.Optional(options),
    is_required: Type.Optional(changeable.is_required),
    position: Type.Optional(changeable.position),
  },
  strict,
);

const patientField = Type.Object({ id: uuid, name: Type.String({ maxLength: 63 }) });
const value = Type.Object(
  { value: Type.Union([Type.String({ maxLength: 10_000 }), Type.Number(), Type.Boolean(), Type.Array(Type.String({ maxLength: 255 }), { maxItems: 200 })]) },
  strict,
);

const VALUES = `
  SELECT d.name, d.label, d.field_type, v.value
    FROM custom_field_definitions d LEFT JOIN custom_field_values v ON v.field_id = d.id AND v.patient_id = $1
   WHERE d.entity = 'patient' AND d.is_active ORDER BY d.position, d.name`;
const SET = `
  INSERT INTO custom_field_values (tenant_id, field_id, patient_id, value) VALUES ($1, $2, $3, $4)
  ON CONFLICT (tenant_id, patient_id, field_id) WHERE patient_id IS NOT NULL DO UPDATE SET value = excluded.value`;

export function customFieldRoutes(app: App, database: Database): void {
  resource(app, database, {
    path: '/custom-fields',
    table: 'custom_field_definitions',
    permission: 'custom_fields',
    columns,
    create: definition,
    change: Type.Partial(Type.Object({ ...changeable, is_active: Type.Boolean() }), strict),
    order: 'entity, position, name',
    filters: { entity: { schema: entity, where: (name) => `entity = ${name}` } },
  });

  app.get('/patients/:id/custom-fields', { onRequest: allow('patients:read'), schema: { params: byId } }, async (request) => {
    const { id } = request.params as { id: string };
    return await database.asTenant(actorOf(request), async (db) => {
      await requirePatient(db, id);
      return { items: (await db.query(VALUES, [id])).rows };
    });
  });

  app.put('/patients/:id/custom-fields/:name', { onRequest: allow('patients:write'), schema: { params: patientField, body: value } }, async (request) => {
    const { id, name } = request.params;
    const actor = actorOf(request);
    return await database.asTenant(actor, async (db) => {
      await requirePatient(db, id);
      const { rows } = await db.query<FieldDefinition & { id: string }>(
        `SELECT id, field_type, options FROM custom_field_definitions WHERE entity = 'patient' AND name = $1 AND is_active`,
        [name],
      );
      const field = rows[0];
      if (field === undefined) throw new HttpProblem(404, 'this clinic has no such field');
      const why = misfit(field, request.body.value);
      if (why !== null) throw new HttpProblem(422, why);
      await db.query(SET, [actor.tenant, field.id, id, JSON.stringify(request.body.value)]);
      return { name, value: request.body.value };
    });
  });
}
