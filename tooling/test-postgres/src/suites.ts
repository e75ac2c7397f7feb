/** What holds for the migrations of every service, as tests: called at the top of a service's test file. */

import pg from 'pg';
import { expect, test } from 'vitest';

import { isolationFaults, probeIsolation } from './isolation.ts';
import { serviceDatabase, type ServiceDatabase, type ServiceUnderTest } from './service-database.ts';

const SCHEMAS = ['public', 'schema_of_its_own'];

/** The part of the library's listing that is looked at. */
export interface ListedSource {
  list(): Promise<{ readonly migrations: readonly { readonly name: string }[]; readonly ignored: readonly unknown[]; readonly problems: readonly unknown[] }>;
}

/**
 * Each migration's down undoes its up, with rows in every table.
 *
 * @param lost What each down cannot keep: the tables and columns that it takes away. Anything else must be there as it was.
 */
export function testRoundTrips(service: ServiceUnderTest, source: ListedSource, lost: Readonly<Record<string, readonly string[]>>): void {
  test('every file of the folder is a migration without problems', async () => {
    const { migrations, ignored, problems } = await source.list();
    expect({ ignored, problems }).toEqual({ ignored: [], problems: [] });
    expect(migrations.map((migration) => migration.name)).toEqual(Object.keys(lost));
  });

  test.each(SCHEMAS)('up, down and up in the schema %s: the same schema again, and no row lost that could be kept', async (schema) => {
    await using on = await serviceDatabase(service, { schema });
    const empty = await on.catalog();
    const steps = await on.roundTrips();
    for (const step of steps) {
      const { name, before, afterUp, afterDown, afterSecondUp } = step;
      expect({ name, schema: afterDown }).toEqual({ name, schema: before });
      expect({ name, schema: afterSecondUp }).toEqual({ name, schema: afterUp });
    }
    expect(steps.filter((step) => step.empty.length > 0)).toEqual([]);
    expect(steps.filter((step) => step.damaged.length > 0)).toEqual([]);
    expect(Object.fromEntries(steps.map((step) => [step.name, step.lost]))).toEqual(lost);

    // From the newest back to nothing, with all the rows still there.
    for (const step of steps.toReversed()) {
      await on.migrator.down({ steps: 1 });
      expect({ name: step.name, schema: await on.catalog() }).toEqual({ name: step.name, schema: step.before });
    }
    expect(await on.catalog()).toBe(empty);
  });

  test('every table says what it is for', async () => {
    await using on = await serviceDatabase(service);
    await on.migrator.up();
    const { rows } = await on.client.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> ALL ($1) AND obj_description(oid, 'pg_class') IS NULL`,
      [on.exclude],
    );
    expect(rows).toEqual([]);
  });
}

/** What row-level security and the audit are there for, asked of every table: also of one that is added later. */
export function testIsolation(service: ServiceUnderTest): void {
  test.each(SCHEMAS)('every table in the schema %s is isolated and audited, and the application owns nothing', async (schema) => {
    await using on = await serviceDatabase(service, { schema });
    await on.migrator.up();
    expect(await isolationFaults(on)).toEqual([]);
  });

  test('a clinic sees and changes its own rows only, and without a clinic there are none', async () => {
    await using on = await serviceDatabase(service);
    await on.migrator.up();
    await on.fill();
    const probes = await probeIsolation(on);
    expect(probes.length).toBeGreaterThan(0);
    for (const probe of probes) {
      expect(probe).toMatchObject({
        own: expect.toSatisfy((rows: number) => rows > 0),
        seen: probe.own,
        foreignSeen: 0,
        foreignInserted: '42501',
        seenByNobody: 0,
        seenByEmpty: 0,
        truncated: '42501',
        // Either no row is found, or the application may not do it at all.
        foreignChanged: expect.toBeOneOf([0, '42501']),
        foreignDeleted: expect.toBeOneOf([0, '42501']),
      });
    }
  });
}

/** The part of the library's verification that is looked at. */
export interface Verified {
  readonly findings: readonly unknown[];
  readonly probe: { readonly probed: number; readonly notProbed: readonly unknown[] } | null;
}

/**
 * Nothing is found in a service as it was migrated, with rows and without.
 *
 * @param verify Is given what opens a connection to a database of the server; `null`: the service's own.
 */
export function testVerification(service: ServiceUnderTest, verify: (connect: (database: string | null) => Promise<pg.Client>) => Promise<Verified>): void {
  const verified = ({ database }: ServiceDatabase): Promise<Verified> =>
    verify(async (name) => {
      const client = new pg.Client({ connectionString: name === null ? database.url : database.server.url(name) });
      await client.connect();
      return client;
    });

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
}
