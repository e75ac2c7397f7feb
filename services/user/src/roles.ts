/** Roles as a clinic defines them. */

import { HttpProblem, resource, type App, type Database } from '@org/service-kit';
import { Type } from 'typebox';
import { optional, strict } from './schemas.ts';

const permission = Type.String({ pattern: '^([a-z_]+:(read|write)|\\*)$', maxLength: 60 });
const fields = {
  name: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 50 }),
  description: optional(2_000),
  permissions: Type.Array(permission, { maxItems: 100 }),
};

export function roleRoutes(app: App, database: Database): void {
  resource(app, database, {
    path: '/roles',
    table: 'roles',
    permission: 'roles',
    columns: ['id', 'name', 'description', 'permissions', 'created_at', 'updated_at'],
    create: Type.Object({ name: fields.name, description: Type.Optional(fields.description), permissions: Type.Optional(fields.permissions) }, strict),
    change: Type.Partial(Type.Object(fields), strict),
    order: 'name, id',
    check: (values, { permissions }) => mayGrant(permissions, (values['permissions'] as string[] | undefined) ?? []),
  });
}

/** Nobody hands out what they do not have themselves: a right to manage roles would otherwise be every right. */
export function mayGrant(own: readonly string[], given: readonly string[]): void {
  if (own.includes('*') || given.every((one) => own.includes(one))) return;
  throw new HttpProblem(403, 'a role can only be given permissions that you have yourself');
}
