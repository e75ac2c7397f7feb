import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createFleet, directorySource } from '../src/index.ts';
import { connectTo, folder, rows } from './support/target.ts';

const files = {
  '20240101000000_a.sql': 'CREATE TABLE IF NOT EXISTS visits (id int);\n',
  '20240102000000_b.sql': 'INSERT INTO visits VALUES (1);\n',
};

test('a tenant that another tool has migrated is refused, also behind one in whose schema nothing is', async () => {
  await using db = await testDatabase();
  await using source = await folder(files);
  const client = await db.connect();
  const schemas = ['clinic_1', 'clinic_2', 'clinic_3'];
  for (const schema of schemas) await client.query(`CREATE SCHEMA ${schema}`);
  await client.query(`CREATE TABLE clinic_2.visits AS SELECT 1 AS id; CREATE TABLE clinic_2.pgmigrations (id int, name text, run_on timestamp);
    INSERT INTO clinic_2.pgmigrations SELECT 1, name, now() FROM unnest('{20240101000000_a,20240102000000_b}'::text[]) name`);
  const fleet = createFleet({
    service: 'test',
    source: directorySource(source.path),
    targets: () => schemas.map((schema) => ({ tenant: schema, schema })),
    connect: () => connectTo(db.url),
  });
  const status = await fleet.status({ concurrency: 1 });
  expect(status.groups.map(({ tenants, status: { problems } }) => [tenants.length, problems.map((one) => one.code)])).toEqual([
    [2, []],
    [1, ['foreignHistory']],
  ]);
  const report = await fleet.up({ concurrency: 1 });
  expect(report).toMatchObject({
    counts: { applied: 2, failed: 1 },
    failures: [{ tenant: 'clinic_2', failed: { message: expect.stringContaining('pgmigrations is a history of node-pg-migrate') } }],
  });
  expect(await rows(db, 'SELECT count(*)::int AS count FROM clinic_2.visits')).toEqual([{ count: 1 }]);
});

test('the same where each has a database of its own', async () => {
  await using source = await folder(files);
  await using clean = await testDatabase();
  await using other = await testDatabase();
  await rows(other, "CREATE TABLE pgmigrations (id int, name text, run_on timestamp); INSERT INTO pgmigrations VALUES (1, '20240101000000_a', now())");
  const fleet = createFleet({
    service: 'test',
    source: directorySource(source.path),
    targets: () => [clean, other].map(({ name }) => ({ tenant: name, database: name })),
    connect: (database) => connectTo(clean.server.url(database ?? clean.name)),
  });
  const { groups } = await fleet.status({ concurrency: 1 });
  expect(groups.map(({ tenants, status: { problems } }) => [tenants, problems.map((one) => one.code)])).toEqual([
    [[clean.name], []],
    [[other.name], ['foreignHistory']],
  ]);
  expect(await fleet.up({ concurrency: 1 })).toMatchObject({
    counts: { applied: 1, failed: 1 },
    failures: [{ tenant: other.name, failed: { message: expect.stringContaining('pgmigrations is a history of node-pg-migrate') } }],
  });
});
