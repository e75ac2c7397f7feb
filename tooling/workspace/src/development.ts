/** What a service is started with on a developer's machine. Pure. */

import { chooseConnection, type Environment, environmentPrefix, type ServiceDefinition } from '@org/migrate-core';

export interface LocalUrls {
  url(database: string, applicationRole?: string): string;
}

export interface DevelopedService {
  readonly definition: ServiceDefinition;
  /** Where it listens, on the loopback. */
  readonly port: number;
}

/** Of these services, the ones for which nothing in the environment names a server. */
export function withoutServer(services: readonly DevelopedService[], environment: Environment): DevelopedService[] {
  return services.filter(({ definition }) => chooseConnection({ service: definition.name, database: definition.database, environment }) === null);
}

/**
 * The environment of all services: where each listens, so that they can ask each other, and the local server for those that have no other.
 * What is set already stays.
 *
 * @param local `null` where every service has a server.
 */
export function developmentEnvironment(services: readonly DevelopedService[], environment: Environment, local: LocalUrls | null): Record<string, string> {
  const added: Record<string, string> = {};
  for (const { definition, port } of services) {
    added[`${environmentPrefix(definition.name)}_SERVICE_URL`] = `http://127.0.0.1:${port}`;
  }
  for (const { definition } of local === null ? [] : withoutServer(services, environment)) {
    const prefix = environmentPrefix(definition.name);
    added[`${prefix}_MIGRATION_DATABASE_URL`] = local?.url(definition.database) ?? '';
    added[`${prefix}_DATABASE_URL`] = local?.url(definition.database, definition.applicationRole) ?? '';
  }
  return Object.fromEntries(Object.entries(added).filter(([name]) => !environment[name]));
}
