/** In which order services can be migrated, with what their tenants require counted as theirs. */

import { orderServices, type MigrationSource, type RequirementProblem, type ServiceNode } from '@org/migrate-core';

export interface OrderedService {
  readonly name: string;
  readonly packageName: string | null;
  /** Names of packages. */
  readonly dependencies: readonly string[];
  readonly source: MigrationSource;
  /** What each of its tenants has; `null` for a service without. */
  readonly tenantSource: MigrationSource | null;
}

export interface OrderOfServices {
  readonly services: readonly string[];
  readonly problems: readonly RequirementProblem[];
}

/** A tenant's migrations come after the shared ones and nobody requires them: they are a node of their own, behind their service's. */
const BEHIND = ' (tenants)';

/** A folder that cannot be read says so when its service is run or checked; it must not hide the others. */
export async function orderOf(services: readonly OrderedService[]): Promise<OrderOfServices> {
  const nodes = await Promise.all(services.map((service) => nodesOf(service, services)));
  const { services: names, problems } = orderServices(nodes.flat());
  const known = new Set(services.map((one) => one.name));
  return { services: names.filter((name) => known.has(name)), problems: problems.map((problem) => told(problem)) };
}

async function nodesOf({ name, dependencies: packages, source, tenantSource }: OrderedService, all: readonly OrderedService[]): Promise<ServiceNode[]> {
  const dependencies = all.filter((other) => packages.includes(other.packageName ?? other.name)).map((other) => other.name);
  const nodes: ServiceNode[] = [{ name, dependencies, migrations: await migrationsOf(source) }];
  if (tenantSource !== null) nodes.push({ name: `${name}${BEHIND}`, dependencies: [...dependencies, name], migrations: await migrationsOf(tenantSource) });
  return nodes;
}

async function migrationsOf(source: MigrationSource): Promise<ServiceNode['migrations']> {
  const listing = await source.list().catch(() => null);
  return (listing?.migrations ?? []).map(({ name, directives }) => ({ name, requires: directives.requires }));
}

/** In the words of people, to whom both are the service. */
function told({ code, migration, message }: RequirementProblem): RequirementProblem {
  const plain = message.replaceAll(/, [^\s,]+ \(tenants\)(?=[,)])/g, '').replaceAll(BEHIND, '');
  return { code, message: plain, migration: migration === null ? null : { ...migration, service: migration.service.replace(BEHIND, '') } };
}
