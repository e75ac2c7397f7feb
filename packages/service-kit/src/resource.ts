/** The five routes of a table: create, list, read, change and, where the table allows it, delete. */

import { Type, type TObject, type TSchema } from 'typebox';
import type { App } from './app.ts';
import { actorOf, allow, type Claims } from './auth.ts';
import type { Database } from './database.ts';
import { notFound } from './problem.ts';
import { deleteRow, findRow, insertRow, listRows, pageQuery, type PageRequest, type Row, updateRow } from './rows.ts';

/** A key of the list's query. */
export interface Filter {
  readonly schema: TSchema;
  /** Gets the parameter that holds the value: `(n) => \`status = ${n}\``. */
  readonly where: (parameter: string) => string;
  /** What is compared; default the value as it came. */
  readonly value?: (given: never) => unknown;
}

export interface Resource {
  /** `/vendors`. */
  readonly path: string;
  readonly table: string;
  /** `vendors` asks for `vendors:read` and `vendors:write`. */
  readonly permission: string;
  /** What is answered. */
  readonly columns: readonly string[];
  /** Of a new row. Its keys are columns. `null`: the service has a route of its own for that. */
  readonly create: TObject | null;
  /** Of a change. Its keys are columns. */
  readonly change: TObject;
  readonly filters?: Readonly<Record<string, Filter>>;
  /** Default: newest first. */
  readonly order?: string;
  /** `keep`: rows are switched off or cancelled, never deleted. Default `delete`. */
  readonly removal?: 'delete' | 'keep';
  /** A column that takes the user who creates the row. */
  readonly stamp?: string;
  /** Looks at what would be written, and throws where this user may not write it. */
  readonly check?: (values: Row, claims: Claims) => void;
}

/** Parameters of every route with an id. What is no id is refused before the database sees it. */
export const byId: TObject<{ id: TSchema }> = Type.Object({ id: Type.String({ format: 'uuid' }) });

export function resource(
  app: App,
  database: Database,
  { path, table, permission, columns, create, change, filters = {}, order = 'created_at DESC, id', removal = 'delete', stamp, check }: Resource,
): void {
  const reads = { onRequest: allow(`${permission}:read`) };
  const writes = { onRequest: allow(`${permission}:write`) };
  const query = Type.Object(
    { ...pageQuery, ...Object.fromEntries(Object.entries(filters).map(([name, { schema }]) => [name, Type.Optional(schema)])) },
    { additionalProperties: false },
  );

  if (create !== null) {
    app.post(path, { ...writes, schema: { body: create } }, async (request, reply) => {
      const actor = actorOf(request);
      const body = request.body as Row;
      check?.(body, request.user);
      const values = stamp === undefined ? body : { ...body, [stamp]: actor.user };
      const row = await database.asTenant(actor, (db) => insertRow(db, table, actor, values, columns));
      return reply
        .code(201)
        .header('location', `${path}/${String(row['id'])}`)
        .send(row);
    });
  }

  app.get(path, { ...reads, schema: { querystring: query } }, async (request) => {
    const { limit, offset, ...given } = request.query as PageRequest & Record<string, unknown>;
    const chosen = Object.entries(filters).filter(([name]) => given[name] !== undefined);
    const values = chosen.map(([name, { value }]) => (value === undefined ? given[name] : value(given[name] as never)));
    const where = chosen.map(([, filter], index) => filter.where(`$${index + 1}`));
    return await database.asTenant(actorOf(request), (db) => listRows(db, { table, columns, where, values, order, page: { limit, offset } }));
  });

  app.get(`${path}/:id`, { ...reads, schema: { params: byId } }, async (request) => {
    const { id } = request.params as { id: string };
    return (await database.asTenant(actorOf(request), (db) => findRow(db, table, id, columns))) ?? notThere();
  });

  app.patch(`${path}/:id`, { ...writes, schema: { params: byId, body: change } }, async (request) => {
    const { id } = request.params as { id: string };
    check?.(request.body as Row, request.user);
    return (await database.asTenant(actorOf(request), (db) => updateRow(db, table, id, request.body as Row, columns))) ?? notThere();
  });

  if (removal === 'keep') return;
  app.delete(`${path}/:id`, { ...writes, schema: { params: byId } }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const was = await database.asTenant(actorOf(request), (db) => deleteRow(db, table, id));
    if (!was) notThere();
    return reply.code(204).send();
  });
}

function notThere(): never {
  throw notFound();
}
