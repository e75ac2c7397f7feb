/** New tenants: a spare, and a copy of a template, against the migrations themselves, 300 of them behind each tenant. */

import { join } from 'node:path';

import { createFleet, createTenancy, directorySource, type DatabaseClient, type Fleet, type Tenancy } from '@org/migrate-core';
import type { OwnServer } from '@org/test-postgres';
import type pg from 'pg';

import type { Contest, Contestant } from './contest.ts';
import type { Surroundings } from './contests.ts';
import { connect, freshDatabases } from './databases.ts';
import { runInSchema } from './loop-runner.ts';
import { makeLongHistory, writeSections, type Written } from './migrations.ts';

const MIGRATIONS = 300;
/** Tenants that one run makes, one after the other. */
const TENANTS = 3;

type Mode = 'schema' | 'database';

/** A name that is not taken yet. */
type NextPlace = () => string;

export function provisionSchema(around: Surroundings): Promise<Contest> {
  return provision(around, 'schema', 0.34);
}

export function provisionDatabase(around: Surroundings): Promise<Contest> {
  return provision(around, 'database', 0.1);
}

async function provision({ server, base }: Surroundings, mode: Mode, reach: number): Promise<Contest> {
  const written = makeLongHistory(MIGRATIONS);
  const folder = join(base, `provision-${mode}`);
  await writeSections(folder, written);
  const service = freshDatabases(server, `provision_${mode}`);
  await service.create();
  const database = new URL(service.url()).pathname.slice(1);
  let made = 0;
  const place: NextPlace = () => `${database}_${++made}`;
  const tenancyWith = (spares: number): Tenancy =>
    createTenancy({
      service: 'bench',
      tenancy: { mode, source: directorySource(folder), place: (id) => id, spares },
      connect: (name) => connectTo(server, name ?? database),
    });
  const copying = tenancyWith(0);
  // Makes the template, which is not what is measured.
  await copying.create(place());
  const fleet = fleetOn(server, database, folder);
  const anew = replays('migrate-core', place, (name) => replay(server, fleetOn(server, database, folder), database, mode, name));
  const compiled = replays('migrate-core, compiled before', place, (name) => replay(server, fleet, database, mode, name));
  const runners = replays('node-pg-migrate, runner', place, (name) => replayByRunner(server, folder, database, mode, name));
  const alone = replays('the statements alone, a transaction each', place, (name) => replayAlone(server, written, database, mode, name));
  return {
    id: `provision-${mode}`,
    work: `a new tenant’s ${mode}, ${MIGRATIONS} migrations behind it`,
    ours: spares(tenancyWith(TENANTS), place),
    rivals: [{ contestant: anew, reach }, ...[copies(copying, place), compiled, runners, alone].map((contestant) => ({ contestant, reach: null }))],
    notes: [
      `of the ${MIGRATIONS} migrations, two thirds are alterations; they make ${MIGRATIONS / 6} tables`,
      'a spare: made ahead, outside of the time; what is measured is the whole call that gives it to a tenant, with connecting, the registry and the lock',
      'the copy: the whole call, with the registry, the lock and the log; the others: the place and its migrations',
      'migrate-core sends them in one transaction; node-pg-migrate and the statements have one for each',
    ],
  };
}

function spares(tenancy: Tenancy, place: NextPlace): Contestant {
  return {
    ...copies(tenancy, place),
    name: 'a spare',
    async prepare() {
      const { ready, error } = await tenancy.prepareSpares();
      if (ready !== TENANTS) throw error ?? new Error(`${ready} of ${TENANTS} spares are ready`);
    },
    async cleanUp() {
      const { ready } = await tenancy.spares();
      if (ready > 0) throw new Error(`${ready} of ${TENANTS} spares were not taken`);
    },
  };
}

function copies(tenancy: Tenancy, place: NextPlace): Contestant {
  return {
    name: 'a copy of the template',
    where: 'in process',
    repeats: TENANTS,
    async run() {
      for (let count = 0; count < TENANTS; count++) {
        const { by, tenant } = await tenancy.create(place());
        if (by !== 'template' || tenant.status !== 'active') throw new Error(`the tenant ${tenant.id} is ${tenant.status}, made by ${by}`);
      }
    },
  };
}

function replays(name: string, place: NextPlace, run: (name: string) => Promise<void>): Contestant {
  return {
    name: `replay: ${name}`,
    where: 'in process',
    repeats: TENANTS,
    async run() {
      for (let count = 0; count < TENANTS; count++) await run(place());
    },
  };
}

function fleetOn(server: OwnServer, database: string, folder: string): Fleet {
  return createFleet({ service: 'bench', source: directorySource(folder), targets: () => [], connect: (name) => connectTo(server, name ?? database) });
}

async function makePlace(server: OwnServer, database: string, mode: Mode, name: string): Promise<void> {
  const client = await connectTo(server, database);
  await client.query(`CREATE ${mode} "${name}"`);
  await client.end();
}

async function replay(server: OwnServer, fleet: Fleet, database: string, mode: Mode, name: string): Promise<void> {
  await makePlace(server, database, mode, name);
  const migrator = await fleet.migrator({ tenant: name, [mode]: name });
  expectAll((await migrator.up()).applied.length);
}

async function replayByRunner(server: OwnServer, dir: string, database: string, mode: Mode, name: string): Promise<void> {
  await makePlace(server, database, mode, name);
  const client = await connectTo(server, mode === 'schema' ? database : name);
  const done = await runInSchema(client, dir, mode === 'schema' ? name : 'public');
  await client.end();
  expectAll(done);
}

async function replayAlone(server: OwnServer, written: readonly Written[], database: string, mode: Mode, name: string): Promise<void> {
  await makePlace(server, database, mode, name);
  const client = await connectTo(server, mode === 'schema' ? database : name);
  if (mode === 'schema') await client.query(`SET search_path = "${name}"`);
  await client.query('CREATE TABLE done (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())');
  for (const one of written) await client.query(`BEGIN;\n${one.up}\nINSERT INTO done (name) VALUES ('${one.name}');\nCOMMIT`);
  await client.end();
}

function expectAll(applied: number): void {
  if (applied !== MIGRATIONS) throw new Error(`${MIGRATIONS} migrations were to be applied, and ${applied} were`);
}

async function connectTo(server: OwnServer, database: string): Promise<pg.Client & DatabaseClient> {
  return (await connect(server.url(database))) as pg.Client & DatabaseClient;
}
