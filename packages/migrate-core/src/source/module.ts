/** Loads a module of migrations: by Node itself where that works, else the way older projects need it. */

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What a module exports, whatever its system: the names of `module.exports` or of its default export count as its own. */
export type ModuleExports = Readonly<Record<string, unknown>>;

/**
 * Errors that say how the module is written, not what it does: CommonJS in a package of ES modules, TypeScript that is more than types,
 * imports without an extension, values imported that are only types. The second loader takes them all.
 */
const STYLE =
  /^ERR_(?:UNSUPPORTED_|MODULE_NOT_FOUND$|UNKNOWN_FILE_EXTENSION$|INVALID_TYPESCRIPT_SYNTAX$|REQUIRE_|AMBIGUOUS_MODULE_SYNTAX$|PACKAGE_PATH_NOT_EXPORTED$)/;

function isStyle(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return STYLE.test(code) || code === 'MODULE_NOT_FOUND';
  return (
    error instanceof SyntaxError || (error instanceof ReferenceError && /^(?:exports|module|require|__dirname|__filename) is not defined/.test(error.message))
  );
}

/** Throws what the module throws; of a syntax that neither loader takes, the first one's error. */
export async function loadModule(path: string): Promise<ModuleExports> {
  const file = resolve(path);
  try {
    return exportsOf((await import(pathToFileURL(file).href)) as ModuleExports);
  } catch (error) {
    if (!isStyle(error)) throw error;
    const { createJiti } = await import('jiti');
    try {
      return exportsOf((await createJiti(file, { fsCache: false, interopDefault: true }).import(file)) as ModuleExports);
    } catch (second) {
      throw second instanceof SyntaxError || (second as { name?: unknown }).name === 'ParseError' ? error : second;
    }
  }
}

function exportsOf(module: ModuleExports): ModuleExports {
  let found: Record<string, unknown> = { ...module };
  // CommonJS seen from an ES module has everything under `default`, and a transpiled default export once more.
  for (
    let inner = module['default'], depth = 0;
    typeof inner === 'object' && inner !== null && depth < 2;
    inner = (inner as ModuleExports)['default'], depth++
  ) {
    found = { ...(inner as Record<string, unknown>), ...found };
  }
  return found;
}
