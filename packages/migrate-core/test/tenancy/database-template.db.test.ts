import { runOn, testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';

import { listSource, type TenantCreation } from '../../src/index.ts';
import { identifier } from '../../src/sql.ts';
import { clinicSource, firstRow, required } from '../support/clinic.ts';
import { connectTo, failureOf } from '../support/target.ts';
import { connectIn, contentsOf, databasesOf, tenancyOn } from '../support/tenancy.ts';
import { readCatalogOf } from '../support/catalog.ts';

const templates = (names: readonly string[]): string[] => names.filter((name) => name.includes('_tpl_'));

/** A connection of which each message is heard before it is sent. */
async function connectHearing(db: TestDatabase, database: string | null, hear: (text: string) => Promise<void>): Promise<pg.Client> {
  const client = await connectIn(db, database ?? db.name);
  client.on('error', () => undefined);
  const wire = (client as unknown as { connection: { query(text: string): void } }).connection;
  const send = wire.query.bind(wire);
  wire.query = (text) => void hear(text).then(() => send(text));
  return client;
}

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

/** Nobody is told, and nothing is lost: it is whole, and its log does not say that it is a copy. */
async function expectReplayed(db: TestDatabase, creation: TenantCreation): Promise<void> {
  expect(creation).toMatchObject({ outcome: 'created', by: 'replay', tenant: { status: 'active' } });
  const { place } = creation.tenant;
  expect(await contentsOf(db, 'database', place)).toEqual({ migrations: 3, tables: 3, team: 1 });
  const { rows } = await runOn(db.server, 'SELECT action FROM schema_migrations_test_log ORDER BY seq', place);
  expect(rows).toEqual([{ action: 'up' }, { action: 'up' }, { action: 'up' }]);
  const { rows: marks } = await runOn(db.server, `SELECT shobj_description(oid, 'pg_database') AS mark FROM pg_database WHERE datname = '${place}'`);
  expect(marks).toEqual([{ mark: expect.stringContaining('Tenant of test') as string }]);
  expect((await databasesOf(db)).filter((name) => /_(new|replay)_/.test(name))).toEqual([]);
}

test('what cannot be copied since the template is broken is replayed, and can be dropped and brought back as any other', async () => {
  await using db = await testDatabase();
  const tenancy = tenancyOn(db, 'database');
  await tenancy.create('a');
  const [template = ''] = templates(await databasesOf(db));
  // As a DROP DATABASE leaves it that was cut off.
  await runOn(db.server, `UPDATE pg_database SET datconnlimit = -2 WHERE datname = '${template}'`);
  try {
    await expectReplayed(db, await tenancy.create('b', { initialise: firstRow }));
    expect(await tenancy.create('b')).toMatchObject({ outcome: 'present', by: null });
    expect((await tenancy.fleet().up()).counts).toMatchObject({ upToDate: 2 });
    expect(await tenancy.strays()).toEqual({ unknown: [], absent: [] });
    await tenancy.drop('b');
    expect(await tenancy.restore('b')).toMatchObject({ status: 'active' });
    await tenancy.drop('b', { mode: 'delete' });
    expect((await tenancy.list()).map((tenant) => tenant.id)).toEqual(['a']);
  } finally {
    await runOn(db.server, `UPDATE pg_database SET datconnlimit = -1 WHERE datname = '${template}'`);
  }
});

test('a template whose user this role may not end is done without', async () => {
  await using migrator = await testRole({ attributes: 'NOSUPERUSER CREATEDB' });
  await using db = await testDatabase();
  await runOn(db.server, `ALTER DATABASE ${identifier(db.name)} OWNER TO ${identifier(migrator.name)}`);
  await runOn(db.server, `ALTER SCHEMA public OWNER TO ${identifier(migrator.name)}`, db.name);
  const { host, port } = db.server;
  const tenancy = tenancyOn(db, 'database', {
    connect: async (database) => {
      const client = new pg.Client({ host, port, user: migrator.name, password: migrator.password, database: database ?? db.name });
      await client.connect();
      return client;
    },
  });
  await tenancy.create('a');
  const [template = ''] = templates(await databasesOf(db));
  await runOn(db.server, `ALTER DATABASE ${identifier(template)} ALLOW_CONNECTIONS true`);
  const monitor = await connectTo(db.server.url(template));
  monitor.on('error', () => undefined);
  try {
    await expectReplayed(db, await tenancy.create('b', { initialise: firstRow }));
  } finally {
    await monitor.end();
  }
  // And is used again when it can be.
  expect((await tenancy.create('c')).by).toBe('template');
  for (const name of await databasesOf(db)) {
    await runOn(db.server, `ALTER DATABASE ${identifier(name)} IS_TEMPLATE false`);
    await runOn(db.server, `DROP DATABASE ${identifier(name)}`);
  }
  await runOn(db.server, `ALTER DATABASE ${identifier(db.name)} OWNER TO CURRENT_USER`);
}, 60_000);

test('a template that is dropped while it is asked for is made again', async () => {
  await using db = await testDatabase();
  await tenancyOn(db, 'database').create('a');
  const [template = ''] = templates(await databasesOf(db));
  let dropped = 0;
  const tenancy = tenancyOn(db, 'database', {
    connect: (database) =>
      connectHearing(db, database, async (text) => {
        if (!text.includes(`TEMPLATE ${identifier(template)}`) || dropped++ > 0) return;
        await runOn(db.server, `ALTER DATABASE ${identifier(template)} IS_TEMPLATE false`);
        await runOn(db.server, `DROP DATABASE ${identifier(template)}`);
      }),
  });
  expect((await tenancy.create('b')).by).toBe('template');
  expect(dropped).toBe(2);
});

test('a replay that was cut off is gone on with as what it is', async () => {
  await using db = await testDatabase();
  await tenancyOn(db, 'database').create('a');
  const [template = ''] = templates(await databasesOf(db));
  await runOn(db.server, `ALTER DATABASE ${identifier(template)} IS_TEMPLATE false`);
  const place = `${db.name}_b`;
  for (const end of ['RENAME TO', 'CREATE TABLE "public"."schema_migrations_test"', 'CREATE TABLE contact']) {
    // The process is gone with all of its connections.
    const streams: { destroy(): void }[] = [];
    const over = new AbortController();
    const ended = tenancyOn(db, 'database', {
      signal: over.signal,
      connect: async (database) => {
        if (over.signal.aborted) throw Object.assign(new Error('cut off'), { code: 'ECONNRESET' });
        const client = await connectHearing(db, database, async (text) => {
          if (!text.includes(end) || text.includes('_tpl_')) return;
          over.abort();
          for (const stream of streams) stream.destroy();
        });
        streams.push((client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream);
        return client;
      },
    });
    await failureOf(ended.create('b', { initialise: firstRow }));
    expect([end, over.signal.aborted]).toEqual([end, true]);
    expect((await tenancyOn(db, 'database').find('b'))?.status).toBe('provisioning');
  }
  expect(await databasesOf(db)).toContain(place);
  await expectReplayed(db, await tenancyOn(db, 'database').create('b', { initialise: firstRow }));
});

test('a database in the template’s place that is none is not touched', async () => {
  await using db = await testDatabase();
  const tenancy = tenancyOn(db, 'database');
  await tenancy.create('a');
  const [template = ''] = templates(await databasesOf(db));
  await runOn(db.server, `ALTER DATABASE ${identifier(template)} IS_TEMPLATE false`);
  await expectReplayed(db, await tenancy.create('b', { initialise: firstRow }));
  expect(templates(await databasesOf(db))).toEqual([template]);
});
