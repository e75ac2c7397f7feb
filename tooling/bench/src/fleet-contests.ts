/** Fleets: many tenant schemas of one database, each with a history of its own. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createFleet, directorySource, fleetDefaults, type DatabaseClient } from '@org/migrate-core';
import type { OwnServer } from '@org/test-postgres';

import { PACKED, runCommand, runForOutput } from './command.ts';
import type { Contest, Contestant } from './contest.ts';
import type { Surroundings } from './contests.ts';
import { connect, freshDatabases } from './databases.ts';
import { runInSchema } from './loop-runner.ts';
import { makeMigrations, makeSmallMigrations, writeSections, type Written } from './migrations.ts';
import { median } from './statistics.ts';

/** Behind each tenant. */
const MIGRATIONS = 20;
/** With this many tenants memory is compared: the rest must not add to it. */
const FEW = 1_000;

const statusProgram = fileURLToPath(new URL('fleet-status.ts', import.meta.url));

/** Tables with indexes, functions and triggers: most of the time is PostgreSQL's own work, whoever sends the statements. */
export function fleetPending(around: Surroundings): Promise<Contest> {
  return pendingContest(around, { id: 'fleet-pending', label: 'migrations', written: makeMigrations(MIGRATIONS) });
}

/** A table, and a column with each further migration: shows what each tenant costs beside its statements. */
export function fleetSmall(around: Surroundings): Promise<Contest> {
  return pendingContest(around, { id: 'fleet-small', label: 'small migrations', written: makeSmallMigrations(MIGRATIONS) });
}

async function pendingContest(
  { server, base, tenants }: Surroundings,
  { id, label, written }: { readonly id: string; readonly label: string; readonly written: readonly Written[] },
): Promise<Contest> {
  const folder = join(base, id);
  await writeSections(folder, written);
  const names = schemaNames(tenants);
  const [ours, two] = [fleetDefaults.concurrency, 2].map((concurrency) =>
    onSchemas(server, `migrate-core, ${concurrency} at once`, names, (url) => migrateFleet(url, folder, names, concurrency)),
  );
  const scripts = [2, 4].map((workers) => onSchemas(server, `a script each, ${workers} at once`, names, (url) => runScripts(url, written, names, workers)));
  const loop = onSchemas(server, 'node-pg-migrate, runner in a loop', names, (url) => loopRunner(url, folder, names));
  return {
    id,
    work: `${tenants} tenant schemas × ${MIGRATIONS} ${label}, in process`,
    ours: ours as Contestant,
    rivals: [
      { contestant: two as Contestant, reach: null },
      { contestant: loop, reach: 0.25 },
      // A rate of 0.9: the time is its reciprocal.
      ...scripts.map((contestant) => ({ contestant, reach: 1.11 })),
    ],
    notes: [
      'node-pg-migrate: one connection for all, as it takes a lock on the whole database and can do one schema at a time',
      `ours: with ${fleetDefaults.concurrency} at once, which is the default`,
      'a script each: one message and one transaction for a tenant, written beforehand, with a tracking table of two columns',
    ],
  };
}

/** A contestant that begins with so many empty schemas each time. */
function onSchemas(server: OwnServer, name: string, names: readonly string[], run: (url: string) => Promise<void>): Contestant {
  const database = freshDatabases(server, name.replaceAll(/\W+/g, '_').toLowerCase());
  return {
    name,
    where: 'in process',
    prepare: async () => {
      await database.create();
      await createSchemas(database.url(), names);
    },
    run: () => run(database.url()),
  };
}

async function migrateFleet(url: string, folder: string, names: readonly string[], concurrency: number): Promise<void> {
  const fleet = createFleet({
    service: 'bench',
    source: directorySource(folder),
    targets: () => names.map((name) => ({ tenant: name, schema: name })),
    connect: async () => (await connect(url)) as unknown as DatabaseClient,
  });
  const { counts, failures } = await fleet.up({ concurrency });
  if (counts.applied !== names.length)
    throw new Error(`${names.length} tenants were to be migrated, and ${counts.applied} were: ${JSON.stringify(failures[0])}`);
}

/** What a person would write who has only this one thing to do. */
async function runScripts(url: string, written: readonly Written[], names: readonly string[], workers: number): Promise<void> {
  const steps = written.map(({ name, up }) => `${up}\nINSERT INTO done (name) VALUES ('${name}');`).join('\n');
  const left = names.values();
  const work = async (): Promise<void> => {
    const client = await connect(url);
    for (const name of left) {
      await client.query(
        `BEGIN;\nSET LOCAL search_path = ${name};\nCREATE TABLE done (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());\n${steps}\nCOMMIT;`,
      );
    }
    await client.end();
  };
  await Promise.all(Array.from({ length: workers }, work));
}

async function loopRunner(url: string, dir: string, names: readonly string[]): Promise<void> {
  const client = await connect(url);
  for (const schema of names) {
    const done = await runInSchema(client, dir, schema);
    if (done !== MIGRATIONS) throw new Error(`${MIGRATIONS} migrations were to be applied in ${schema}, and ${done} were`);
  }
  await client.end();
}

export async function fleetStatus({ server, base, fleet, migrate }: Surroundings): Promise<Contest> {
  const folder = join(base, 'fleet-status');
  await writeSections(folder, makeSmallMigrations(MIGRATIONS));
  const database = freshDatabases(server, 'fleet_status');
  await database.create();
  const names = schemaNames(fleet);
  await createSchemas(database.url(), names);
  await migrateFleet(database.url(), folder, names, 2);
  const packed = await migrate();
  const schemas = `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'clinic_%' ORDER BY 1`;
  const place = ['--dir', folder, '--table', 'schema_migrations_bench', '--url', database.url()];
  const command: Contestant = {
    name: `migrate status, ${fleet.toLocaleString('en')} tenants`,
    where: 'command',
    run: async () => {
      const text = await runForOutput(process.execPath, [packed, 'status', ...place, '--tenant-schemas', schemas]);
      if (!text.includes(`${fleet} tenants, all current`)) throw new Error(`${fleet} tenants were to be up to date: ${text}`);
    },
  };
  const peaks = new Map<number, number[]>();
  const look = (count: number): Contestant => ({
    name: `migrate-core from its sources, ${count.toLocaleString('en')} tenants`,
    where: 'command',
    run: async () => {
      const text = await runForOutput(process.execPath, ['--conditions=@org/source', statusProgram, database.url(), folder, String(count)]);
      const { current, peakBytes } = JSON.parse(text) as { current: number; peakBytes: number };
      if (current !== count) throw new Error(`${count} tenants were to be up to date, and ${current} were`);
      peaks.set(count, [...(peaks.get(count) ?? []), peakBytes / 2 ** 20]);
    },
  });
  const idle: Contestant = { name: 'node that does nothing', where: 'command', run: () => runCommand(process.execPath, ['-e', '0']) };
  const few = Math.min(FEW, fleet);
  return {
    id: 'fleet-status',
    work: `status of ${fleet.toLocaleString('en')} up-to-date tenant schemas, whole process`,
    ours: command,
    limitMs: 1_000,
    rivals: [...[...new Set([fleet, few])].map(look), idle].map((contestant) => ({ contestant, reach: null })),
    notes: () => {
      const megabytes = (count: number): number => median(peaks.get(count) ?? []);
      const peak = `peak memory: ${[...peaks.keys()]
        .toSorted((a, b) => a - b)
        .map((count) => `${megabytes(count).toFixed(1)} MB for ${count.toLocaleString('en')} tenants`)
        .join(', ')}`;
      return [PACKED, few < fleet ? `${peak}: ${(megabytes(fleet) / megabytes(few)).toFixed(2)}×` : peak];
    },
  };
}

function schemaNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `clinic_${String(index + 1).padStart(6, '0')}`);
}

async function createSchemas(url: string, names: readonly string[]): Promise<void> {
  const client = await connect(url);
  // One transaction for a thousand of them would run out of locks.
  for (let from = 0; from < names.length; from += 100) {
    await client.query(
      names
        .slice(from, from + 100)
        .map((name) => `CREATE SCHEMA ${name}`)
        .join(';\n'),
    );
  }
  await client.end();
}
