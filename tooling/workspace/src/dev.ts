/** `pnpm dev [SERVICE...]`: the services, restarted when their code changes, on the local PostgreSQL unless the environment names another. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ServiceDefinition } from '@org/migrate-core';
import { ensureLocalPostgres } from '@org/local-postgres';
import { concurrently } from 'concurrently';
import { developmentEnvironment, type DevelopedService, withoutServer } from './development.ts';
import { programEnvironment, repositoryRoot } from './process.ts';
import { findServices } from './turbo.ts';

/** The services' own ports: 3001 for the first by dependency, and so on. DEV_PORT moves them, for a second checkout beside the first. */
const firstPort = Number(process.env['DEV_PORT'] || 3001);

async function main(wanted: readonly string[]): Promise<number> {
  const found = await findServices([]);
  if (found.code !== 0) {
    process.stderr.write(`${found.complaint}\n`);
    return 1;
  }
  const services = await readServices(found.services);
  const unknown = wanted.filter((name) => !services.some(({ definition }) => definition.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`There is no service ${unknown.join(', ')}. Services: ${services.map(({ definition }) => definition.name).join(', ')}.\n`);
    return 2;
  }
  const local = withoutServer(services, process.env);
  const server = local.length === 0 ? null : await ensureLocalPostgres({ services: local.map(({ definition }) => request(definition)) });
  const added = developmentEnvironment(services, process.env, server);
  const chosen = services.filter(({ definition }) => wanted.length === 0 || wanted.includes(definition.name));
  for (const { definition, port } of chosen) process.stdout.write(`${definition.name.padEnd(12)} http://127.0.0.1:${port}\n`);

  const { result } = concurrently(
    chosen.map(({ definition, port }) => ({
      name: definition.name,
      command: `exec ${readDevScript(definition.name)}`,
      cwd: join(repositoryRoot, 'services', definition.name),
      env: { ...programEnvironment(), ...added, PORT: String(port) },
    })),
    // One that cannot start waits for its code to be changed; the others go on.
    { prefixColors: ['cyan', 'magenta', 'yellow'], padPrefix: true },
  );
  return await result.then(
    () => 0,
    () => 1,
  );
}

function request({ name, database, applicationRole }: ServiceDefinition): { service: string; database: string; applicationRole?: string } {
  return { service: name, database, ...(applicationRole === undefined ? {} : { applicationRole }) };
}

/** What `pnpm dev` in the service's folder runs; without pnpm between us and it, which would end before it does. */
function readDevScript(service: string): string {
  const { scripts } = JSON.parse(readFileSync(join(repositoryRoot, 'services', service, 'package.json'), 'utf8')) as { scripts: { dev: string } };
  return scripts.dev;
}

/** Each service's `migrate.config.ts`. */
async function readServices(names: readonly string[]): Promise<DevelopedService[]> {
  return await Promise.all(
    names.map(async (name, index) => {
      const file = join(repositoryRoot, 'services', name, 'migrate.config.ts');
      const { default: definition } = (await import(pathToFileURL(file).href)) as { default: ServiceDefinition };
      return { definition, port: firstPort + index };
    }),
  );
}

process.exitCode = await main(process.argv.slice(2));
