/** The JavaScript of a package as it is published: its own modules in a few files, because finding and opening many takes longer than running them. */

import { isBuiltin } from 'node:module';

import { defineConfig, type Plugin, type RolldownOptions } from 'rolldown';

import { requireBuiltins } from './builtins.ts';
import { licencesOf } from './licences.ts';
import { reachedFrom } from './together.ts';

export interface Bundle {
  /** What the package is entered by: the file's name in `dist` → its module. */
  readonly entries: Readonly<Record<string, string>>;
  /**
   * What runs load together, by a name for its file: these modules share one with all that they import statically, and so on, and that no earlier one has.
   * What else is only imported by `import()` stays in files of its own.
   */
  readonly together: Readonly<Record<string, readonly string[]>>;
  /**
   * Other packages that are copied into the files, with all that they depend on; their licences are in `dist/THIRD-PARTY-LICENSES.txt`. Default:
   * none. The others stay what their own publishers, and whoever installs, make of them.
   */
  readonly copied?: readonly string[];
  /** What copied packages may ask for and is not copied. Default: nothing. */
  readonly notCopied?: readonly string[];
}

/** To be the default export of a package's `rolldown.config.ts`. Paths begin at the package's folder, where rolldown is to be run. */
export function bundle({ entries, together, copied = [], notCopied = [] }: Bundle): RolldownOptions {
  return defineConfig({
    input: { ...entries },
    platform: 'node',
    external(id, importer) {
      if (/^[./#]|^[A-Z]:/.test(id)) return false;
      if (isBuiltin(id) || notCopied.includes(id)) return true;
      return !copied.includes(id) && !isForeign(importer ?? '');
    },
    plugins: copied.length > 0 ? [licences] : [],
    output: {
      dir: 'dist',
      cleanDir: true,
      format: 'esm',
      sourcemap: true,
      // All in one folder: modules read ../package.json.
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      codeSplitting: { groups: groupsOf(together) },
      // Quicker to read. The source maps have the text as it was written.
      charset: 'ascii',
      comments: false,
      plugins: [builtins],
    },
    // In a checkout they still are.
    checks: { ineffectiveDynamicImport: false },
  });
}

function groupsOf(together: Bundle['together']): { readonly debugName: string; readonly name: ReturnType<typeof reachedFrom>; readonly priority: number }[] {
  return Object.entries(together)
    .toReversed()
    .map(([name, modules], index) => ({ debugName: name, name: reachedFrom(modules, name), priority: index }));
}

function isForeign(id: string): boolean {
  return /[/\\]node_modules[/\\]/.test(id);
}

const builtins: Plugin = { name: 'builtins', renderChunk: (code) => ({ code: requireBuiltins(code), map: null }) };

const licences: Plugin = {
  name: 'licences',
  async generateBundle(_options, files) {
    const modules = Object.values(files).flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
    this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY-LICENSES.txt', source: await licencesOf(modules.filter(isForeign)) });
  },
};
