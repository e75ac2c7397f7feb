/** The service and its clinics as their own verification sees them. */

import { createTenancy, verify, verifyFleet, type TargetVerification, type VerifierOptions } from '@org/migrate-core';
import { serviceDatabase, type TestDatabase } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';

import definition from '../migrate.config.ts';
import { service, source, tenantSource } from './support/service.ts';

const CLINICS = ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b'];

function options(database: TestDatabase): Omit<VerifierOptions, 'source'> {
  const { name, applicationRole, rowLevelSecurity } = definition;
  const connect = async (other: string | null): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: other === null ? database.url : database.server.url(other) });
    await client.connect();
    return client;
  };
  return { service: name, connect, applicationRole, rowLevelSecurity };
}

test('nothing is found in what the clinics share', async () => {
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  const { findings, probe } = await verify({ ...options(on.database), source });
  expect(findings).toEqual([]);
  expect(probe?.notProbed).toEqual([]);
});

test.each(['schema', 'database'] as const)('nothing is found in what each clinic has in a %s of its own', async (mode) => {
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  const place = (id: string): string => `${on.database.name}_${id.slice(-1)}`;
  const given = options(on.database);
  const requirements = async (): Promise<readonly string[]> => ['0002', '0003'];
  const tenancy = createTenancy({ ...given, tenancy: { ...definition.tenancy, mode, place, source: tenantSource }, requirements });
  for (const id of CLINICS) await tenancy.create(id);
  try {
    const found: TargetVerification[] = [];
    const targets = (await tenancy.list()).map((tenant) => tenancy.target(tenant));
    const shared = mode === 'schema' ? { source } : {};
    const required = definition.tenancy?.requiredTables;
    const verifying = verifyFleet({ ...given, source: tenantSource, targets: () => targets, shared, requiredTables: required, strays: () => tenancy.strays() });
    for await (const one of verifying) found.push(one);
    // As they are ready, not in the order of the clinics.
    expect(Object.fromEntries(found.map(({ tenant, findings }) => [tenant, findings]))).toEqual(Object.fromEntries(CLINICS.map((id) => [id, []])));
  } finally {
    for (const id of CLINICS) await tenancy.drop(id, { mode: 'delete' });
  }
});
