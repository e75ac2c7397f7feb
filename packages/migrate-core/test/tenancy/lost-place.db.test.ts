/** Places that somebody renamed or dropped, tenants that come back, and registries of another mode. */

import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase, type TestDatabase } from '@org/test-postgres';
import { describe, expect, test } from 'vitest';

import { listSource, MigrationError, startTenants, verifyFleet, type TargetVerification, type Tenancy } from '../../src/index.ts';
import { identifier } from '../../src/sql.ts';
import { clinicSource } from '../support/clinic.ts';
import { connectIn, contentsOf, tenancyOn, type Mode } from '../support/tenancy.ts';

async function failureOf(work: Promise<unknown>): Promise<MigrationError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(MigrationError);
  return error as MigrationError;
}

async function places(db: TestDatabase, mode: Mode): Promise<string[]> {
  const client = await db.connect();
  const { rows } = await client.query<{ name: string }>(
    mode === 'schema' ? 'SELECT nspname AS name FROM pg_namespace' : 'SELECT datname AS name FROM pg_database',
  );
  return rows.map((row) => row.name);
}

/** Of all active tenants, and of what the registry does not know, but for what was not checked. */
async function verifiedOn(db: TestDatabase, tenancy: Tenancy): Promise<TargetVerification[]> {
  const targets = (await tenancy.list()).map((tenant) => tenancy.target(tenant));
  const verified: TargetVerification[] = [];
  for await (const one of verifyFleet({
    service: 'test',
    source: clinicSource,
    connect: (database) => connectIn(db, database ?? db.name),
    targets: () => targets,
    strays: () => tenancy.strays(),
    lostTenant: ({ tenant }) => tenancy.lost(tenant),
    scratch: 'none',
  }))
    verified.push({ ...one, findings: one.findings.filter(({ code }) => code !== 'notChecked') });
  return verified.filter(({ findings }) => findings.length > 0);
}

describe.each(['schema', 'database'] as const)('a %s for each tenant', (mode) => {
  const rename = (from: string, to: string): string => `ALTER ${mode.toUpperCase()} ${identifier(from)} RENAME TO ${identifier(to)}`;

  /** A tenant whose place somebody gave another name. */
  async function renamedAway(db: TestDatabase) {
    const tenancy = tenancyOn(db, mode);
    const { tenant } = await tenancy.create('north');
    const lost = `${db.name}_lost`;
    const client = await db.connect();
    await client.query(rename(tenant.place, lost));
    return { tenancy, tenant, lost, client };
  }

  test('a place that somebody renamed is found, and how to put it back is told by all that needs it', async () => {
    await using db = await testDatabase();
    const { tenancy, tenant, lost, client } = await renamedAway(db);
    await tenancy.create('south');
    const back = rename(lost, tenant.place);
    for (const work of [() => tenancy.create('north'), () => tenancy.drop('north'), () => tenancy.restore('north')]) {
      const error = await failureOf(work());
      expect(error).toMatchObject({ code: 'invalidOptions', message: expect.stringContaining(`it is there as "${lost}"`) as string });
      expect(error.hint).toContain(back);
    }
    expect(await tenancy.lost('north')).toMatchObject({ kind: mode, place: tenant.place, foundAs: lost });
    expect(await tenancy.lost('south')).toBeNull();
    for (const failures of [(await tenancy.fleet().status()).failures, (await tenancy.fleet().up()).failures])
      expect(failures).toMatchObject([{ tenant: 'north', failed: { hint: expect.stringContaining(back) as string } }]);
    expect((await tenancy.find('north'))?.status).toBe('active');
    const [north, south] = await tenancy.backfill();
    expect(north).toMatchObject({ tenant: 'north', failure: expect.stringContaining(back) as string });
    expect(south).toMatchObject({ tenant: 'south', failure: null });
    // What is there under another name is no stray: nobody is to drop it.
    const verified = await verifiedOn(db, tenancy);
    expect(verified).toMatchObject([
      {
        tenant: 'north',
        findings: [
          { code: 'unreadable', message: expect.stringContaining(`it is there as "${lost}"`) as string, hint: expect.stringContaining(back) as string },
        ],
      },
    ]);
    await client.query(back);
    expect(await tenancy.lost('north')).toBeNull();
    expect((await tenancy.create('north')).outcome).toBe('present');
    // Only with `delete` it is forgotten, and what has another name stays.
    await client.query(rename(tenant.place, lost));
    await tenancy.drop('north', { mode: 'delete' });
    expect(await tenancy.find('north')).toBeNull();
    expect(await places(db, mode)).toContain(lost);
  });

  test('another place under the name of one that somebody renamed is not taken for it, and is left as it is', async () => {
    await using db = await testDatabase();
    const { tenancy, tenant, lost, client } = await renamedAway(db);
    await client.query(`CREATE ${mode.toUpperCase()} ${identifier(tenant.place)}`);
    const aside = rename(tenant.place, `${tenant.place}_aside`);
    const back = rename(lost, tenant.place);
    for (const work of [() => tenancy.create('north'), () => tenancy.drop('north'), () => tenancy.restore('north')]) {
      const error = await failureOf(work());
      expect(error).toMatchObject({ code: 'invalidOptions', message: expect.stringContaining(`it is there as "${lost}"`) as string });
      expect(error.message).toContain(`is another ${mode}, which was not touched`);
      expect(error.hint).toContain(`${aside}; ${back}`);
    }
    expect(await tenancy.lost('north')).toMatchObject({ kind: mode, place: tenant.place, foundAs: lost, instead: 'another' });
    for (const failures of [(await tenancy.fleet().status()).failures, (await tenancy.fleet().up()).failures])
      expect(failures).toMatchObject([{ tenant: 'north', failed: { hint: expect.stringContaining(back) as string } }]);
    const [mended] = await tenancy.backfill();
    expect(mended).toMatchObject({ created: [], failure: expect.stringContaining(`${aside}; ${back}`) as string });
    const verified = await verifiedOn(db, tenancy);
    expect(verified).toMatchObject([{ tenant: 'north', findings: [{ code: 'unreadable', hint: expect.stringContaining(`${aside}; ${back}`) as string }] }]);
    for (const text of [aside, back]) await client.query(text);
    expect(await tenancy.lost('north')).toBeNull();
    expect((await tenancy.create('north')).outcome).toBe('present');
    // Forgotten, it takes neither of the two with it.
    await client.query(rename(tenant.place, lost));
    await client.query(rename(`${tenant.place}_aside`, tenant.place));
    await tenancy.drop('north', { mode: 'delete' });
    expect(await tenancy.find('north')).toBeNull();
    expect(await places(db, mode)).toEqual(expect.arrayContaining([lost, tenant.place]));
  });

  test('a service that starts makes no new place for a tenant whose own one somebody renamed, however often it is asked for', async () => {
    await using db = await testDatabase();
    const { tenancy, tenant, lost, client } = await renamedAway(db);
    const ended = new AbortController();
    const tenants = startTenants({ tenancy, signal: ended.signal, retryMs: 1 });
    try {
      await tenants.done;
      for (const instead of ['nothing', 'another']) {
        if (instead === 'another') await client.query(`CREATE ${mode.toUpperCase()} ${identifier(tenant.place)}`);
        for (let times = 0; times < 3; times++) {
          await sleep(20);
          expect(await tenants.admit('north')).toMatchObject({ kind: 'refused', why: 'failed' });
        }
        expect((await places(db, mode)).includes(tenant.place)).toBe(instead === 'another');
      }
      await client.query(`DROP ${mode.toUpperCase()} ${identifier(tenant.place)}`);
      await client.query(rename(lost, tenant.place));
      await expect.poll(() => tenants.admit('north'), { timeout: 20_000 }).toMatchObject({ kind: 'admitted' });
    } finally {
      ended.abort();
      await tenants.settled();
    }
  });

  // No run makes a database.
  test.runIf(mode === 'schema')('a tenant that is put away while others are migrated is not made anew', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode, {
      tenancy: { requiredTables: [], source: listSource([{ version: '1', description: 'a', up: 'CREATE TABLE a (id int)' }]) },
    });
    const ids = ['north', 'south', 'west'];
    const made = [];
    for (const id of ids) made.push((await tenancy.create(id)).tenant);
    const slow = listSource([
      { version: '1', description: 'a', up: 'CREATE TABLE a (id int)' },
      { version: '2', description: 'b', up: 'SELECT pg_sleep(0.7); CREATE TABLE b (id int)' },
    ]);
    const run = tenancyOn(db, mode, { tenancy: { requiredTables: [], source: slow } })
      .fleet()
      .up({ concurrency: 1 });
    // Each of the three is put away; whichever comes first is waited for.
    await sleep(300);
    await Promise.all(ids.map((id) => tenancy.drop(id)));
    const { counts, failures } = await run;
    expect(counts.applied + counts.failed).toBe(3);
    expect(counts.failed).toBeGreaterThan(0);
    for (const { failed } of failures) expect(failed?.message).toContain('it was put away meanwhile');
    const there = await places(db, mode);
    for (const { place } of made) expect(there).not.toContain(place);
  });

  test('on a restored server, which gives oids anew, a tenant’s place is its own', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const { tenant } = await tenancy.create('north');
    const client = await db.connect();
    const [catalog, name] = mode === 'schema' ? ['pg_namespace', 'nspname'] : ['pg_database', 'datname'];
    // What has its oid now is nothing, the template, or what is no tenant's.
    for (const oid of [
      '1',
      `(SELECT max(oid) FROM ${catalog} WHERE ${name} LIKE '%\\_tpl\\_%')`,
      `(SELECT min(oid) FROM ${catalog} WHERE ${name} IN ('public', 'postgres'))`,
    ]) {
      await client.query(`UPDATE schema_migrations_test_tenants SET made_as = ${oid} WHERE id = 'north'`);
      expect(await tenancy.lost('north')).toBeNull();
      expect(await tenancy.create('north')).toMatchObject({ outcome: 'present', tenant: { place: tenant.place } });
    }
    expect((await tenancy.drop('north')).status).toBe('archived');
    expect(await tenancy.restore('north')).toMatchObject({ status: 'active', place: tenant.place });
  });

  test('a place that is gone is not taken for one that is there, nor for another tenant’s', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    const { tenant } = await tenancy.create('north');
    const { tenant: south } = await tenancy.create('south');
    const client = await db.connect();
    await client.query(`DROP ${mode.toUpperCase()} ${identifier(tenant.place)} ${mode === 'schema' ? 'CASCADE' : ''}`);
    // As after a restore, which gives oids anew.
    const [catalog, name] = mode === 'schema' ? ['pg_namespace', 'nspname'] : ['pg_database', 'datname'];
    await client.query(`UPDATE schema_migrations_test_tenants SET made_as = (SELECT oid FROM ${catalog} WHERE ${name} = $1) WHERE id = 'north'`, [south.place]);
    const error = await failureOf(tenancy.create('north'));
    expect(error.message).toContain('is not on the server, also not under another name');
    expect(error.hint).toContain('migrate tenants drop north --delete');
    expect((await failureOf(tenancy.drop('north'))).message).toBe(error.message);
    expect(await tenancy.lost('north')).toMatchObject({ foundAs: null });
    await tenancy.drop('north', { mode: 'delete' });
    expect((await tenancy.create('north')).outcome).toBe('created');
    expect(await tenancy.lost('south')).toBeNull();
    // What a drop that was killed has deleted is not told as kept.
    const { place } = await tenancy.drop('north');
    expect((await failureOf(tenancy.create('north'))).message).toContain('is kept as');
    await client.query(`DROP ${mode.toUpperCase()} ${identifier(place)} ${mode === 'schema' ? 'CASCADE' : ''}`);
    const killed = await failureOf(tenancy.create('north'));
    expect(killed.message).toContain('is not on the server, also not under another name');
    expect(killed.hint).toContain('migrate tenants drop north --delete');
  });

  test('an archived tenant comes back as it was, as often as it is asked for, where its place is free', async () => {
    await using db = await testDatabase();
    const role = `${db.name}_app`;
    const client = await db.connect();
    await client.query(`CREATE ROLE ${identifier(role)}`);
    try {
      const tenancy = tenancyOn(db, mode, { applicationRole: role });
      const { tenant } = await tenancy.create('north');
      const before = await contentsOf(db, mode, tenant.place);
      const { place: archive } = await tenancy.drop('north');
      const create = `CREATE ${mode.toUpperCase()} ${identifier(tenant.place)}`;
      await client.query(create);
      const taken = await failureOf(tenancy.restore('north'));
      expect(taken.message).toContain('there is one of that name already');
      expect(await tenancy.find('north')).toMatchObject({ status: 'archived', place: archive });
      await client.query(`DROP ${mode.toUpperCase()} ${identifier(tenant.place)}`);
      const restored = await Promise.all([tenancy.restore('north'), tenancy.restore('north')]);
      for (const one of [...restored, await tenancy.restore('north')]) expect(one).toMatchObject({ status: 'active', place: tenant.place, failure: null });
      expect(await contentsOf(db, mode, tenant.place)).toEqual(before);
      const may = mode === 'schema' ? `has_schema_privilege($1, $2, 'USAGE')` : `has_database_privilege($1, $2, 'CONNECT')`;
      expect((await client.query(`SELECT ${may} AS may`, [role, tenant.place])).rows).toEqual([{ may: true }]);
      expect(await tenancy.strays()).toEqual({ unknown: [], absent: [] });
      expect((await tenancy.fleet().up()).counts).toMatchObject({ upToDate: 1 });
      await tenancy.drop('north', { mode: 'delete' });
      expect((await failureOf(tenancy.restore('north'))).message).toContain('there is none');
    } finally {
      // The template is the test database's own, and goes with it; so do the rights that it holds.
      await client.query(`DROP OWNED BY ${identifier(role)}`).catch(() => undefined);
      await client.query(`DROP ROLE ${identifier(role)}`).catch(() => undefined);
    }
  });

  test('what was put away before it was whole does not come back as active', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode);
    await failureOf(tenancy.create('half', { initialise: () => Promise.reject(new Error('no')) }));
    await tenancy.drop('half');
    expect(await tenancy.restore('half')).toMatchObject({ status: 'failed', failure: expect.stringContaining('before it was whole') as string });
    expect((await tenancy.create('half')).outcome).toBe('created');
  });

  test('tenants of the other mode are told, and no others', async () => {
    await using db = await testDatabase();
    const other = mode === 'schema' ? 'database' : 'schema';
    const tenancy = tenancyOn(db, mode);
    expect(await tenancy.leftOut()).toBeNull();
    await tenancy.create('a');
    expect(await tenancy.leftOut()).toBeNull();
    const changed = tenancyOn(db, other);
    expect(await changed.list()).toEqual([]);
    expect(await changed.leftOut()).toMatchObject({
      kind: mode,
      count: 1,
      message: `1 tenant has a ${mode} of its own, and tenancy.mode says ${other}: it is left out, and neither migrated nor served`,
      hint: `set tenancy.mode back to '${mode}'`,
    });
    expect((await failureOf(changed.create('a'))).hint).toBe(`set tenancy.mode back to '${mode}'`);
    await tenancy.drop('a');
    expect(await changed.leftOut()).toBeNull();
  });
});

test('a service with a registry of its own makes no schema for a tenant whose own one is gone', async () => {
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query(`CREATE TABLE clinics (id text, place text); INSERT INTO clinics VALUES ('north', 'clinic_north'); CREATE SCHEMA clinic_north`);
  const tenancy = tenancyOn(db, 'schema', { tenancy: { query: 'SELECT id, place FROM clinics' } });
  expect((await tenancy.fleet().up()).counts).toMatchObject({ applied: 1 });
  await client.query('ALTER SCHEMA clinic_north RENAME TO clinic_lost');
  const ended = new AbortController();
  const tenants = startTenants({ tenancy, signal: ended.signal, retryMs: 1 });
  try {
    await tenants.done;
    for (let times = 0; times < 3; times++) {
      await sleep(20);
      expect(await tenants.admit('north')).toMatchObject({
        kind: 'refused',
        why: 'failed',
        failure: { message: expect.stringContaining('"clinic_north"') as string },
      });
    }
    expect(await places(db, 'schema')).not.toContain('clinic_north');
    await client.query('ALTER SCHEMA clinic_lost RENAME TO clinic_north');
    await expect.poll(() => tenants.admit('north'), { timeout: 20_000 }).toMatchObject({ kind: 'admitted' });
  } finally {
    ended.abort();
    await tenants.settled();
  }
});
