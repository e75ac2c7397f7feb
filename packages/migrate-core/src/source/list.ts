/** Migrations given in code: the list is the order. */

import { MigrationError } from '../errors.ts';
import {
  noDirectives,
  type CompiledMigration,
  type Grammar,
  type Directives,
  type LiveScript,
  type Migration,
  type MigrationSource,
  type Script,
  type SourceListing,
  type SourceProblem,
} from '../migration.ts';
import { nearest, parseName } from '../version.ts';
import { checksum } from './checksum.ts';
import type { Action, CompiledAction, CompiledModule } from './pgm.ts';

/** One migration in code. */
export interface ListedMigration {
  /** The identity. Default: the version, `_`, and the description's words. */
  readonly name?: string | undefined;
  /** What people type. Default: the number at the beginning of `name`. One of the two is needed. */
  readonly version?: string | undefined;
  readonly description?: string | undefined;
  /** SQL, or a function of node-pg-migrate's `pgm`. */
  readonly up: string | Action;
  /** Left out: none for SQL, inferred for a function. `false`: cannot be undone. */
  readonly down?: string | Action | false | undefined;
  readonly directives?: Partial<Directives> | undefined;
}

/**
 * A source from code.
 *
 * @example
 * const source = listSource([{ version: '001', description: 'create notes', up: 'CREATE TABLE notes (id int)', down: 'DROP TABLE notes' }]);
 */
export function listSource(list: readonly ListedMigration[], label = 'the list of migrations'): MigrationSource {
  return new ListSource(list, label);
}

interface Listed {
  readonly migration: Migration;
  readonly given: ListedMigration;
  /** Functions are compiled when they are listed: their checksum is that of the SQL that they make. */
  readonly module: CompiledModule | null;
}

class ListSource implements MigrationSource {
  readonly label: string;
  readonly #list: readonly ListedMigration[];
  #read: Promise<{ readonly listed: readonly Listed[]; readonly problems: readonly SourceProblem[] }> | null = null;

  constructor(list: readonly ListedMigration[], label: string) {
    this.#list = list;
    this.label = label;
  }

  async list(): Promise<SourceListing> {
    const { listed, problems } = await this.#discovered();
    const listing = { migrations: listed.map((one) => one.migration), ignored: [], problems };
    const names = [...new Set(this.#list.map(nameOf).filter((name) => name !== null))];
    return names.length === listed.length ? listing : { ...listing, names };
  }

  async compile(names: readonly string[], grammar: Grammar = 'here'): Promise<readonly CompiledMigration[]> {
    const { listed } = await this.#discovered();
    const compiled: CompiledMigration[] = [];
    const problems: MigrationError[] = [];
    for (const name of names) {
      const one = listed.find(({ migration }) => migration.name === name);
      if (one === undefined) throw new MigrationError({ code: 'internal', message: `${name} is not in ${this.label}` });
      try {
        compiled.push(await compile(one, this.label, grammar));
      } catch (error) {
        if (!(error instanceof MigrationError)) throw error;
        problems.push(error);
      }
    }
    if (problems.length > 0) {
      const { together } = await import('./compile.ts');
      throw together(problems);
    }
    return compiled;
  }

  #discovered(): Promise<{ readonly listed: readonly Listed[]; readonly problems: readonly SourceProblem[] }> {
    this.#read ??= readList(this.#list);
    return this.#read;
  }
}

async function readList(list: readonly ListedMigration[]): Promise<{ readonly listed: readonly Listed[]; readonly problems: readonly SourceProblem[] }> {
  const listed: Listed[] = [];
  const problems: SourceProblem[] = [];
  for (const [index, given] of list.entries()) {
    const name = nameOf(given);
    const problem = (code: SourceProblem['code'], message: string): void => {
      problems.push({ code, name: name ?? `#${index + 1}`, message });
    };
    if (name === null) {
      problem('invalidMigration', `migration ${index + 1} of the list has neither a name nor a version`);
      continue;
    }
    if (listed.some((one) => one.migration.name === name)) {
      problem('duplicate', `${name} stands in the list twice`);
      continue;
    }
    try {
      listed.push(await read(given, name));
    } catch (error) {
      problem('invalidMigration', `${name}: ${(error as Error).message}`);
    }
  }
  return { listed, problems };
}

function nameOf({ name, version, description }: ListedMigration): string | null {
  if (name !== undefined && name !== '') return name;
  if (version === undefined || version === '') return null;
  const words = (description ?? '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '_')
    .replaceAll(/^_|_$/g, '');
  return words === '' ? version : `${version}_${words}`;
}

async function read(given: ListedMigration, name: string): Promise<Listed> {
  for (const key of Object.keys(given.directives ?? {})) {
    if (key in noDirectives) continue;
    const [near] = nearest(key, Object.keys(noDirectives));
    throw new Error(
      `unknown directive "${key}"${near === undefined ? '' : ` (did you mean ${near}?)`}: the directives are ${Object.keys(noDirectives).join(', ')}`,
    );
  }
  const functions = typeof given.up === 'function' || typeof given.down === 'function';
  const module = functions
    ? await (
        await import('./pgm.ts')
      ).compileModule({ up: asAction(given.up), down: given.down === undefined || given.down === false ? given.down : asAction(given.down) }, {})
    : null;
  const up = typeof given.up === 'string' ? given.up : module?.up.kind === 'sql' ? module.up.sql : given.up.toString();
  const down = typeof given.down === 'string' ? given.down : module?.down?.kind === 'sql' ? module.down.sql : null;
  const parsed = parseName(name);
  return {
    given,
    module,
    migration: {
      name,
      version: given.version ?? parsed.version,
      description: given.description ?? parsed.description,
      checksum: checksum(up),
      downChecksum: down === null ? null : checksum(down),
      directives: { ...noDirectives, ...given.directives },
      file: null,
    },
  };
}

function asAction(part: string | Action): Action {
  return typeof part === 'function' ? part : (pgm) => pgm.sql(part);
}

async function compile({ given, migration, module }: Listed, label: string, grammar: Grammar): Promise<CompiledMigration> {
  const { compileSql } = await import('./script.ts');
  const { name, directives } = migration;
  const options = { transaction: directives.transaction, parse: directives.parse, grammar, origin: null };
  const script = (action: CompiledAction): Promise<Script> | LiveScript => {
    const transaction = directives.transaction === 'none' ? 'none' : action.transaction;
    return action.kind === 'live' ? { kind: 'live', file: label, build: action.build, transaction } : compileSql(action.sql, { ...options, transaction });
  };
  try {
    if (module !== null)
      return { name, up: await script(module.up), down: module.down === null ? null : await script(module.down), irreversible: module.irreversible };
    return {
      name,
      up: await compileSql(given.up as string, options),
      down: typeof given.down === 'string' ? await compileSql(given.down, options) : null,
      irreversible: given.down === undefined ? 'it was listed without a down' : given.down === false ? 'it says down: false' : null,
    };
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    throw new MigrationError({ code: error.code, message: `${name}: ${error.message}`, migration: name, position: error.position ?? undefined, cause: error });
  }
}
