/** Compiles what was read: SQL by the parser, modules by running them. */

import { MigrationError } from '../errors.ts';
import type { CompiledMigration, Grammar, LiveScript, Script } from '../migration.ts';
import { loadModule } from './module.ts';
import { compileModule, type CompiledAction, type Shorthands } from './pgm.ts';
import { compileSql } from './script.ts';
import type { ReadUnit } from './unit.ts';

/**
 * These units, in this order; `all` are the folder's, in its order, for the shorthands that come before.
 *
 * @throws MigrationError `invalidMigration` that tells every problem.
 */
export async function compileUnits(units: readonly ReadUnit[], all: readonly ReadUnit[], grammar: Grammar): Promise<readonly CompiledMigration[]> {
  const shorthands = new ShorthandReader(all);
  const problems: MigrationError[] = [];
  const compiled: CompiledMigration[] = [];
  for (const one of units) {
    try {
      compiled.push(
        one.parts.kind === 'sql'
          ? await compileParts(one, one.parts, grammar)
          : await compileFile(one, one.parts, await shorthands.before(one.unit.name), grammar),
      );
    } catch (error) {
      if (!(error instanceof MigrationError)) throw error;
      problems.push(error);
    }
  }
  if (problems.length > 0) throw together(problems);
  return compiled;
}

async function compileParts(one: ReadUnit, parts: Extract<ReadUnit['parts'], { kind: 'sql' }>, grammar: Grammar): Promise<CompiledMigration> {
  const { transaction, parse } = one.migration.directives;
  return {
    name: one.migration.name,
    up: await compileSql(parts.up.sql, { transaction, parse, grammar, origin: parts.up.origin }),
    down: parts.down === null ? null : await compileSql(parts.down.sql, { transaction, parse, grammar, origin: parts.down.origin }),
    irreversible: parts.irreversible,
  };
}

async function compileFile(
  one: ReadUnit,
  { path, hasDirectives }: Extract<ReadUnit['parts'], { kind: 'module' }>,
  shorthands: Shorthands,
  grammar: Grammar,
): Promise<CompiledMigration> {
  const { name, directives } = one.migration;
  try {
    const exported = await loadModule(path);
    // They are read from the text: some that only running it shows would be passed over in silence.
    if (exported['migrate'] !== undefined && !hasDirectives)
      throw new Error('its directives cannot be read from its text: write them as export const migrate = { key: "value" }');
    const compiled = await compileModule(exported, shorthands);
    const script = (action: CompiledAction): Promise<Script> | LiveScript => {
      const transaction = directives.transaction === 'none' ? 'none' : action.transaction;
      if (action.kind === 'live') return { kind: 'live', file: path, build: action.build, transaction };
      return compileSql(action.sql, { transaction, parse: directives.parse, grammar, origin: null, madeBy: path });
    };
    return { name, up: await script(compiled.up), down: compiled.down === null ? null : await script(compiled.down), irreversible: compiled.irreversible };
  } catch (error) {
    if (error instanceof MigrationError) {
      throw new MigrationError({
        code: error.code,
        message: `${path}: in the SQL that it makes, ${error.message}`,
        migration: name,
        position: error.position ?? undefined,
        cause: error,
      });
    }
    const told = error instanceof Error ? error : new Error(String(error));
    throw new MigrationError({ code: 'invalidMigration', message: `${path}: ${reasonOf(told)}`, migration: name, position: placeIn(told, path), cause: error });
  }
}

/** Node adds to a module that it cannot find who required it, line by line: the path before it says that. */
function reasonOf(error: Error): string {
  return error.message.replace(/\nRequire stack:[^]*$/, '');
}

/** Where in the module it happened, if the stack tells. */
function placeIn(error: Error, path: string): { file: string; line: number; column: number; text: string } | undefined {
  for (const line of (error.stack ?? '').split('\n')) {
    const at = line.indexOf(path);
    const [, row, column] = at === -1 ? [] : (/^:(\d+)(?::(\d+))?/.exec(line.slice(at + path.length)) ?? []);
    if (row !== undefined) return { file: path, line: Number(row), column: Number(column ?? 1), text: '' };
  }
  return undefined;
}

/** Shorthands accumulate over all earlier files of a folder. */
class ShorthandReader {
  readonly #modules: readonly ReadUnit[];
  readonly #before = new Map<string, Shorthands>();

  constructor(inOrder: readonly ReadUnit[]) {
    this.#modules = inOrder.filter((one) => one.parts.kind === 'module');
  }

  /** Those of the module itself are included. */
  async before(name: string): Promise<Shorthands> {
    let shorthands: Shorthands = {};
    for (const { unit, migration, parts } of this.#modules) {
      if (parts.kind === 'module' && parts.hasShorthands) {
        const own = this.#before.get(unit.name) ?? (await this.#own(parts.path, migration.name));
        this.#before.set(unit.name, own);
        shorthands = { ...shorthands, ...own };
      }
      if (unit.name === name) break;
    }
    return shorthands;
  }

  async #own(path: string, name: string): Promise<Shorthands> {
    try {
      return ((await loadModule(path))['shorthands'] ?? {}) as Shorthands;
    } catch (error) {
      throw new MigrationError({
        code: 'invalidMigration',
        message: `${path}: ${reasonOf(error as Error)} (it has shorthands, which later migrations use)`,
        migration: name,
        cause: error,
      });
    }
  }
}

/** One error that tells them all; place and cause are the first one's. */
export function together(problems: readonly MigrationError[]): MigrationError {
  const [first] = problems;
  const line = ({ position, message }: MigrationError): string =>
    position?.file == null || message.includes(position.file) ? message : `${position.file}:${position.line}:${position.column}: ${message}`;
  return new MigrationError({
    code: 'invalidMigration',
    // Shorthands that cannot be loaded fail every migration after them, in the same words.
    message: [...new Set(problems.map(line))].join('\n'),
    hint: 'nothing was run: every pending migration is read first. Correct the file and run again',
    migration: first?.migration ?? undefined,
    position: first?.position ?? undefined,
    cause: first?.cause,
  });
}
