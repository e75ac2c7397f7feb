import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';
import { history, migrations, startDemo } from './support/demo-process.ts';

const base = { '0001_users.sql': 'CREATE TABLE users (id int);\n', '0002_roles.sql': 'SELECT pg_sleep(1);\n' };
const needy = { '0001_visits.sql': '-- migrate: requires=base@0002\nCREATE TABLE visits (id int);\n' };

test('a service waits until the other one’s /health/db tells that it has what is required', async () => {
  await using baseDb = await testDatabase();
  await using db = await testDatabase();
  await using baseFolder = await migrations(base);
  await using folder = await migrations(needy);
  // Started together: the one is asked while it migrates.
  await using upstream = await startDemo(baseFolder, baseDb.url, { DEMO_NAME: 'base' });
  await using dependent = await startDemo(folder, db.url, { BASE_SERVICE_URL: upstream.url, MIGRATE_REQUIREMENT_WAIT: '20s' });
  await dependent.until('/health/ready', 200);
  expect(await history(baseDb, 'base')).toEqual(['0001_users', '0002_roles']);
  expect(await history(db)).toEqual(['0001_visits']);
});

test('an unmet requirement is waited for no longer than the limit, and ends the start with exit 5', async () => {
  await using baseDb = await testDatabase();
  await using db = await testDatabase();
  await using baseFolder = await migrations({ '0001_users.sql': base['0001_users.sql'] });
  await using upstream = await startDemo(baseFolder, baseDb.url, { DEMO_NAME: 'base' });
  await upstream.until('/health/ready', 200);
  await using folder = await migrations(needy);
  const began = performance.now();
  await using service = await startDemo(folder, db.url, { BASE_SERVICE_URL: upstream.url, MIGRATE_REQUIREMENT_WAIT: '1s' });
  expect((await service.ended).code).toBe(5);
  expect(performance.now() - began).toBeLessThan(20_000);
  expect(service.output()).toMatch(/0001_visits requires base@0002, but base has applied 0001_users/);
  expect(await history(db)).toEqual([]);
});

test('the other service’s history is read from its database where a URL is given', async () => {
  await using baseDb = await testDatabase();
  await using db = await testDatabase();
  await using baseFolder = await migrations(base);
  await using upstream = await startDemo(baseFolder, baseDb.url, { DEMO_NAME: 'base' });
  await upstream.until('/health/ready', 200);
  await using folder = await migrations(needy);
  await using service = await startDemo(folder, db.url, { BASE_DATABASE_URL: baseDb.url });
  await service.until('/health/ready', 200);
  expect(await history(db)).toEqual(['0001_visits']);
});

test('services that share one URL find each other’s history there', async () => {
  await using db = await testDatabase();
  await using baseFolder = await migrations(base);
  await using folder = await migrations(needy);
  const shared = { DATABASE_URL: db.url };
  await using upstream = await startDemo(baseFolder, '', { ...shared, DEMO_NAME: 'base' });
  await using service = await startDemo(folder, '', shared);
  await Promise.all([upstream.until('/health/ready', 200), service.until('/health/ready', 200)]);
  expect([await history(db, 'base'), await history(db)]).toEqual([['0001_users', '0002_roles'], ['0001_visits']]);
});

test('another service’s word does not count, nor an answer that is none', async () => {
  await using db = await testDatabase();
  await using folder = await migrations(needy);
  for (const body of [{ service: 'other', applied: ['0002_roles'] }, { service: 'base', applied: 'all' }, 'welcome']) {
    const impostor = createServer((_request, response) => response.end(JSON.stringify(body)));
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(impostor.address() as AddressInfo).port}`;
    await using service = await startDemo(folder, db.url, { BASE_SERVICE_URL: url, MIGRATE_REQUIREMENT_WAIT: '0s' });
    expect((await service.ended).code).toBe(5);
    expect(service.output()).toContain('cannot be learned');
    impostor.close();
  }
});

test('what nobody can be asked for is said, with what to set', async () => {
  await using db = await testDatabase();
  await using folder = await migrations(needy);
  await using service = await startDemo(folder, db.url, { MIGRATE_REQUIREMENT_WAIT: '0s' });
  expect((await service.ended).code).toBe(5);
  expect(service.output()).toContain('set BASE_SERVICE_URL, or BASE_DATABASE_URL');
});
