/** The staff of a clinic, and which roles they have. */

import { actorOf, allow, byId, HttpProblem, insertRow, notFound, resource, type App, type Database } from '@org/service-kit';
import { Type } from 'typebox';
import { hashPassword } from './password.ts';
import { mayGrant } from './roles.ts';
import { email, name, optional, password, strict } from './schemas.ts';

const columns = [
  'id',
  'email',
  'first_name',
  'last_name',
  'phone',
  'preferred_language',
  'is_active',
  'email_verified_at',
  'last_login_at',
  'created_at',
  'updated_at',
];

const fields = { email, first_name: name, last_name: name, phone: optional(30), preferred_language: optional(10) };
const change = Type.Partial(Type.Object({ ...fields, is_active: Type.Boolean() }), strict);
const creation = Type.Object(
  { email, first_name: name, last_name: name, password, phone: Type.Optional(fields.phone), preferred_language: Type.Optional(fields.preferred_language) },
  strict,
);
const grant = Type.Object({ role_id: Type.String({ format: 'uuid' }) }, strict);
const granted = Type.Object({ id: Type.String({ format: 'uuid' }), role: Type.String({ format: 'uuid' }) });

export function userRoutes(app: App, database: Database): void {
  resource(app, database, {
    path: '/users',
    table: 'users',
    permission: 'users',
    columns,
    change,
    // What is sent is not what is stored: the route below.
    create: null,
    filters: {
      email: { schema: email, where: (address) => `lower(email) = lower(${address})` },
      is_active: { schema: Type.Boolean(), where: (active) => `is_active = ${active}` },
    },
    order: 'last_name, first_name, id',
  });

  app.post('/users', { onRequest: allow('users:write'), schema: { body: creation } }, async (request, reply) => {
    const { password: secret, ...values } = request.body;
    const actor = actorOf(request);
    const password_hash = await hashPassword(secret);
    const row = await database.asTenant(actor, (db) => insertRow(db, 'users', actor, { ...values, password_hash }, columns));
    return reply
      .code(201)
      .header('location', `/users/${String(row['id'])}`)
      .send(row);
  });

  app.get('/users/:id/roles', { onRequest: allow('users:read'), schema: { params: byId } }, async (request) => {
    const { id } = request.params as { id: string };
    return await database.asTenant(actorOf(request), async (db) => {
      const { rows } = await db.query(
        'SELECT r.id, r.name, r.permissions, ur.granted_by, ur.granted_at FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = $1 ORDER BY r.name',
        [id],
      );
      return { items: rows };
    });
  });

  app.post('/users/:id/roles', { onRequest: allow('roles:write'), schema: { params: byId, body: grant } }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const actor = actorOf(request);
    const row = await database.asTenant(actor, async (db) => {
      const { rows } = await db.query<{ permissions: string[] }>('SELECT permissions FROM roles WHERE id = $1', [request.body.role_id]);
      if (rows[0] === undefined) throw new HttpProblem(422, 'there is no such role');
      mayGrant(request.user.permissions, rows[0].permissions);
      return await insertRow(db, 'user_roles', actor, { user_id: id, role_id: request.body.role_id, granted_by: actor.user }, [
        'user_id',
        'role_id',
        'granted_by',
        'granted_at',
      ]);
    });
    return reply.code(201).send(row);
  });

  app.delete('/users/:id/roles/:role', { onRequest: allow('roles:write'), schema: { params: granted } }, async (request, reply) => {
    const { id, role } = request.params;
    const { rowCount } = await database.asTenant(actorOf(request), (db) => db.query('DELETE FROM user_roles WHERE user_id = $1 AND role_id = $2', [id, role]));
    if (rowCount === 0) throw notFound();
    return reply.code(204).send();
  });
}
