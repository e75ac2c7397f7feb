/** The order in which a schema's objects can be made. Pure. */

import { KINDS, PHASES, type Node, type Statement } from './node.ts';

export interface Ordered {
  /** In the order in which they can run. */
  readonly statements: readonly (Statement & { readonly locks: number })[];
  /** Ids of nodes that need each other. */
  readonly circular: readonly string[];
}

/**
 * What a node needs and is not among these is there already.
 * @param mayHold Whether this foreign key may be part of its table's CREATE statement: no rows are put in before it.
 */
export function order(nodes: readonly Node[], mayHold: (node: Node) => boolean): Ordered {
  const work = new Ordering(nodes, mayHold);
  work.run();
  const byPhase = new Map<string, (Statement & { locks: number })[]>(PHASES.map((phase) => [phase, []]));
  for (const { node, inside } of work.made) {
    let { locks } = node;
    for (const statement of node.statements(inside)) {
      byPhase.get(statement.phase)?.push({ ...statement, locks });
      locks = 0;
    }
  }
  return { statements: [...byPhase.values()].flat(), circular: work.left.map((node) => node.id) };
}

class Ordering {
  readonly made: { readonly node: Node; readonly inside: readonly Node[] }[] = [];
  readonly #mayHold: (node: Node) => boolean;
  readonly #left: Map<string, Node>;
  readonly #waiting = new Map<string, Set<string>>();
  readonly #neededBy = new Map<string, Node[]>();
  readonly #clauses = new Map<string, Node[]>();
  readonly #ready: Node[] = [];

  constructor(nodes: readonly Node[], mayHold: (node: Node) => boolean) {
    this.#mayHold = mayHold;
    this.#left = new Map(nodes.toSorted(compare).map((node) => [node.key, node]));
    for (const node of this.#left.values()) {
      const waiting = new Set([...node.needs].filter((key) => key !== node.key && this.#left.has(key)));
      this.#waiting.set(node.key, waiting);
      for (const key of waiting) append(this.#neededBy, key, node);
      if (node.clause !== null) append(this.#clauses, node.clause.of, node);
      if (waiting.size === 0) this.#ready.push(node);
    }
  }

  get left(): readonly Node[] {
    return [...this.#left.values()];
  }

  run(): void {
    for (let node = this.#next(); node !== null; node = this.#next()) this.#make(node);
  }

  #next(): Node | null {
    let best: Node | null = null;
    let at = -1;
    for (const [index, node] of this.#ready.entries()) {
      if (best === null || compare(node, best) < 0) {
        best = node;
        at = index;
      }
    }
    if (best !== null) this.#ready.splice(at, 1);
    return best;
  }

  #make(node: Node): void {
    const inside: Node[] = [];
    const done: Node[] = [node];
    const finish = (one: Node): void => {
      this.#left.delete(one.key);
      for (const other of this.#neededBy.get(one.key) ?? []) this.#waiting.get(other.key)?.delete(one.key);
    };
    finish(node);
    // Keys first: a foreign key to the table itself needs its key.
    for (const clause of (this.#clauses.get(node.key) ?? []).toSorted(compare)) {
      if ((this.#waiting.get(clause.key)?.size ?? 1) > 0) continue;
      if (clause.kind === 'foreignKey' && !this.#mayHold(clause)) continue;
      inside.push(clause);
      done.push(clause);
      finish(clause);
    }
    this.made.push({ node, inside });
    // A clause may have statements of its own (a comment).
    for (const clause of inside) if (clause.kind !== 'default') this.made.push({ node: clause, inside: [clause] });
    for (const one of done) {
      for (const other of this.#neededBy.get(one.key) ?? []) {
        if (this.#left.has(other.key) && this.#waiting.get(other.key)?.size === 0 && !this.#ready.includes(other)) this.#ready.push(other);
      }
    }
  }
}

function append(map: Map<string, Node[]>, key: string, node: Node): void {
  const nodes = map.get(key);
  if (nodes === undefined) map.set(key, [node]);
  else nodes.push(node);
}

function compare(a: Node, b: Node): number {
  return KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || a.oid - b.oid;
}
