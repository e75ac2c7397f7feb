/** In which order services are migrated: whatever one needs comes before it. Pure. */

import { MigrationError } from '@org/migrate-core';

export interface ServiceNeeds {
  readonly name: string;
  /** Services that its package depends on. */
  readonly dependencies: readonly string[];
  /** Services that its migrations require something of, and which migration does. */
  readonly requires: readonly { readonly service: string; readonly version: string; readonly by: string }[];
}

/**
 * Names in the order of migrating; neighbours that need nothing of each other keep the given order. Throws `invalidOptions` for a cycle, and for
 * a requirement that no dependency between the packages covers: whatever orders by packages (turbo) would migrate them the wrong way round.
 */
export function orderServices(services: readonly ServiceNeeds[]): string[] {
  const known = new Map(services.map((one) => [one.name, one]));
  refuseUncovered(services, known);
  const order: string[] = [];
  const path: string[] = [];
  const visit = (service: ServiceNeeds): void => {
    if (order.includes(service.name)) return;
    if (path.includes(service.name)) {
      const circle = [...path.slice(path.indexOf(service.name)), service.name];
      throw new MigrationError({
        code: 'invalidOptions',
        message: `The services need each other in a circle, so that none can be first: ${circle.join(' → ')}.`,
        hint: 'take one of the dependencies in their package.json files away',
      });
    }
    path.push(service.name);
    for (const name of service.dependencies) {
      const next = known.get(name);
      if (next !== undefined && name !== service.name) visit(next);
    }
    path.pop();
    order.push(service.name);
  };
  services.forEach(visit);
  return order;
}

function refuseUncovered(services: readonly ServiceNeeds[], known: ReadonlyMap<string, ServiceNeeds>): void {
  const problems = services.flatMap((service) => {
    const covered = reachable(service.name, known);
    return service.requires
      .filter((need) => known.has(need.service) && need.service !== service.name && !covered.has(need.service))
      .map((need) => {
        const back = reachable(need.service, known).has(service.name);
        return back
          ? `${service.name} ${need.by} requires ${need.service}@${need.version}, but the package ${need.service} depends on ${service.name}: neither can be first`
          : `${service.name} ${need.by} requires ${need.service}@${need.version}, but the package ${service.name} does not depend on ${need.service}. Add "${need.service}": "workspace:*" to its package.json`;
      });
  });
  if (problems.length > 0) throw new MigrationError({ code: 'invalidOptions', message: problems.join('\n') });
}

function reachable(name: string, known: ReadonlyMap<string, ServiceNeeds>): Set<string> {
  const found = new Set<string>();
  const visit = (one: string): void => {
    for (const next of known.get(one)?.dependencies ?? []) {
      if (found.has(next)) continue;
      found.add(next);
      visit(next);
    }
  };
  visit(name);
  return found;
}
