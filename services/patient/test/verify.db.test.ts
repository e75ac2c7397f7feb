/** The service as its own verification sees it. */

import { verify, type TargetVerification } from '@org/migrate-core';
import { serviceDatabase, type ServiceDatabase } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';

import definition from '../migrate.config.ts';
import { service, source } from './support/service.ts';

function verified({ database }: ServiceDatabase): Promise<TargetVerification> {
  const connect = async (name: string | null): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: name === null ? database.url : database.server.url(name) });
    await client.connect();
    return client;
  };
  return verify({ ...definition, service: definition.name, source, connect });
}

test('with rows of two clinics in it, nothing is found, and every table was tried with both', async () => {
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  await on.fill();
  const { findings, probe } = await verified(on);
  expect(findings).toEqual([]);
  expect(probe?.probed).toBeGreaterThan(5);
  expect(probe?.notProbed).toEqual([]);
});

test('nothing is found as it was migrated, without a row', async () => {
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  const { findings, probe } = await verified(on);
  expect(findings).toEqual([]);
  expect(probe?.probed).toBeGreaterThan(0);
});
