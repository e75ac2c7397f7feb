/** The graph of services: in which order their migrations can run, and what makes that impossible. Pure. */

import { findVersion, type Requirement } from './migration.ts';

/** What the graph needs to know of a service. */
export interface ServiceNode {
  readonly name: string;
  /** The services that its package manifest depends on: the order in which a task runner migrates. Names that are no service here are passed over. */
  readonly dependencies: readonly string[];
  /** In source order. */
  readonly migrations: readonly { readonly name: string; readonly requires: readonly Requirement[] }[];
}

export interface MigrationOfService {
  readonly service: string;
  readonly name: string;
}

export interface ServiceOrder {
  /** Dependencies first, then by name. */
  readonly services: readonly string[];
  /**
   * Every migration after all that it requires and after its own service's earlier ones, with as few changes of service as the order of services
   * allows. Without those that a cycle holds up.
   */
  readonly migrations: readonly MigrationOfService[];
  /** All of them at once; empty where the graph is sound. */
  readonly problems: readonly RequirementProblem[];
}

export interface RequirementProblem {
  /**
   * `cycle`: nothing in it can come first. `uncovered`: the requiring service's manifest does not lead to the required one, so that a task runner may
   * migrate them the other way round. `unknownService`, `unknownVersion`: nothing here has that name.
   */
  readonly code: 'cycle' | 'uncovered' | 'unknownService' | 'unknownVersion';
  /** The migration that requires; `null` where only manifests are concerned. */
  readonly migration: MigrationOfService | null;
  /** Names both sides, and what to change. */
  readonly message: string;
}

/**
 * Orders services and their migrations. Any number of services; a service that nothing relates to another stands by its name.
 *
 * @example
 * orderServices([
 *   { name: 'patient', dependencies: ['user'], migrations: [{ name: '0001_a', requires: [{ service: 'user', version: '1' }] }] },
 *   { name: 'user', dependencies: [], migrations: [{ name: '0001_b', requires: [] }] },
 * ]).services; // ['user', 'patient']
 */
export function orderServices(nodes: readonly ServiceNode[]): ServiceOrder {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const { services, problems } = orderByManifests(byName);
  const needs = new Map<string, readonly (readonly Need[])[]>();
  const inOrder = services.map((name) => byName.get(name) as ServiceNode);
  for (const node of inOrder) {
    const resolved = resolveRequirements(node, byName);
    problems.push(...resolved.problems);
    needs.set(node.name, resolved.needs);
  }
  const { done, next } = advance(inOrder, needs);
  return { services, migrations: done, problems: [...problems, ...requirementCycles(inOrder, needs, next)] };
}

/** Neighbours of the same service together: what `up` runs in one go. */
export function inRuns(migrations: readonly MigrationOfService[]): { readonly service: string; readonly names: readonly string[] }[] {
  const runs: { service: string; names: string[] }[] = [];
  for (const { service, name } of migrations) {
    const last = runs.at(-1);
    if (last?.service === service) last.names.push(name);
    else runs.push({ service, names: [name] });
  }
  return runs;
}

/** A requirement whose migration is known: its place in its service. */
interface Need {
  readonly requirement: Requirement;
  readonly index: number;
}

/** Of each service, of each of its migrations. */
type Needs = ReadonlyMap<string, readonly (readonly Need[])[]>;

function orderByManifests(byName: ReadonlyMap<string, ServiceNode>): { services: string[]; problems: RequirementProblem[] } {
  const services: string[] = [];
  const problems: RequirementProblem[] = [];
  const path: string[] = [];
  const visit = (name: string): void => {
    const node = byName.get(name);
    if (node === undefined || services.includes(name)) return;
    const at = path.indexOf(name);
    if (at >= 0) {
      const cycle = [...path.slice(at), name].join(' → ');
      problems.push({
        code: 'cycle',
        migration: null,
        message: `the services' package manifests depend on each other in a circle: ${cycle}. One of these dependencies must go, or nothing can be migrated first`,
      });
      return;
    }
    path.push(name);
    for (const dependency of node.dependencies.toSorted()) visit(dependency);
    path.pop();
    if (!services.includes(name)) services.push(name);
  };
  for (const name of [...byName.keys()].toSorted()) visit(name);
  return { services, problems };
}

function resolveRequirements(node: ServiceNode, byName: ReadonlyMap<string, ServiceNode>): { needs: Need[][]; problems: RequirementProblem[] } {
  const covered = reachable(node, byName);
  const problems: RequirementProblem[] = [];
  const needs = node.migrations.map(({ name, requires }) => {
    const migration = { service: node.name, name };
    const found: Need[] = [];
    for (const requirement of requires) {
      const { service, version } = requirement;
      const who = `${node.name} ${name} requires ${service}@${version}`;
      const other = byName.get(service);
      if (other === undefined) {
        problems.push({
          code: 'unknownService',
          migration,
          message: `${who}, but there is no service ${service} here${listed([...byName.keys()].toSorted())}`,
        });
        continue;
      }
      if (!covered.has(service)) {
        problems.push({
          code: 'uncovered',
          migration,
          message: `${who}, but the package manifest of ${node.name} does not depend on ${service}, so that ${node.name} ${
            reachable(other, byName).has(node.name)
              ? `is migrated first: that of ${service} leads to ${node.name}. One of the two must do without the other`
              : `may be migrated first. Add "${service}": "workspace:*" to the devDependencies of ${node.name}`
          }`,
        });
      }
      const names = other.migrations.map((one) => one.name);
      const answer = findVersion(version, names);
      if (answer.kind === 'found') found.push({ requirement, index: names.indexOf(answer.name) });
      else {
        const but =
          answer.kind === 'ambiguous'
            ? `which may be ${answer.candidates.slice(0, 3).join(' or ')}: write more of the name`
            : `which ${service} does not have${listed(answer.suggestions.length > 0 ? answer.suggestions : names.slice(-1))}`;
        problems.push({ code: 'unknownVersion', migration, message: `${who}, ${but}` });
      }
    }
    return found;
  });
  return { needs, problems };
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? '' : ` (there is ${names.join(', ')})`;
}

/** The service itself and all that its manifest leads to: a task runner follows dependencies of dependencies. */
function reachable(node: ServiceNode, byName: ReadonlyMap<string, ServiceNode>): ReadonlySet<string> {
  const seen = new Set<string>([node.name]);
  for (const name of seen) {
    for (const dependency of byName.get(name)?.dependencies ?? []) seen.add(dependency);
  }
  return seen;
}

/** The first service that can go on does, as far as it can; until none can. */
function advance(nodes: readonly ServiceNode[], needs: Needs): { done: MigrationOfService[]; next: ReadonlyMap<string, number> } {
  const done: MigrationOfService[] = [];
  const next = new Map(nodes.map((node) => [node.name, 0]));
  const ready = (node: ServiceNode): string | undefined => {
    const at = next.get(node.name) ?? 0;
    return unmet(node.name, at, needs, next) === undefined ? node.migrations[at]?.name : undefined;
  };
  for (;;) {
    const node = nodes.find((one) => ready(one) !== undefined);
    if (node === undefined) return { done, next };
    for (let name = ready(node); name !== undefined; name = ready(node)) {
      done.push({ service: node.name, name });
      next.set(node.name, (next.get(node.name) ?? 0) + 1);
    }
  }
}

function unmet(service: string, at: number, needs: Needs, next: ReadonlyMap<string, number>): Need | undefined {
  return needs.get(service)?.[at]?.find((need) => need.index >= (next.get(need.requirement.service) ?? 0));
}

/** Of everything that did not move, follow what holds it up until it comes back to itself. */
function requirementCycles(nodes: readonly ServiceNode[], needs: Needs, next: ReadonlyMap<string, number>): RequirementProblem[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const told = new Set<string>();
  const problems: RequirementProblem[] = [];
  for (const start of nodes) {
    const path: string[] = [];
    for (let name: string | undefined = start.name; name !== undefined;) {
      const at = path.indexOf(name);
      if (at >= 0) {
        const cycle = path.slice(at);
        const key = cycle.toSorted().join('\t');
        if (!told.has(key)) problems.push(cycleProblem(cycle, byName, needs, next));
        told.add(key);
        break;
      }
      path.push(name);
      name = unmet(name, next.get(name) ?? 0, needs, next)?.requirement.service;
    }
  }
  return problems;
}

function cycleProblem(cycle: readonly string[], byName: ReadonlyMap<string, ServiceNode>, needs: Needs, next: ReadonlyMap<string, number>): RequirementProblem {
  const links = cycle.map((service) => {
    const at = next.get(service) ?? 0;
    const need = unmet(service, at, needs, next) as Need;
    const other = need.requirement.service;
    const wanted = byName.get(other)?.migrations[need.index]?.name ?? need.requirement.version;
    const waiting = byName.get(other)?.migrations[next.get(other) ?? 0]?.name ?? wanted;
    const own = byName.get(service)?.migrations[at]?.name ?? '';
    return `${service} ${own} requires ${other} ${wanted}${waiting === wanted ? '' : `, which comes after ${other} ${waiting}`}`;
  });
  const [first = ''] = cycle;
  return {
    code: 'cycle',
    migration: { service: first, name: byName.get(first)?.migrations[next.get(first) ?? 0]?.name ?? '' },
    message: `these wait for each other, and none can come first: ${links.join('; ')}`,
  };
}
