/** The JavaScript of a package as it is published: its own modules in a few files, because finding and opening many takes longer than running them. */

import { defineConfig, type RolldownOptions } from 'rolldown';

import { reachedFrom } from './together.ts';

export interface Bundle {
  /** What the package is entered by: the file's name in `dist` → its module. */
  readonly entries: Readonly<Record<string, string>>;
  /**
   * Where what most runs load begins: these modules share a file with all that they import statically, and so on. What is only imported by
   * `import()` stays in files of its own.
   */
  readonly together: readonly string[];
}

/** To be the default export of a package's `rolldown.config.ts`. Paths begin at the package's folder, where rolldown is to be run. */
export function bundle({ entries, together }: Bundle): RolldownOptions {
  return defineConfig({
    input: { ...entries },
    platform: 'node',
    // Other packages stay what their own publishers, and whoever installs, make of them: one copy of each, and `npm audit` sees it.
    external: /^[@a-z]/,
    output: {
      dir: 'dist',
      cleanDir: true,
      format: 'esm',
      sourcemap: true,
      // All in one folder: modules read ../package.json.
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      codeSplitting: { groups: [{ debugName: 'common', name: reachedFrom(together, 'common') }] },
      // Quicker to read. The source maps have the text as it was written.
      charset: 'ascii',
      comments: false,
    },
    // In a checkout they still are.
    checks: { ineffectiveDynamicImport: false },
  });
}
