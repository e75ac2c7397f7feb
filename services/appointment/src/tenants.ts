/** Clinics as tenants of this service: made when the user service says so, each with a first member of its team. */

import {
  actorOf,
  allow,
  allowService,
  findRow,
  notFound,
  notSetUp,
  UUID,
  type App,
  type Database,
  type Queryable,
  type ServiceTenants,
} from '@org/service-kit';
import { Type, type Static } from 'typebox';
import { name, strict, uuid } from './schemas.ts';

const PERMISSION = 'tenants:provision';

const byId = Type.Object({ id: Type.String({ pattern: UUID.source }) });
const clinic = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 255 }),
    country: Type.String({ minLength: 1, maxLength: 50 }),
    timezone: Type.String({ minLength: 1, maxLength: 64 }),
    /** Who registered it; `null` where that account is gone. */
    admin: Type.Union([Type.Object({ user_id: uuid, email: Type.String({ maxLength: 320 }), first_name: name, last_name: name }, strict), Type.Null()]),
  },
  strict,
);

export function tenantRoutes(app: App, database: Database, tenants: ServiceTenants): void {
  const service = { onRequest: allowService(PERMISSION, 'appointment') };

  app.put('/tenants/:id', { ...service, schema: { params: byId, body: clinic } }, async (request, reply) => {
    const { id } = request.params;
    const { admin, ...details } = request.body;
    await database.inShared({ tenant: id, user: null }, (db) => enterClinic(db, id, details));
    const made = await tenants.provision(id, (client) => insertFirstMember(client as unknown as Queryable, id, admin));
    if (made.status === 'provisioning') return reply.code(202).header('location', `/tenants/${id}`).send({ id, status: made.status });
    // Made by hand it is there without anybody in it.
    if (made.outcome === 'present' && admin !== null) await database.asTenant({ tenant: id, user: admin.user_id }, (db) => insertMemberIfNone(db, id, admin));
    return reply.code(made.outcome === 'created' ? 201 : 200).send({ id, status: made.status });
  });

  app.get('/tenants/:id', { ...service, schema: { params: byId } }, async (request) => {
    const { id } = request.params;
    const tenant = await tenants.find(id);
    if (tenant === null) throw notFound();
    return { id, status: tenant.status, failure: tenant.failure };
  });

  app.get('/clinic', { onRequest: allow(null) }, async (request) => {
    const actor = actorOf(request);
    const row = await database.inShared(actor, (db) => findRow(db, 'clinics', actor.tenant, ['id', 'name', 'country', 'timezone', 'created_at', 'updated_at']));
    if (row === null) throw notSetUp();
    return row;
  });
}

async function enterClinic(db: Queryable, id: string, { name: called, country, timezone }: Omit<Static<typeof clinic>, 'admin'>): Promise<void> {
  await db.query(
    `INSERT INTO clinics (id, name, country, timezone) VALUES ($1, $2, $3, $4)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, country = excluded.country, timezone = excluded.timezone
      WHERE (clinics.name, clinics.country, clinics.timezone) IS DISTINCT FROM (excluded.name, excluded.country, excluded.timezone)`,
    [id, called, country, timezone],
  );
}

/** A team that somebody has changed since is left as it is: whoever was taken out of it does not come back. */
async function insertMemberIfNone(db: Queryable, tenant: string, admin: Static<typeof clinic>['admin']): Promise<void> {
  const { rows } = await db.query('SELECT 1 FROM team_member LIMIT 1');
  if (rows.length === 0) await insertFirstMember(db, tenant, admin);
}

/** Runs again where making the clinic was cut off: whoever is there stays. */
async function insertFirstMember(db: Queryable, tenant: string, admin: Static<typeof clinic>['admin']): Promise<void> {
  if (admin === null) return;
  await db.query(`SELECT set_config('app.current_tenant_id', $1, true), set_config('app.current_user_id', $2, true)`, [tenant, admin.user_id]);
  await db.query(
    `INSERT INTO team_member (tenant_id, user_id, first_name, last_name, email, position) VALUES ($1, $2, $3, $4, $5, 'Administrator') ON CONFLICT DO NOTHING`,
    [tenant, admin.user_id, admin.first_name, admin.last_name, admin.email],
  );
}
