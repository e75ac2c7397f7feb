import { testDatabase } from '@org/test-postgres';
import { describe, expect, test } from 'vitest';

import { firstRow } from '../support/clinic.ts';
import { failureOf } from '../support/target.ts';
import { contentsOf, tenancyOn } from '../support/tenancy.ts';

const harmless = [
  'a"; drop schema public cascade; --',
  "o'clinic",
  'select',
  'ünïcode 😀',
  '\u00e9',
  'e\u0301',
  'back\\slash',
  'Clinic',
  'clinic',
  'blanks  within',
  '%s %I $1 $$ {0}',
  '../../etc',
  'null',
];

describe.each(['schema', 'database'] as const)('with a %s each', (mode) => {
  test('ids are data: whatever they say, each is a tenant by itself', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode, mode === 'schema' ? {} : { tenancy: { place: (id) => `${db.name.slice(0, 12)}${id}`.slice(0, 40) } });
    const made = await Promise.all(harmless.map((id) => tenancy.create(id, { initialise: firstRow })));
    expect((await tenancy.list()).map((tenant) => tenant.id).toSorted()).toEqual(harmless.toSorted());
    expect(new Set(made.map(({ tenant }) => tenant.place)).size).toBe(harmless.length);
    for (const { tenant } of made) expect(await contentsOf(db, mode, tenant.place)).toEqual({ migrations: 3, tables: 3, team: 1 });
    expect((await tenancy.fleet().up()).counts.upToDate).toBe(harmless.length);
    for (const id of harmless) await tenancy.drop(id);
    for (const id of harmless) await tenancy.drop(id, { mode: 'delete' });
    expect(await tenancy.list()).toEqual([]);
  }, 120_000);

  test('what cannot be a tenant is refused before anything is touched', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode, { tenancy: { place: (id) => id } });
    const refused = [
      '',
      'x'.repeat(64),
      'ü'.repeat(32),
      'a\0b',
      '\ud800',
      ' ',
      ' leading',
      'line\nbreak',
      '\u202eturned',
      ...(mode === 'schema'
        ? ['pg_clinic', 'PG_toast', 'public', '$user', 'Information_Schema', 'extensions', new URL(db.url).username]
        : ['postgres', 'template1', 'Template0', db.name]),
    ];
    for (const id of refused) expect((await failureOf(tenancy.create(id))).code, JSON.stringify(id)).toBe('invalidOptions');
    expect(await tenancy.list()).toEqual([]);
    for (const id of refused) expect(await tenancy.find(id)).toBeNull();
  });

  test('two ids whose place would be the same are not one tenant', async () => {
    await using db = await testDatabase();
    const tenancy = tenancyOn(db, mode, { tenancy: { place: (id) => `${db.name.slice(-12)}_${id.toLowerCase()}` } });
    const { tenant } = await tenancy.create('Clinic');
    const failure = await failureOf(tenancy.create('clinic'));
    expect(failure).toMatchObject({ code: 'invalidOptions', message: expect.stringContaining('which is that of the tenant "Clinic"') as string });
    expect((await tenancy.list()).map((one) => one.id)).toEqual(['Clinic']);
    await tenancy.drop('Clinic', { mode: 'delete' });
    expect((await tenancy.create('clinic')).tenant.place).toBe(tenant.place);
    await tenancy.drop('clinic', { mode: 'delete' });
  });
});

test('a schema called as the application’s role would take from it what all tenants share, and is refused', async () => {
  await using db = await testDatabase();
  const tenancy = tenancyOn(db, 'schema', { applicationRole: 'clinic_app', tenancy: { place: (id) => id } });
  for (const role of ['clinic_app', new URL(db.url).username]) {
    const failure = await failureOf(tenancy.create(role));
    expect(failure).toMatchObject({ code: 'invalidOptions', message: expect.stringContaining('the name of a role of the service') as string });
  }
  expect(await tenancy.list()).toEqual([]);
});

test('a place that the service’s own function does not give is told', async () => {
  await using db = await testDatabase();
  const tenancy = tenancyOn(db, 'schema', {
    tenancy: {
      place: () => {
        throw new Error('no such clinic');
      },
    },
  });
  expect(await failureOf(tenancy.create('x'))).toMatchObject({ code: 'invalidOptions', message: expect.stringContaining('no such clinic') as string });
});

test('a registry of the service’s own is only read', async () => {
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query(`CREATE TABLE clinics (id int, place text); INSERT INTO clinics VALUES (1, 'one'), (2, 'two'); CREATE SCHEMA one; CREATE SCHEMA two`);
  const tenancy = tenancyOn(db, 'schema', { tenancy: { query: 'SELECT id, place FROM clinics ORDER BY id' } });
  expect(await tenancy.list()).toEqual(
    ['one', 'two'].map((place, index) => ({ id: String(index + 1), place, status: 'active', createdAt: null, updatedAt: null, failure: null })),
  );
  expect((await tenancy.find('2'))?.place).toBe('two');
  expect((await tenancy.fleet().up()).counts.applied).toBe(2);
  await client.query(`DROP SCHEMA two CASCADE; DELETE FROM clinics WHERE id = 1`);
  expect(await tenancy.strays()).toMatchObject({ unknown: ['one'], absent: [{ id: '2' }] });
  for (const call of [tenancy.create('3'), tenancy.drop('2')]) {
    expect(await failureOf(call)).toMatchObject({ code: 'invalidOptions', message: expect.stringContaining('its own') as string });
  }
  const hostile = tenancyOn(db, 'schema', { tenancy: { query: `SELECT '1'; DROP TABLE clinics` } });
  expect(await failureOf(hostile.list())).toMatchObject({ code: 'invalidOptions', message: expect.stringContaining('multiple commands') as string });
});
