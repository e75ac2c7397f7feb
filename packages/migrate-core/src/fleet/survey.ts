/** What a few queries tell of thousands of tenants, before any of them is visited. */

import pLimit from 'p-limit';

import type { FleetOptions } from '../fleet.ts';
import { Session, type DatabaseClient } from '../session.ts';
import { readSchemas, type SchemaState, type SourceOrder } from './digest.ts';
import { checkTarget, type FleetTarget } from './target.ts';

/** So many tenants are done with before the next ones are asked for. */
const CHUNK = 1_000;
/** So many histories of one database are read on one connection. */
const SMALLEST_GROUP = 50;
const LARGEST_GROUP = 250;

export interface Surveyed {
  readonly target: FleetTarget;
  /** `null` for a target with a database of its own, which only a visit can tell. */
  readonly state: SchemaState | null;
}

export interface SurveyOptions {
  readonly table: string;
  readonly order: SourceOrder;
  /** Connections at once. */
  readonly concurrency: number;
  /** Does the work on a connection to this database. */
  readonly use: <T>(database: string | null, work: (client: DatabaseClient) => Promise<T>) => Promise<T>;
  /** What became of one whose own schema is not there. */
  readonly lost?: FleetOptions['lost'];
}

export class Survey {
  readonly #use: SurveyOptions['use'];
  readonly #table: string;
  readonly #order: SourceOrder;
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #lost: SurveyOptions['lost'];

  constructor({ table, order, concurrency, use, lost }: SurveyOptions) {
    this.#use = use;
    this.#table = table;
    this.#order = order;
    this.#limit = pLimit(concurrency);
    this.#lost = lost;
  }

  /**
   * In their order.
   *
   * @param depth `generation`: with the newest number of each log, for those that are about to be migrated.
   * @param connections At once: as many as may be, or one.
   */
  async look(targets: readonly FleetTarget[], depth: 'digest' | 'generation' = 'digest', connections: 'all' | 'one' = 'all'): Promise<readonly Surveyed[]> {
    const limit = connections === 'all' ? this.#limit : pLimit(1);
    const schemas = new Map<string | null, string[]>();
    for (const { schema, database = null } of targets) {
      if (schema === undefined) continue;
      const names = schemas.get(database);
      if (names === undefined) schemas.set(database, [schema]);
      else names.push(schema);
    }
    const groups: { readonly database: string | null; readonly names: readonly string[] }[] = [];
    for (const [database, names] of schemas) {
      // With a database and a schema each there is nothing to read together.
      if (names.length < 2 && database !== null) continue;
      const size = Math.min(Math.max(Math.ceil(names.length / limit.concurrency), SMALLEST_GROUP), LARGEST_GROUP);
      for (let from = 0; from < names.length; from += size) groups.push({ database, names: names.slice(from, from + size) });
    }
    const histories = { table: this.#table, order: this.#order };
    const states = new Map<string, SchemaState>();
    await limit.map(groups, ({ database, names }) =>
      this.#use(database, (client) =>
        Session.borrow(client, async (session) => {
          for (const [schema, state] of await readSchemas(session, histories, names, depth)) states.set(placeOf(database, schema), state);
        }),
      ),
    );
    const found = targets.map((target): Surveyed => {
      const { schema, database = null } = target;
      return { target, state: schema === undefined ? null : (states.get(placeOf(database, schema)) ?? null) };
    });
    return this.#lost === undefined || !found.some(isDoubtful) ? found : this.#limit.map(found, (one) => this.#trace(one));
  }

  /** An error of this kind is that of the tenant: what cannot be asked just now is left as it was seen. */
  async #trace(surveyed: Surveyed): Promise<Surveyed> {
    if (!isDoubtful(surveyed)) return surveyed;
    const lost = (await this.#lost?.(surveyed.target).catch(() => null)) ?? null;
    return lost === null && surveyed.state?.kind === 'unused' ? surveyed : { ...surveyed, state: { kind: 'noSchema', lost } };
  }
}

function placeOf(database: string | null, schema: string): string {
  return JSON.stringify([database, schema]);
}

/** A schema that was never migrated may be another one, under the name of the tenant's own. */
function isDoubtful({ state }: Surveyed): boolean {
  return state?.kind === 'noSchema' || state?.kind === 'unused';
}

/** The targets, so many at a time. */
export async function* chunksOf(targets: AsyncIterable<FleetTarget> | Iterable<FleetTarget>): AsyncGenerator<readonly FleetTarget[], void, undefined> {
  let chunk: FleetTarget[] = [];
  for await (const target of targets) {
    chunk.push(checkTarget(target));
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

/** Tenants with the same key are in the same state. What another tool has done in a schema, only a visit can tell: its key is its own. */
export function keyOf({ target, state }: { readonly target: FleetTarget; readonly state: SchemaState }): string {
  if (state.kind === 'unused' && state.elsewhere) return `${target.database ?? ''}/elsewhere/${target.schema}`;
  return `${target.database ?? ''}/${state.kind === 'history' ? state.digest : state.kind}`;
}
