/** Compiles `pgm` migrations to SQL, once and without a database, by node-pg-migrate's own MigrationBuilder. */

import type { MigrationBuilder } from 'node-pg-migrate';

import type { LiveDatabase, LiveScript } from '../migration.ts';
import { tokens } from './lexer.ts';
import type { ModuleExports } from './module.ts';

export type Shorthands = Readonly<Record<string, unknown>>;

/** What node-pg-migrate calls: a function of `pgm`, perhaps with a callback. */
export type Action = (pgm: MigrationBuilder, run?: (error?: unknown) => void) => unknown;

export type CompiledAction =
  | { readonly kind: 'sql'; readonly sql: string; readonly transaction: 'per-migration' | 'none' }
  /** It asked for `pgm.db`: what it does is known only when it runs. */
  | { readonly kind: 'live'; readonly transaction: 'per-migration' | 'none'; readonly build: LiveScript['build'] };

export interface CompiledModule {
  readonly up: CompiledAction;
  readonly down: CompiledAction | null;
  /** Why there is no down, as a clause. */
  readonly irreversible: string | null;
}

/** Compiling is arithmetic on strings: what takes longer waits for something that will not come. Milliseconds. */
const COMPILE_LIMIT = 60_000;

/** Throws `Error` with a clause for what the module exports that is no migration, and whatever its functions throw. */
export async function compileModule(exported: ModuleExports, shorthands: Shorthands): Promise<CompiledModule> {
  const up = exported['up'];
  const down = exported['down'];
  if (up === false) throw new Error('it says up = false, so that it can never be applied: take the file away');
  if (typeof up !== 'function') {
    // A file of shorthands alone changes nothing by itself, and is a migration to node-pg-migrate only if it has an up.
    if (up === undefined && exported['shorthands'] !== undefined) return { up: nothing, down: nothing, irreversible: null };
    throw new Error(whyNoUp(exported));
  }
  const compiled = await compileAction(up as Action, shorthands, 'forward');
  if (down === false) return { up: compiled, down: null, irreversible: 'its module says down = false' };
  if (typeof down === 'function') return { up: compiled, down: await compileAction(down as Action, shorthands, 'forward'), irreversible: null };
  if (down !== undefined) throw new Error('its down is neither a function nor false');
  try {
    return { up: compiled, down: await compileAction(up as Action, shorthands, 'reverse'), irreversible: null };
  } catch (error) {
    return { up: compiled, down: null, irreversible: `its module has no down, and none can be inferred: ${(error as Error).message}` };
  }
}

const nothing: CompiledAction = { kind: 'sql', sql: '', transaction: 'per-migration' };

function whyNoUp(exported: ModuleExports): string {
  const classes = Object.values(exported).filter(
    (one) => typeof one === 'function' && typeof (one as { prototype?: { up?: unknown } }).prototype?.up === 'function',
  );
  if (classes.length > 0) return 'it exports a class, as TypeORM’s migrations are: export functions up(pgm) and down(pgm), or write SQL';
  return 'it exports no function up(pgm)';
}

type Direction = 'forward' | 'reverse';

async function compileAction(action: Action, shorthands: Shorthands, direction: Direction): Promise<CompiledAction> {
  const { promise: touched, resolve: touch } = Promise.withResolvers<'live'>();
  let live = false;
  const ask = (): Promise<never> => {
    live = true;
    touch('live');
    // It has no answer yet, and a refusal that nobody waits for would end the process.
    return new Promise(() => undefined);
  };
  const builder = await newBuilder({ query: ask, select: ask }, shorthands, direction);
  const limit = new AbortController();
  let failure: { readonly error: unknown } | null = null;
  const run = perform(action, direction === 'reverse' ? refusing(builder) : builder).catch((error: unknown) => {
    failure = { error };
  });
  const { setTimeout: sleep } = await import('node:timers/promises');
  const slow = sleep(COMPILE_LIMIT, 'slow' as const, { signal: limit.signal }).catch(() => undefined);
  const ended = await Promise.race([run, touched, slow]);
  limit.abort();
  const transaction = builder.isUsingTransaction() ? 'per-migration' : 'none';
  // What it would have done with an answer is not known.
  if (live) return { kind: 'live', transaction, build: (db) => build(action, shorthands, direction, db) };
  if (ended === 'slow')
    throw new Error(`its ${direction === 'forward' ? 'function' : 'up'} did not end within ${COMPILE_LIMIT / 1000} s: it may never call its second argument`);
  if (failure !== null) throw toError((failure as { readonly error: unknown }).error);
  return { kind: 'sql', sql: joined(builder), transaction };
}

/** Runs the module against the connection, then answers the SQL that it collected. */
async function build(action: Action, shorthands: Shorthands, direction: Direction, db: LiveDatabase): Promise<string> {
  const asked: Answer<unknown>[] = [];
  // One after the other, as the connection takes them.
  const ask = <T>(read: () => Promise<T>): Promise<T> => {
    const answer = new Answer<T>((resolve) => resolve(ended(asked.at(-1)).then(read)));
    asked.push(answer);
    return answer;
  };
  const query = (text: string | object, values?: readonly unknown[]): Promise<unknown> => ask(() => db.query(text, values));
  const select = (text: string | object, values?: readonly unknown[]): Promise<unknown[]> => ask(async () => (await db.query(text, values)).rows);
  const builder = await newBuilder({ query, select }, shorthands, direction);
  await perform(action, direction === 'reverse' ? refusing(builder) : builder);
  // A query that the module does not wait for is part of the migration all the same, and so is one that is asked behind it.
  for (let at = 0; at < asked.length; at++) {
    await ended(asked[at]);
    if (asked[at]?.heard === false) await asked[at];
  }
  return joined(builder);
}

/** What a query of a module answers. Nobody may be listening: its failure must not end the process then, but fail the migration. */
class Answer<T> extends Promise<T> {
  heard = false;

  // oxlint-disable-next-line unicorn/no-thenable -- a promise, which has to know whether anybody waits for it
  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.heard = true;
    return super.then(fulfilled, rejected);
  }

  // What follows from it is an ordinary promise.
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }
}

/** Settles when it does, and never fails; without counting as listening. */
function ended(answer: Answer<unknown> | undefined): Promise<void> {
  if (answer === undefined) return Promise.resolve();
  return Promise.prototype.then.call(
    answer,
    () => undefined,
    () => undefined,
  ) as Promise<void>;
}

async function newBuilder(db: object, shorthands: Shorthands, direction: Direction): Promise<MigrationBuilder> {
  // Not the package's main module, which loads a command line besides.
  const { MigrationBuilder: Builder } = await import('node-pg-migrate/migrationBuilder');
  const silent = (): void => undefined;
  const builder = new Builder(db as never, shorthands as never, false, {
    debug: silent,
    info: silent,
    warn: silent,
    error: silent,
  } as never) as unknown as MigrationBuilder;
  if (direction === 'reverse') builder.enableReverseMode();
  return builder;
}

function perform(action: Action, pgm: MigrationBuilder): Promise<unknown> {
  // node-pg-migrate calls an action of two parameters with a callback.
  if (action.length !== 2) return Promise.resolve().then(() => action(pgm));
  return new Promise((resolve, reject) => {
    const run = (error?: unknown): void => (error == null ? resolve(undefined) : reject(toError(error)));
    Promise.resolve(action(pgm, run)).catch(reject);
  });
}

/** In reverse, `ifNotExists` and `replace` would drop what may have been there before. */
function refusing(builder: MigrationBuilder): MigrationBuilder {
  return new Proxy(builder, {
    get(target, key, receiver) {
      const value: unknown = Reflect.get(target, key, receiver);
      if (typeof value !== 'function' || typeof key !== 'string' || !/^(?:create|add|sql)/.test(key)) return value;
      return (...args: unknown[]): unknown => {
        for (const mode of ['ifNotExists', 'replace'] as const) {
          if (args.some((arg) => typeof arg === 'object' && arg !== null && (arg as Record<string, unknown>)[mode] === true)) {
            throw new Error(`pgm.${key} with ${mode} may have changed nothing, and its reverse would drop what was there before`);
          }
        }
        return Reflect.apply(value, target, args);
      };
    },
  });
}

/** One text of all steps. A step that ends in a comment would swallow a semicolon on its line. */
function joined(builder: MigrationBuilder): string {
  const steps = builder.getSqlSteps().filter((step) => step.trim() !== '');
  return steps.map((step) => (endsInSemicolon(step) ? step : `${step}\n;`)).join('\n') + (steps.length > 0 ? '\n' : '');
}

function endsInSemicolon(sql: string): boolean {
  let last = '';
  for (const token of tokens(sql)) {
    if (token.kind !== 'lineComment' && token.kind !== 'blockComment') last = sql.slice(token.start, token.end);
    else if (token.kind === 'lineComment' && token.end === sql.length) return false;
  }
  return last === ';';
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
