/** The team that can be booked, suppliers, and the people one calls. */

import { resource, type App, type Database } from '@org/service-kit';
import { Type } from 'typebox';
import { name, optional, strict, uuid } from './schemas.ts';

const maybe = Type.Union([uuid, Type.Null()]);
const member = { first_name: name, last_name: name };
const memberDetails = {
  user_id: maybe,
  email: optional(320),
  phone: optional(40),
  position: optional(100),
  specialty: optional(100),
  is_active: Type.Boolean(),
};
const vendorDetails = {
  category: optional(100),
  email: optional(320),
  phone: optional(40),
  website: optional(255),
  tax_number: optional(100),
  address: optional(2_000),
  country: optional(100),
  notes: optional(10_000),
  is_active: Type.Boolean(),
};
const vendor = { name: Type.String({ minLength: 1, maxLength: 255 }) };
const contactDetails = { vendor_id: maybe, last_name: optional(100), role: optional(100), email: optional(320), phone: optional(40), notes: optional(10_000) };
const contact = { first_name: name };

export function peopleRoutes(app: App, database: Database): void {
  resource(app, database, {
    path: '/team-members',
    table: 'team_member',
    permission: 'team',
    columns: ['id', ...Object.keys({ ...member, ...memberDetails }), 'created_at', 'updated_at'],
    create: Type.Object({ ...member, ...Type.Partial(Type.Object(memberDetails)).properties }, strict),
    change: Type.Partial(Type.Object({ ...member, ...memberDetails }), strict),
    order: 'last_name, first_name, id',
    filters: { is_active: { schema: Type.Boolean(), where: (active) => `is_active = ${active}` } },
  });
  resource(app, database, {
    path: '/vendors',
    table: 'vendor',
    permission: 'vendors',
    columns: ['id', ...Object.keys({ ...vendor, ...vendorDetails }), 'created_at', 'updated_at'],
    create: Type.Object({ ...vendor, ...Type.Partial(Type.Object(vendorDetails)).properties }, strict),
    change: Type.Partial(Type.Object({ ...vendor, ...vendorDetails }), strict),
    order: 'lower(name), id',
    filters: { category: { schema: Type.String({ maxLength: 100 }), where: (category) => `category = ${category}` } },
  });
  resource(app, database, {
    path: '/contacts',
    table: 'contact',
    permission: 'contacts',
    columns: ['id', ...Object.keys({ ...contact, ...contactDetails }), 'created_at', 'updated_at'],
    create: Type.Object({ ...contact, ...Type.Partial(Type.Object(contactDetails)).properties }, strict),
    change: Type.Partial(Type.Object({ ...contact, ...contactDetails }), strict),
    order: 'last_name, first_name, id',
    filters: { vendor_id: { schema: uuid, where: (id) => `vendor_id = ${id}` } },
  });
}
