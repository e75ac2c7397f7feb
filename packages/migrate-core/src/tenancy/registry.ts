/** The library's own registry of tenants: one table beside the service's shared history. Every statement about it. */

import { MigrationError } from '../errors.ts';
import { strangersOf } from '../history.ts';
import { revokeFromOthers } from '../history-tables.ts';
import type { Row, ServerError, Session } from '../session.ts';
import { doBlock, identifier, literal, qualified } from '../sql.ts';
import type { Tenant, TenantStatus } from '../tenancy.ts';
import { again } from './again.ts';
import { invalidTenant, refuseOtherKind, shortened, type PlaceKind } from './place.ts';

/** A tenant, and how far its making has come. */
export interface RegisteredTenant extends Tenant {
  readonly kind: PlaceKind;
  /** The oid of the schema or database that was made for it: another one of the same name is not its own. `null` before. */
  readonly madeAs: string | null;
  /** A second name of its database: while that is made or put away, and until it is whole where its migrations make it. */
  readonly transit: string | null;
  readonly madeBy: 'template' | 'replay' | null;
}

const PAGE = 1_000;
const LONGEST_FAILURE = 2_000;

const COLUMNS = `id, place, kind, status, failure, made_as, transit, made_by,
 pg_catalog.to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
 pg_catalog.to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS updated_at`;

/** Without a registry, or its schema, there are no tenants. */
const ABSENT = new Set(['42P01', '3F000']);

export class Registry {
  readonly schema: string;
  readonly kind: PlaceKind;
  /** Quoted. */
  readonly table: string;

  constructor(schema: string, historyTable: string, kind: PlaceKind) {
    this.schema = schema;
    this.kind = kind;
    this.table = qualified(schema, `${historyTable}_tenants`);
  }

  /** By id. With a database each and a schema each in one registry, those of the service's present mode. */
  async list(session: Session): Promise<readonly RegisteredTenant[]> {
    return this.#read(session, `WHERE kind = ${literal(this.kind)} ORDER BY id`);
  }

  find(session: Session, id: string): Promise<RegisteredTenant | null> {
    return this.#read(session, `WHERE id = ${literal(id)}`).then(([tenant]) => tenant ?? null);
  }

  /** SQL that reads one tenant, for `tenantOf`. */
  selection(id: string): string {
    return `SELECT ${COLUMNS} FROM ${this.table} WHERE id = ${literal(id)}`;
  }

  /** Throws `invalidOptions` for an id that nobody has, and for a tenant with the other kind of place. */
  async require(session: Session, id: string): Promise<RegisteredTenant> {
    const tenant = await this.find(session, id);
    if (tenant === null) throw invalidTenant(id, 'there is none of that id', 'the list of tenants shows who there is');
    refuseOtherKind(tenant, this.kind);
    return tenant;
  }

  /** The active ones behind this id, a page of them; `null` begins. */
  activeAfter(session: Session, id: string | null): Promise<readonly RegisteredTenant[]> {
    const behind = id === null ? '' : ` AND id > ${literal(id)}`;
    return this.#read(session, `WHERE kind = ${literal(this.kind)} AND status = 'active'${behind} ORDER BY id LIMIT ${PAGE}`);
  }

  /** How many have the other kind of place, without the archived ones. */
  async otherKind(session: Session): Promise<{ readonly kind: PlaceKind; readonly count: number }> {
    const kind = this.kind === 'schema' ? 'database' : 'schema';
    try {
      const [row] = await session.read(`SELECT pg_catalog.count(*) AS count FROM ${this.table} WHERE kind = ${literal(kind)} AND status <> 'archived'`);
      return { kind, count: Number(row?.['count'] ?? 0) };
    } catch (error) {
      if (ABSENT.has((error as ServerError).code ?? '')) return { kind, count: 0 };
      throw error;
    }
  }

  /** The tenant that has this place, whatever its status. */
  async holderOf(session: Session, place: string): Promise<RegisteredTenant | null> {
    const [holder] = await this.#read(session, `WHERE kind = ${literal(this.kind)} AND place = ${literal(place)}`);
    return holder ?? null;
  }

  async #read(session: Session, condition: string): Promise<readonly RegisteredTenant[]> {
    try {
      return (await session.read(`SELECT ${COLUMNS} FROM ${this.table} ${condition}`)).map(tenantOf);
    } catch (error) {
      if (ABSENT.has((error as ServerError).code ?? '')) return [];
      throw error;
    }
  }

  /**
   * The tenant as it is registered, or now is: `provisioning`, with nothing made. Makes the registry where there is none.
   *
   * @param role Who reads and writes what all tenants share, besides this connection's own role: no new tenant's schema may have such a name.
   */
  async register(session: Session, id: string, place: string, role: string | undefined): Promise<RegisteredTenant> {
    for (;;) {
      const tenant = await this.#add(session, id, place, role);
      if (tenant !== null) return tenant;
    }
  }

  /** `null`: to be tried again. Refuses to write into a table that somebody made before us: its triggers would run as us. */
  async #add(session: Session, id: string, place: string, role: string | undefined): Promise<RegisteredTenant | null> {
    const { table } = this;
    const owner = `(SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass(${literal(table)}))`;
    const roles = ['CURRENT_USER', 'SESSION_USER', ...(role === undefined ? [] : [literal(role)])];
    // No role's name is on the search path for the sake of a database.
    const refused = this.kind === 'schema' ? `${literal(place)} IN (${roles.join(', ')})` : 'false';
    const body = `DECLARE strangers text; BEGIN
IF EXISTS (SELECT FROM ${table} t WHERE t.id = ${literal(id)}) THEN RETURN; END IF;
IF ${refused} THEN RAISE EXCEPTION USING ERRCODE = '${OF_A_ROLE}', MESSAGE = 'migrate: a role has this name'; END IF;
IF ${owner} <> CURRENT_USER THEN strangers := ${strangersOf([table])}; END IF;
IF strangers IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = '${STRANGERS}', MESSAGE = strangers; END IF;
INSERT INTO ${table} (id, place, kind, status) VALUES (${[id, place, this.kind, 'provisioning'].map(literal).join(', ')}) ON CONFLICT (id) DO NOTHING; END`;
    try {
      const [row] = await session.read(`${doBlock(body)}; ${this.selection(id)}`);
      return row === undefined ? null : tenantOf(row);
    } catch (error) {
      const { code = '', message } = error as ServerError;
      if (session.lost !== null) throw error;
      if (code === STRANGERS) throw ofStrangers(message);
      if (code === OF_A_ROLE) throw ofRole(id, place, error);
      if (ABSENT.has(code)) await this.#make(session);
      else if (code === '23505') await this.#refusePlace(session, id, place);
      else throw error;
      return null;
    }
  }

  async #refusePlace(session: Session, id: string, place: string): Promise<void> {
    const other = await this.holderOf(session, place);
    // Gone meanwhile: the place is free. Or the same tenant, which somebody else registered at the same time.
    if (other === null || other.id === id) return;
    throw invalidTenant(id, `its ${this.kind} would be ${JSON.stringify(place)}, which is that of the tenant ${JSON.stringify(shortened(other.id))}`);
  }

  async #make(session: Session): Promise<void> {
    const body = `DECLARE r record; BEGIN
${this.#schemaText()}
CREATE TABLE IF NOT EXISTS ${this.table} (
  id text COLLATE "C" PRIMARY KEY, place text COLLATE "C" NOT NULL, kind text NOT NULL CHECK (kind IN ('schema', 'database')),
  status text NOT NULL CHECK (status IN ('provisioning', 'active', 'failed', 'archived')),
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(), updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(), failure text,
  made_as oid, transit text, made_by text CHECK (made_by IN ('template', 'replay')), UNIQUE (kind, place));
${revokeFromOthers([this.table])} END`;
    await again(() => runDone(session, `BEGIN; ${doBlock(body)}; COMMIT`), ['42P06']);
  }

  /** Where the registry is going to be, and what tenants with a schema each share: before there is any. */
  async ensureSchema(session: Session): Promise<void> {
    await again(() => runDone(session, doBlock(`BEGIN ${this.#schemaText()} END`)), ['42P06']);
  }

  #schemaText(): string {
    const schema = identifier(this.schema);
    return `IF pg_catalog.to_regnamespace(${literal(schema)}) IS NULL THEN CREATE SCHEMA ${schema}; END IF;`;
  }

  /** SQL of a change of one tenant, which fails when the condition does not hold any more. `changes` and `condition` are SQL. */
  change(id: string, changes: string, condition: string): string {
    return doBlock(
      `BEGIN UPDATE ${this.table} SET ${changes}, updated_at = pg_catalog.now() WHERE id = ${literal(id)} AND ${condition}; IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = '${MOVED_ON}', MESSAGE = 'migrate: somebody else changed the tenant meanwhile'; END IF; END`,
    );
  }

  /** That its place is there, and is the one of this name. */
  placement(id: string, name: string, condition: string, more = ''): string {
    const oid =
      this.kind === 'schema'
        ? `(SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = ${literal(name)})`
        : `(SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = ${literal(name)})`;
    return this.change(id, `made_as = ${oid}${more}`, condition);
  }

  activation(id: string, madeBy: 'template' | 'replay'): string {
    return this.change(
      id,
      `status = 'active', failure = NULL, transit = NULL, made_by = ${literal(madeBy)}`,
      `status = 'provisioning' AND made_as IS NOT NULL`,
    );
  }

  /** PL/pgSQL that gives a new tenant the place of this oid, an expression; with `active` it is whole, too. */
  taking(id: string, oid: string, as: 'placed' | 'active'): string {
    const whole = as === 'active' ? `, status = 'active', failure = NULL, made_by = 'template'` : '';
    return `UPDATE ${this.table} SET made_as = ${oid}${whole}, updated_at = pg_catalog.now() WHERE id = ${literal(id)} AND status = 'provisioning' AND made_as IS NULL;
IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = '${MOVED_ON}', MESSAGE = 'migrate: somebody else changed the tenant meanwhile'; END IF`;
  }

  /** @param failure Without data. */
  failing(id: string, failure: string): string {
    return this.change(id, `status = 'failed', failure = ${literal(failure.slice(0, LONGEST_FAILURE))}`, `status = 'provisioning'`);
  }

  /** SQL that forgets a tenant whose place is not there (any more). */
  removal(id: string, condition: string): string {
    return `DELETE FROM ${this.table} WHERE id = ${literal(id)} AND ${condition}`;
  }
}

/** Of the registry's own guard: the row is not as it was. */
export const MOVED_ON = 'MG004';
/** Of the registry's own guard: the table is somebody else's. */
const STRANGERS = 'MG005';
/** Of the registry's own guard: what all tenants share would be looked for, and made, in this tenant's schema. */
const OF_A_ROLE = 'MG006';

/** PostgreSQL's own search path is `"$user", public` (manual, 5.10.3). */
function ofRole(id: string, place: string, cause: unknown): MigrationError {
  const why = `its schema would be ${JSON.stringify(place)}, which is the name of a role of the service: what all tenants share would go into it, since the role's name comes first on PostgreSQL's search path`;
  return invalidTenant(id, why, 'give the tenant another id, or say with tenancy.place what its schema is called', cause);
}

function ofStrangers(found: string): MigrationError {
  return new MigrationError({
    code: 'connection',
    message: `the registry of tenants is not this role's (${found}): what its owner put on it would run with this role's rights. Nothing was written`,
    hint: 'connect as its owner, or look at it and then: ALTER TABLE … OWNER TO this role',
  });
}

/** Runs a message, and throws unless it did all it had to. */
export async function runDone(session: Session, text: string): Promise<void> {
  const result = await session.run(text);
  if (result.kind !== 'done') throw result.error;
}

export function tenantOf(row: Row): RegisteredTenant {
  return {
    id: row['id'] ?? '',
    place: row['place'] ?? '',
    kind: (row['kind'] ?? 'schema') as PlaceKind,
    status: (row['status'] ?? 'provisioning') as TenantStatus,
    createdAt: new Date(row['created_at'] ?? 0),
    updatedAt: new Date(row['updated_at'] ?? 0),
    failure: row['failure'] ?? null,
    madeAs: row['made_as'] ?? null,
    transit: row['transit'] ?? null,
    madeBy: (row['made_by'] ?? null) as RegisteredTenant['madeBy'],
  };
}

/** As the library's callers see it. */
export function publicTenant({ id, place, status, createdAt, updatedAt, failure }: Tenant): Tenant {
  return { id, place, status, createdAt, updatedAt, failure };
}
