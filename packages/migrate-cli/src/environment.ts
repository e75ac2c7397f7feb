/** The variables of a run: the process's own, then a file's. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

import { MigrationError, type Environment } from '@org/migrate-core';

/**
 * @param folders Where a `.env` may be; of several, the first that sets a variable counts. Not looked at with `file`.
 * @param file `--env-file`: must be there.
 */
export function readEnvironment(own: Environment, folders: readonly string[], file: string | null): Environment {
  const files = file === null ? [...new Set(folders)].map((folder) => join(folder, '.env')).filter((path) => existsSync(path)) : [file];
  // A variable that is set but empty counts as not set, here as for connections.
  const set = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined && value !== ''));
  return Object.assign({}, ...files.map(read).toReversed(), set) as Environment;
}

/**
 * Makes a run's variables visible to the configurations, which ask `process.env` as the services do that are started with the same file.
 * Not those of PostgreSQL's own library: the driver would take them for any connection.
 */
export function showToConfigurations(environment: Environment): void {
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && !process.env[name] && !name.startsWith('PG')) process.env[name] = value;
  }
}

function read(path: string): Environment {
  try {
    return parseEnv(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new MigrationError({ code: 'invalidOptions', message: `The file of variables ${path} cannot be read: ${(error as Error).message}`, cause: error });
  }
}

export function isProduction(environment: Environment): boolean {
  return environment['NODE_ENV'] === 'production';
}
