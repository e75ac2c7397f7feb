import { resolve } from 'node:path';

import { expect, test } from 'vitest';

import { reachedFrom, type ModuleGraph } from '../src/together.ts';

function graph(modules: Readonly<Record<string, readonly string[]>>): ModuleGraph {
  const byPath = new Map(Object.entries(modules).map(([name, imported]) => [resolve(name), imported.map((one) => resolve(one))]));
  return {
    getModuleInfo: (id) => {
      const importedIds = byPath.get(id);
      return importedIds === undefined ? null : { importedIds };
    },
  };
}

const modules = graph({
  'main.ts': ['options.ts'],
  'options.ts': ['words.ts', 'main.ts'],
  'words.ts': [],
  'up.ts': ['words.ts', 'run.ts'],
  'run.ts': [],
  'down.ts': ['undo.ts'],
  'undo.ts': [],
});

function together(from: readonly string[]): string[] {
  const group = reachedFrom(from, 'common');
  return ['main.ts', 'options.ts', 'words.ts', 'up.ts', 'run.ts', 'down.ts', 'undo.ts'].filter((one) => group(resolve(one), modules) === 'common');
}

test('a module is in the group with what it imports, directly or not, also where imports go round', () => {
  expect(together(['./main.ts'])).toEqual(['main.ts', 'options.ts', 'words.ts']);
});

test('what is only imported dynamically is in the group only where it is named itself', () => {
  expect(together(['./main.ts', './up.ts'])).toEqual(['main.ts', 'options.ts', 'words.ts', 'up.ts', 'run.ts']);
});

test('a name that no module has is an error, and not an empty group', () => {
  expect(() => together(['./main.ts', './gone.ts'])).toThrow(/gone\.ts is not a module of this package/);
});
