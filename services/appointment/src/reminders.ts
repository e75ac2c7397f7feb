/** Messages to be sent when they are due. */

import { resource, type App, type Database } from '@org/service-kit';
import { Type } from 'typebox';
import { strict, time, uuid } from './schemas.ts';

const required = { kind: Type.String({ maxLength: 20 }), message: Type.String({ minLength: 1, maxLength: 5_000 }), due_at: time };
const others = {
  appointment_id: uuid,
  contact_id: uuid,
  vendor_id: uuid,
  team_member_id: uuid,
  channel: Type.String({ maxLength: 20 }),
  /** A text, as it comes back: money is not a binary fraction. */
  amount: Type.String({ pattern: '^\\d{1,10}(\\.\\d{1,2})?$' }),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
};
const progress = { status: Type.String({ maxLength: 20 }), sent_at: Type.Union([time, Type.Null()]), attempts: Type.Integer({ minimum: 0, maximum: 1_000 }) };

export function reminderRoutes(app: App, database: Database): void {
  resource(app, database, {
    path: '/reminders',
    table: 'reminders',
    permission: 'reminders',
    columns: ['id', ...Object.keys({ ...required, ...others, ...progress }), 'created_at', 'updated_at'],
    create: Type.Object({ ...required, ...Type.Partial(Type.Object(others)).properties }, strict),
    change: Type.Partial(Type.Object({ message: required.message, due_at: time, channel: others.channel, ...progress }), strict),
    order: 'due_at, id',
    filters: {
      due_before: { schema: time, where: (at) => `status = 'pending' AND due_at <= ${at}` },
      appointment_id: { schema: uuid, where: (id) => `appointment_id = ${id}` },
      kind: { schema: required.kind, where: (kind) => `kind = ${kind}` },
    },
  });
}
