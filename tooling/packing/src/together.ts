/** Which modules share a file. */

import { resolve } from 'node:path';

/** As rolldown tells it, once all modules are read. */
export interface ModuleGraph {
  getModuleInfo(id: string): { readonly importedIds: readonly string[] } | null;
}

/**
 * For a group of rolldown's: `name` for the given modules and for what they import statically, directly or not; `null`, which is no group,
 * for others. Nobody keeps a list of them, so none can be out of date.
 */
export function reachedFrom(modules: readonly string[], name: string): (id: string, graph: ModuleGraph) => string | null {
  let reached: ReadonlySet<string> | null = null;
  return (id, graph) => {
    reached ??= closure(modules, graph);
    return reached.has(id) ? name : null;
  };
}

function closure(modules: readonly string[], graph: ModuleGraph): ReadonlySet<string> {
  const reached = new Set(modules.map((one) => resolve(one)));
  for (const id of reached) if (graph.getModuleInfo(id) === null) throw new Error(`${id} is not a module of this package`);
  // A set that grows is gone through to its new end.
  for (const id of reached) for (const imported of graph.getModuleInfo(id)?.importedIds ?? []) reached.add(imported);
  return reached;
}
