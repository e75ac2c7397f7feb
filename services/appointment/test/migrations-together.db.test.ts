/** Several services in one database, in `public` together or with a schema each: none takes away what another still uses. */

import { readFile } from 'node:fs/promises';
import { orderServices, type ServiceNode } from '@org/migrate-core';
import { serviceDatabase, testDatabase, type ServiceDatabase, type TestDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { migrationsOf, neighbours } from './support/neighbours.ts';
import { service as appointment, tenantService, tenantSource } from './support/service.ts';

const services = [...neighbours, appointment];
const shared = ['get_current_tenant_id', 'create_audit_entry', 'set_updated_at'];

async function together(db: TestDatabase, schemaOf: (name: string) => string): Promise<ServiceDatabase[]> {
  const all: ServiceDatabase[] = [];
  for (const service of services) {
    const beside = services.map((other) => other.name).filter((name) => name !== service.name);
    all.push(await serviceDatabase(service, { in: db, schema: schemaOf(service.name), beside }));
  }
  return all;
}

async function functionsIn(on: ServiceDatabase): Promise<string[]> {
  const { rows } = await on.client.query<{ name: string }>(
    `SELECT proname AS name FROM pg_proc WHERE pronamespace = to_regnamespace($1) AND proname = ANY ($2) ORDER BY 1`,
    [on.schema, shared],
  );
  return rows.map((row) => row.name);
}

const places: readonly (readonly [string, (name: string) => string])[] = [
  ['in public together', () => 'public'],
  ['with a schema each', (name) => `${name}_service`],
];

test.each(places)('three services %s: up, then down in reverse, each step a round trip', async (_, schemaOf) => {
  await using db = await testDatabase();
  const all = await together(db, schemaOf);
  const before: string[] = [];
  for (const [index, on] of all.entries()) {
    before.push(await on.catalog());
    await on.migrator.up();
    expect(await functionsIn(on)).toEqual(shared.toSorted());
    expect(before[index]).not.toBe(await on.catalog());
  }
  for (const on of all) await on.fill();
  for (const [index, on] of [...all.entries()].toReversed()) {
    await on.migrator.down({ steps: services[index]?.names.length ?? 0 });
    const { role } = on;
    expect({ role, schema: await on.catalog() }).toEqual({ role, schema: before[index] });
  }
});

test.each([
  ['the first', 0],
  ['the second', 1],
  ['the last', 2],
] as const)('in one schema, the down of %s leaves the others at work and comes back', async (_, leaving) => {
  await using db = await testDatabase();
  const all = await together(db, () => 'public');
  for (const on of all) await on.migrator.up();
  const complete = await all[0]?.catalog();
  const gone = all[leaving];
  const steps = services[leaving]?.names.length ?? 0;
  await gone?.migrator.down({ steps });

  for (const [index, on] of all.entries()) {
    if (index === leaving) continue;
    expect(await functionsIn(on)).toEqual(shared.toSorted());
    // Rows go in through policies, triggers and the audit, and are seen.
    await on.fill();
  }
  await gone?.migrator.up();
  expect(await all[0]?.catalog()).toBe(complete);
});

test('whoever leaves last takes the shared functions along', async () => {
  await using db = await testDatabase();
  const all = await together(db, () => 'public');
  for (const on of all) await on.migrator.up();
  for (const [index, on] of all.entries()) {
    await on.migrator.down({ steps: services[index]?.names.length ?? 0 });
    expect(await functionsIn(on)).toEqual(index < all.length - 1 ? shared.toSorted() : []);
  }
});

test('the shared functions have one text in every service', async () => {
  await using db = await testDatabase();
  const all = await together(db, (name) => `${name}_service`);
  for (const on of all) await on.migrator.up();
  const { rows } = await all[0]!.client.query(
    `SELECT proname AS name, count(*)::int AS services, count(DISTINCT (prosrc, proconfig, provolatile, prosecdef, obj_description(oid)))::int AS texts
       FROM pg_proc WHERE proname = ANY ($1) GROUP BY proname ORDER BY proname`,
    [shared],
  );
  expect(rows).toEqual(shared.toSorted().map((name) => ({ name, services: services.length, texts: 1 })));
});

test("in one schema, a service's role reaches the tables that its own log audits, and no table of another", async () => {
  await using db = await testDatabase();
  const all = await together(db, () => 'public');
  for (const on of all) await on.migrator.up();
  const reached: string[] = [];
  for (const on of all) {
    const { rows } = await on.client.query<{ table: string; log: string }>(
      `SELECT c.relname AS table, (SELECT split_part(encode(t.tgargs, 'escape'), '\\000', 1) FROM pg_trigger t
                WHERE t.tgrelid = c.oid AND t.tgfoid = 'create_audit_entry'::regproc LIMIT 1) AS log
         FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
          AND (has_any_column_privilege($1, c.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege($1, c.oid, 'DELETE, TRUNCATE'))`,
      [on.role],
    );
    reached.push(...rows.map((row) => row.table));
    expect(new Set(rows.map((row) => row.log))).toEqual(new Set([on.role.replace(/_app$/, '_audit_log')]));
  }
  // Every table is reached once; the histories, whose stored downs are code, by nobody.
  const { rows } = await all[0]!.client.query<{ table: string }>(
    `SELECT relname AS table FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'schema\\_migrations\\_%'`,
  );
  expect(reached.toSorted()).toEqual(rows.map((row) => row.table).toSorted());
});

test('three services that migrate one schema at the same time all arrive', async () => {
  await using db = await testDatabase();
  const all = await together(db, () => 'public');
  // From nothing, and again from nothing: the shared functions are made, replaced and taken away by whoever comes first and goes last.
  for (let round = 0; round < 3; round++) {
    await Promise.all(all.map((on) => on.migrator.up()));
    for (const on of all) expect(await functionsIn(on)).toEqual(shared.toSorted());
    await Promise.all(all.map((on, index) => on.migrator.down({ steps: services[index]?.names.length ?? 0 })));
    for (const on of all) expect(await functionsIn(on)).toEqual([]);
  }
});

test('a clinic’s schema beside three services in public has all it needs: they leave, and it stays at work and comes and goes by itself', async () => {
  await using db = await testDatabase();
  const all = await together(db, () => 'public');
  for (const on of all) await on.migrator.up();
  const complete = await all[0]?.catalog();
  const clinic = await serviceDatabase(tenantService, { in: db, schema: 'clinic_a' });
  const empty = await clinic.catalog();
  await clinic.migrator.up();
  expect(await functionsIn(clinic)).toEqual(shared.toSorted());
  expect(await all[0]?.catalog()).toBe(complete);
  for (const [index, on] of [...all.entries()].toReversed()) await on.migrator.down({ steps: services[index]?.names.length ?? 0 });
  await clinic.fill();
  const { rows } = await clinic.client.query<{ n: number }>(`SELECT count(*)::int AS n FROM clinic_a.appointment_audit_log WHERE table_name = 'appointments'`);
  expect(rows[0]?.n).toBeGreaterThan(0);
  await clinic.migrator.down({ steps: tenantService.names.length });
  expect(await clinic.catalog()).toBe(empty);
});

test('what services require of each other can be brought in an order, and their manifests cover it', async () => {
  const nodes = await Promise.all(
    services.map(async ({ name }): Promise<ServiceNode> => {
      const manifest = JSON.parse(await readFile(new URL(`../../${name}/package.json`, import.meta.url), 'utf8')) as Record<string, Record<string, string>>;
      const sources = [migrationsOf(name), ...(name === 'appointment' ? [tenantSource] : [])];
      const listed = (await Promise.all(sources.map((one) => one.list()))).flatMap((one) => one.migrations);
      const migrations = listed.map((one) => ({ name: one.name, requires: one.directives.requires }));
      return { name, dependencies: Object.keys({ ...manifest['dependencies'], ...manifest['devDependencies'] }), migrations };
    }),
  );
  const order = orderServices(nodes);
  expect(order.problems).toEqual([]);
  expect(order.services).toEqual(['user', 'patient', 'appointment']);
  const required = nodes.flatMap((node) =>
    node.migrations.flatMap((one) => one.requires.map(({ service, version }) => `${node.name} ${one.name.slice(0, 4)}: ${service}@${version}`)),
  );
  expect(required).toEqual([
    'patient 0002: user@0002',
    'patient 0006: user@0003',
    'appointment 0002: user@0002',
    'appointment 0002: user@0003',
    'appointment 0004: user@0003',
    'appointment 0004: patient@0002',
  ]);
});
