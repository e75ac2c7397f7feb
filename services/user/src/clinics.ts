/** Clinics: registering one, what other services have made for it, its address, and how its pages look. */

import { randomUUID } from 'node:crypto';
import {
  actorOf,
  allow,
  byId,
  findRow,
  HttpProblem,
  insertRow,
  notFound,
  updateRow,
  type App,
  type Database,
  type Queryable,
  type Row,
} from '@org/service-kit';
import { Type } from 'typebox';
import { clinicBySubdomain } from './lookup.ts';
import { hashPassword, verifyPassword } from './password.ts';
import { enterChange, enterProvisionings, readProvisionings } from './provisionings.ts';
import { clinicId, email, name, optional, password, strict } from './schemas.ts';

const columns = [
  'id',
  'name',
  'entity_type',
  'country',
  'registration_number',
  'subdomain',
  'email',
  'phone',
  'website',
  'address_line1',
  'address_line2',
  'city',
  'state_province',
  'postal_code',
  'timezone',
  'default_language',
  'is_active',
  'created_at',
  'updated_at',
];
const brandingColumns = ['display_name', 'logo_url', 'favicon_url', 'primary_color', 'secondary_color', 'accent_color', 'email_footer'];

// Which subdomains and languages there may be is said once, by the table's constraints; these two also here, so that a refusal can list them.
export const entityTypes = ['clinic', 'hospital', 'laboratory', 'pharmacy', 'imaging_center'];
export const countries = ['Canada', 'USA', 'Morocco', 'France'];
const fields = {
  name: Type.String({ minLength: 1, maxLength: 255 }),
  entity_type: Type.Unsafe<string>({ type: 'string', enum: entityTypes }),
  country: Type.Unsafe<string>({ type: 'string', enum: countries }),
  registration_number: optional(100),
  subdomain: optional(63),
  email: Type.Union([email, Type.Null()]),
  phone: optional(30),
  website: optional(255),
  address_line1: optional(255),
  address_line2: optional(255),
  city: optional(100),
  state_province: optional(100),
  postal_code: optional(20),
  timezone: Type.String({ minLength: 1, maxLength: 64 }),
  default_language: Type.String({ maxLength: 10 }),
};
const change = Type.Partial(Type.Object({ ...fields, is_active: Type.Boolean() }), strict);
const registration = Type.Object(
  {
    ...Type.Partial(Type.Object(fields)).properties,
    name: fields.name,
    country: fields.country,
    /** Made by the caller, so that a registration whose answer was lost can be sent again. */
    id: Type.Optional(clinicId),
    admin: Type.Object({ email, password, first_name: name, last_name: name }, strict),
  },
  strict,
);
const color = Type.String({ pattern: '^#[0-9a-f]{6}$' });
const branding = Type.Partial(
  Type.Object({
    display_name: optional(255),
    logo_url: optional(2_000),
    favicon_url: optional(2_000),
    primary_color: color,
    secondary_color: color,
    accent_color: color,
    email_footer: optional(5_000),
  }),
  strict,
);
const bySubdomain = Type.Object({ subdomain: Type.String({ maxLength: 63 }) });

/** @param onDue Called when other services have something to do for a clinic. */
export function clinicRoutes(app: App, database: Database, onDue: () => void): void {
  // Open: whoever registers a clinic becomes its first administrator.
  app.post('/clinics', { config: { rateLimit: {} }, schema: { body: registration } }, async (request, reply) => {
    const { id: given = randomUUID(), admin, ...clinic } = request.body;
    // Everywhere else an id is a text, and the same one in capitals would be another clinic.
    const id = given.toLowerCase();
    // The row-level policy wants a clinic to be inserted as its own tenant.
    const actor = { tenant: id, user: null };
    const existing = await database.asTenant(actor, (db) => registeredBy(db, id, admin.email));
    if (existing !== null) {
      if (!(await verifyPassword(admin.password, existing.passwordHash))) throw new HttpProblem(409, 'it is there already');
      await database.asTenant(actor, (db) => enterProvisionings(db, id, existing.user));
      onDue();
      return reply.code(200).send(existing.clinic);
    }
    const passwordHash = await hashPassword(admin.password);
    const row = await database.asTenant(actor, async (db) => {
      const created = await insertRow(db, 'healthcare_entities', actor, { ...clinic, id }, columns, 'none');
      await insertRow(db, 'tenant_branding', actor, {}, ['tenant_id']);
      const user = await insertRow(
        db,
        'users',
        actor,
        { email: admin.email, first_name: admin.first_name, last_name: admin.last_name, password_hash: passwordHash },
        ['id'],
      );
      const role = await insertRow(db, 'roles', actor, { name: 'admin', description: 'May do everything in this clinic', permissions: ['*'] }, ['id']);
      await insertRow(db, 'user_roles', actor, { user_id: user['id'], role_id: role['id'] }, ['user_id']);
      // In the same transaction: there is no clinic that nobody sets up elsewhere, and none is set up that was not registered.
      await enterProvisionings(db, id, String(user['id']));
      return created;
    });
    onDue();
    return reply.code(201).header('location', `/clinics/${id}`).send(row);
  });

  app.get('/clinics/:id', { onRequest: allow('clinics:read'), schema: { params: byId } }, async (request) => {
    const { id } = request.params as { id: string };
    return (await database.asTenant(actorOf(request), (db) => findRow(db, 'healthcare_entities', id, columns))) ?? absent();
  });

  // How far the other services are. Of a clinic that is new: until all are `active`, theirs answer 503 to it.
  app.get('/clinics/:id/provisioning', { onRequest: allow('clinics:read'), schema: { params: byId } }, async (request) => {
    const { id } = request.params as { id: string };
    const actor = actorOf(request);
    if (id !== actor.tenant) absent();
    return await database.asTenant(actor, readProvisionings);
  });

  app.patch('/clinics/:id', { onRequest: allow('clinics:write'), schema: { params: byId, body: change } }, async (request) => {
    const { id } = request.params as { id: string };
    const changed = await database.asTenant(actorOf(request), async (db) => {
      const row = await updateRow(db, 'healthcare_entities', id, request.body, columns);
      // In the same transaction: what the other services know of a clinic becomes what it is, whenever they can be reached.
      return row === null ? null : { row, due: await enterChange(db, id, Object.keys(request.body)) };
    });
    if (changed === null) return absent();
    if (changed.due) onDue();
    return changed.row;
  });

  app.put('/clinics/:id/branding', { onRequest: allow('clinics:write'), schema: { params: byId, body: branding } }, async (request) => {
    const { id } = request.params as { id: string };
    const actor = actorOf(request);
    if (id !== actor.tenant) absent();
    return await database.asTenant(actor, async (db) => {
      await db.query('INSERT INTO tenant_branding (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING', [id]);
      return (await updateRow(db, 'tenant_branding', id, request.body, brandingColumns, 'tenant_id')) ?? absent();
    });
  });

  // Open: the sign-in page of a clinic is shown before anybody has signed in.
  app.get('/clinics/by-subdomain/:subdomain', { schema: { params: bySubdomain } }, async (request) => {
    const { subdomain } = request.params;
    const found = (await clinicBySubdomain(database, subdomain)) ?? absent();
    const look = await database.asTenant({ tenant: found, user: null }, async (db) => ({
      clinic: await findRow(db, 'healthcare_entities', found, ['id', 'name', 'country', 'default_language']),
      branding: await findRow(db, 'tenant_branding', found, brandingColumns, 'tenant_id'),
    }));
    return { ...look.clinic, branding: look.branding };
  });
}

async function registeredBy(db: Queryable, id: string, address: string): Promise<{ clinic: Row; user: string | null; passwordHash: string } | null> {
  const clinic = await findRow(db, 'healthcare_entities', id, columns);
  if (clinic === null) return null;
  const { rows } = await db.query<{ id: string; password_hash: string }>('SELECT id, password_hash FROM users WHERE lower(email) = lower($1)', [address]);
  return { clinic, user: rows[0]?.id ?? null, passwordHash: rows[0]?.password_hash ?? '' };
}

function absent(): never {
  throw notFound();
}
