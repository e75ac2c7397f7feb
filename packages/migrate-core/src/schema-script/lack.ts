/** What a damaged schema lacks of a healthy one because some of its tables are gone. Pure. */

import type { Node } from './node.ts';
import type { SchemaScript } from './script.ts';

export interface Lack {
  /** Of the healthy schema: to be made again. */
  readonly nodes: readonly Node[];
  /** Names of the tables among them, in the order in which the healthy schema got them. */
  readonly tables: readonly string[];
  /** Ids of what was lost with the tables and cannot be made again, with why; for people. */
  readonly left: readonly string[];
}

/**
 * The absent tables with all that is theirs, whatever of that stands by itself and is absent too (types, sequences, functions, tables that they refer to), and
 * what was lost with them by CASCADE: partitions, views, and of other tables the foreign keys, policies and defaults that needed them. Nothing else
 * that is absent.
 */
export function lackOf(healthy: SchemaScript, damaged: SchemaScript, absent: readonly string[]): Lack {
  return new Search(healthy, damaged).run(absent);
}

class Search {
  readonly #byKey: ReadonlyMap<string, Node>;
  readonly #missing: readonly Node[];
  /** Tables and views, by their names. */
  readonly #hosts: ReadonlyMap<string, Node>;
  readonly #there: ReadonlySet<string>;
  readonly #chosen = new Set<Node>();
  readonly #left = new Set<string>();

  constructor(healthy: SchemaScript, damaged: SchemaScript) {
    this.#byKey = new Map(healthy.nodes.map((node) => [node.key, node]));
    this.#hosts = new Map(
      healthy.nodes.flatMap((node) =>
        node.kind === 'table' || node.kind === 'view' ? [[node.id.slice(node.id.indexOf(`${node.kind} `) + node.kind.length + 1), node]] : [],
      ),
    );
    this.#there = new Set(damaged.nodes.map((node) => node.id));
    this.#missing = healthy.nodes.filter((node) => !this.#there.has(node.id));
  }

  run(absent: readonly string[]): Lack {
    for (const node of this.#missing) if (node.table !== null && absent.includes(node.table)) this.#choose(node);
    for (let size = -1; size !== this.#chosen.size;) {
      size = this.#chosen.size;
      for (const node of this.#missing) if (!this.#chosen.has(node) && this.#needsChosen(node)) this.#consider(node);
    }
    const nodes = this.#missing.filter((node) => this.#chosen.has(node));
    const tables = nodes.filter((node) => node.kind === 'table').toSorted((a, b) => a.oid - b.oid);
    return { nodes, tables: tables.map((node) => node.table ?? ''), left: [...this.#left] };
  }

  /** With all that it needs. A table brings everything that is its own. */
  #choose(node: Node): void {
    if (this.#chosen.has(node)) return;
    this.#chosen.add(node);
    if (node.kind === 'table') for (const other of this.#missing) if (other.table === node.table) this.#choose(other);
    for (const key of node.needs) {
      const needed = this.#byKey.get(key);
      if (needed !== undefined && !this.#there.has(needed.id)) this.#choose(needed);
    }
  }

  #needsChosen(node: Node): boolean {
    const needed = [...node.needs].map((key) => this.#byKey.get(key)).filter((one) => one !== undefined && this.#chosen.has(one));
    // A type that is made again brings back no table that used it, but a table brings its partitions.
    return needed.some((one) => node.kind !== 'table' || one?.kind === 'table');
  }

  /** Lost with what is chosen, or part of a table that is gone by itself and is nobody's business here. */
  #consider(node: Node): void {
    // Of a table or view that is not made again.
    const host = node.kind === 'table' || node.table === null ? undefined : this.#hosts.get(node.table);
    if (host !== undefined && !this.#there.has(host.id) && !this.#chosen.has(host)) return;
    const others = this.#otherTables(node, new Set());
    if (others.size === 0) this.#choose(node);
    else this.#left.add(`${node.id}, which also needs ${[...others].join(', ')}`);
  }

  /** Absent tables beside those chosen that it would need. */
  #otherTables(node: Node, seen: Set<Node>): Set<string> {
    const found = new Set<string>();
    for (const key of node.needs) {
      const needed = this.#byKey.get(key);
      if (needed === undefined || seen.has(needed) || this.#there.has(needed.id) || this.#chosen.has(needed)) continue;
      seen.add(needed);
      if (needed.kind === 'table') found.add(needed.id);
      else for (const id of this.#otherTables(needed, seen)) found.add(id);
    }
    return found;
  }
}
