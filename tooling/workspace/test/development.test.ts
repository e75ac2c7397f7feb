import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ServiceDefinition } from '@org/migrate-core';
import { describe, expect, test } from 'vitest';
import { developmentEnvironment, withoutServer } from '../src/development.ts';
import { repositoryRoot } from '../src/process.ts';

const services = [
  { definition: { name: 'user', migrations: './migrations', database: 'user_service_db', applicationRole: 'user_app' }, port: 3001 },
  { definition: { name: 'lab-results', migrations: './migrations', database: 'lab_db' }, port: 3002 },
];
const local = { url: (database: string, role = 'postgres') => `postgres://${role}@local/${database}` };

describe('the environment in which services are developed', () => {
  test('with nothing set, each has the local server for both its purposes and knows where the others listen', () => {
    expect(developmentEnvironment(services, {}, local)).toEqual({
      USER_SERVICE_URL: 'http://127.0.0.1:3001',
      USER_MIGRATION_DATABASE_URL: 'postgres://postgres@local/user_service_db',
      USER_DATABASE_URL: 'postgres://user_app@local/user_service_db',
      LAB_RESULTS_SERVICE_URL: 'http://127.0.0.1:3002',
      LAB_RESULTS_MIGRATION_DATABASE_URL: 'postgres://postgres@local/lab_db',
      LAB_RESULTS_DATABASE_URL: 'postgres://postgres@local/lab_db',
    });
  });

  test('a service with a server of its own keeps it, and takes nothing of the local one', () => {
    const environment = { USER_DATABASE_URL: 'postgres://me@there/users' };
    expect(withoutServer(services, environment).map(({ definition }) => definition.name)).toEqual(['lab-results']);
    expect(Object.keys(developmentEnvironment(services, environment, local))).not.toContain('USER_MIGRATION_DATABASE_URL');
  });

  test('one server for all leaves nothing to be added but where they listen', () => {
    const environment = { DATABASE_URL: 'postgres://me@there/clinics', USER_SERVICE_URL: 'http://user.test' };
    expect(withoutServer(services, environment)).toEqual([]);
    expect(developmentEnvironment(services, environment, null)).toEqual({ LAB_RESULTS_SERVICE_URL: 'http://127.0.0.1:3002' });
  });
});

test.each(['user', 'patient', 'appointment'])('in development %s starts anew when one of its migrations is corrected', async (name) => {
  const folder = join(repositoryRoot, 'services', name);
  const { default: definition } = (await import(pathToFileURL(join(folder, 'migrate.config.ts')).href)) as { default: ServiceDefinition };
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { scripts: { dev: string } };
  const watched = [...scripts.dev.matchAll(/--watch-path=(\S+)/g)].map(([, path]) => join(folder, path ?? ''));
  const folders = [definition.migrations, definition.tenancy?.migrations].filter((one) => typeof one === 'string');
  expect(watched).toEqual(expect.arrayContaining([...folders, 'src', 'migrate.config.ts'].map((path) => join(folder, path))));
  for (const path of watched) expect(existsSync(path), path).toBe(true);
});
