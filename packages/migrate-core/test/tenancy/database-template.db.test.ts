import { runOn, testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { listSource } from '../../src/index.ts';
import { identifier } from '../../src/sql.ts';
import { clinicSource, required } from '../support/clinic.ts';
import { connectTo, failureOf } from '../support/target.ts';
import { databasesOf, tenancyOn } from '../support/tenancy.ts';
import { readCatalogOf } from '../support/catalog.ts';

const templates = (names: readonly string[]): string[] => names.filter((name) => name.includes('_tpl_'));

function sourceWith(tables: number): ReturnType<typeof listSource> {
  return listSource(
    Array.from({ length: tables }, (_, index) => ({
      version: `000${index + 1}`,
      description: 'a table',
      up: `CREATE TABLE t${index} (id int)`,
      down: `DROP TABLE t${index}`,
    })),
  );
}

test('new tenants are copies of one template, which nobody can enter, and their logs say so', async () => {
  await using db = await testDatabase();
  const tenancy = tenancyOn(db, 'database');
  const made = [await tenancy.create('a'), await tenancy.create('b')];
  expect(made.map((one) => one.by)).toEqual(['template', 'template']);
  const [template = ''] = templates(await databasesOf(db));
  await expect(connectTo(db.server.url(template))).rejects.toMatchObject({ code: '55000' });
  const client = await connectTo(db.server.url(made[1]?.tenant.place ?? ''));
  const { rows: log } = await client.query(`SELECT seq::int, action, name, detail FROM schema_migrations_test_log ORDER BY seq`);
  expect(log).toEqual([
    ...['0001_team', '0002_contact', '0003_phone'].map((name, index) => ({ seq: index + 1, action: 'up', name, detail: null })),
    { seq: 4, action: 'clone', name: '0003_phone', detail: `cloned from ${template}` },
  ]);
  const { rows: runs } = await client.query(`SELECT count(DISTINCT run_id)::int AS runs FROM schema_migrations_test_log`);
  expect(runs).toEqual([{ runs: 2 }]);
  await client.end();
  const [{ isTemplate, size } = {}] = (
    await runOn(db.server, `SELECT datistemplate AS "isTemplate", datallowconn AS size FROM pg_database WHERE datname = '${template}'`)
  ).rows as {
    isTemplate: boolean;
    size: boolean;
  }[];
  expect([isTemplate, size]).toEqual([true, false]);
});

test('a copy is what the migrations make', async () => {
  await using db = await testDatabase();
  await using replayed = await testDatabase();
  const { tenant } = await tenancyOn(db, 'database').create('a');
  const fleet = tenancyOn(replayed, 'database').fleet();
  await (await fleet.migrator({ tenant: 'replayed', database: replayed.name })).up();
  expect(await readCatalogOf(db.server.url(tenant.place))).toBe(await readCatalogOf(replayed.url));
});

test('another state of the source is another template; the newest and the one before it are kept', async () => {
  await using db = await testDatabase();
  for (const tables of [1, 2, 3, 2]) {
    const tenancy = tenancyOn(db, 'database', { tenancy: { source: sourceWith(tables), requiredTables: [] } });
    await tenancy.create(`${tables}_${Math.random()}`);
    expect(templates(await databasesOf(db)).length).toBeLessThanOrEqual(2);
  }
  expect(templates(await databasesOf(db))).toHaveLength(2);
});

test('a template that somebody is connected to is copied all the same', async () => {
  await using db = await testDatabase();
  const tenancy = tenancyOn(db, 'database');
  await tenancy.create('a');
  const [template = ''] = templates(await databasesOf(db));
  await runOn(db.server, `ALTER DATABASE ${identifier(template)} ALLOW_CONNECTIONS true`);
  const monitor = await connectTo(db.server.url(template));
  monitor.on('error', () => undefined);
  expect((await tenancy.create('b')).outcome).toBe('created');
  await monitor.end().catch(() => undefined);
});

test('a template that cannot be made leaves nothing behind, and the tenant says why', async () => {
  await using db = await testDatabase();
  const broken = listSource([{ version: '1', description: 'broken', up: 'CREATE TABLE a (id nonsense)', down: 'SELECT 1' }]);
  const tenancy = tenancyOn(db, 'database', { tenancy: { source: broken } });
  expect((await failureOf(tenancy.create('a'))).sqlState).toBe('42704');
  expect(await tenancy.find('a')).toMatchObject({ status: 'failed', failure: expect.stringContaining('nonsense') as string });
  expect(await databasesOf(db)).toEqual([]);
  const mended = tenancyOn(db, 'database', { tenancy: { source: clinicSource, requiredTables: required } });
  expect((await mended.create('a')).tenant.status).toBe('active');
});

test('a database in the template’s place that is none is not touched', async () => {
  await using db = await testDatabase();
  const tenancy = tenancyOn(db, 'database');
  await tenancy.create('a');
  const [template = ''] = templates(await databasesOf(db));
  await runOn(db.server, `ALTER DATABASE ${identifier(template)} IS_TEMPLATE false`);
  expect((await failureOf(tenancy.create('b'))).message).toContain('no template of this service');
  expect(templates(await databasesOf(db))).toEqual([template]);
});
