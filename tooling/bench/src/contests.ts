/** What is measured, against whom, and what must be reached. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { createMigrator, directorySource, type Connect } from '@org/migrate-core';
import type { OwnServer } from '@org/test-postgres';
import { resolveBinary } from 'dbmate';
import type pg from 'pg';

import { isInstalled, PACKED, runCommand } from './command.ts';
import type { Contest, Contestant, Rival } from './contest.ts';
import { connect, freshDatabases } from './databases.ts';
import { fleetPending, fleetSmall, fleetStatus } from './fleet-contests.ts';
import type { Folders } from './migrations.ts';
import { provisionDatabase, provisionSchema } from './provision-contests.ts';

const require = createRequire(import.meta.url);
const nodePgMigrate = join(dirname(require.resolve('node-pg-migrate/package.json')), 'bin', 'node-pg-migrate.js');

/** The beginning of a program for `node -e`, as short as it can be. */
const IMPORT_PG = `import(${JSON.stringify(require.resolve('pg'))}).then(async ({ default: pg }) =>`;

export interface Surroundings {
  readonly server: OwnServer;
  readonly folders: Folders;
  readonly migrations: number;
  /** For temporary files. */
  readonly base: string;
  /** The path of the command line, packed and laid out as it is when it is installed. Made when it is first asked for. */
  readonly migrate: () => Promise<string>;
  /** Tenant schemas to be migrated. */
  readonly tenants: number;
  /** Tenant schemas to be looked at. */
  readonly fleet: number;
}

/** By what `--only` takes. */
export const contests: Readonly<Record<string, (around: Surroundings) => Promise<Contest>>> = {
  'pending-in-process': pendingInProcess,
  'pending-command': pendingCommand,
  'current-in-process': currentInProcess,
  'current-command': currentCommand,
  'fleet-pending': fleetPending,
  'fleet-small': fleetSmall,
  'fleet-status': fleetStatus,
  'provision-schema': provisionSchema,
  'provision-database': provisionDatabase,
};

function migrator(folder: string, connectTo: Connect): ReturnType<typeof createMigrator> {
  return createMigrator({ service: 'bench', source: directorySource(folder), connect: connectTo });
}

/** A contestant that begins with an empty database each time. */
function onFresh(server: OwnServer, name: string, where: Contestant['where'], run: (url: string) => Promise<void>): Contestant {
  const database = freshDatabases(server, name.replaceAll(/\W/g, '_').toLowerCase());
  return { name, where, prepare: () => database.create(), run: () => run(database.url()) };
}

async function pendingInProcess({ server, folders, migrations }: Surroundings): Promise<Contest> {
  const ours = onFresh(server, 'migrate-core', 'in process', async (url) => {
    const report = await migrator(folders.ours, (() => connect(url)) as unknown as Connect).up();
    expectCount(report.applied.length, migrations);
  });
  const psql = onFresh(server, 'psql', 'command', (url) => runCommand('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', url, '-f', folders.psql]));
  const present = await isInstalled('psql');
  return {
    id: 'pending-in-process',
    work: `${migrations} pending migrations, in process`,
    ours,
    rivals: present ? [{ contestant: psql, reach: 0.8 }] : [],
    notes: [
      'ours: reading the folder, parsing, connecting, running, recording; psql: one process, a transaction for each migration, nothing recorded',
      ...(present ? [] : ['psql is not installed: there is nothing to compare with. Debian: apt-get install postgresql-client']),
    ],
  };
}

async function pendingCommand({ server, folders, migrations, migrate }: Surroundings): Promise<Contest> {
  const node = process.execPath;
  const packed = await migrate();
  const ours = onFresh(server, 'migrate', 'command', (url) => runCommand(node, [packed, 'up', '--dir', folders.ours, '--url', url]));
  const rivals: Rival[] = [];
  const notes = [PACKED];
  try {
    const binary = resolveBinary();
    const dbmate = onFresh(server, 'dbmate', 'command', (url) =>
      runCommand(binary, ['--url', `${url}?sslmode=disable`, '--migrations-dir', folders.dbmate, '--no-dump-schema', 'migrate']),
    );
    rivals.push({ contestant: dbmate, reach: 1.2 });
  } catch (error) {
    notes.push(`dbmate has no binary for this machine (${(error as Error).message}): not compared`);
  }
  rivals.push({
    contestant: onFresh(server, 'node-pg-migrate', 'command', (url) =>
      runCommand(node, [nodePgMigrate, 'up', '-m', folders.nodePgMigrate], { DATABASE_URL: url }),
    ),
    reach: 0.75,
  });
  const floor = `${IMPORT_PG} {
    const { readFile } = await import('node:fs/promises');
    const client = new pg.Client({ connectionString: process.argv[1] });
    await client.connect();
    await client.query("SET synchronous_commit = off");
    await client.query(await readFile(process.argv[2], 'utf8'));
    await client.end();
  })`;
  rivals.push({
    contestant: onFresh(server, 'node, pg, the statements alone', 'command', (url) => runCommand(node, ['-e', floor, url, folders.psql])),
    reach: null,
  });
  notes.push('the statements alone: no folder, no look at what was applied, no parser, no lock, no record, in one message');
  return { id: 'pending-command', work: `${migrations} pending migrations, whole command`, ours, rivals, notes };
}

const REPEATS = 100;

async function currentInProcess({ server, folders, migrations }: Surroundings): Promise<Contest> {
  const database = freshDatabases(server, 'current_in_process');
  await database.create();
  const client = await connect(database.url());
  const ready = migrator(folders.ours, (() => connect(database.url())) as unknown as Connect);
  expectCount((await ready.up()).applied.length, migrations);
  const borrowing = createMigrator({
    service: 'bench',
    source: directorySource(folders.ours),
    client: client as never,
    connect: (() => connect(database.url())) as unknown as Connect,
  });
  await borrowing.up();
  const statements = await countStatements(client, async () => {
    await borrowing.up();
  });
  const repeat = (name: string, once: () => Promise<unknown>): Contestant => ({
    name,
    where: 'in process',
    repeats: REPEATS,
    run: async () => {
      for (let n = 0; n < REPEATS; n++) await once();
    },
  });
  return {
    id: 'current-in-process',
    work: `nothing pending (${migrations} applied), in process, connected`,
    ours: repeat('migrate-core', async () => expectCount((await borrowing.up()).applied.length, 0)),
    rivals: [
      {
        contestant: repeat('one SELECT of the history', () =>
          client.query('SELECT name, version, checksum, applied_at FROM schema_migrations_bench ORDER BY seq'),
        ),
        reach: 2,
      },
      { contestant: repeat('SELECT 1', () => client.query('SELECT 1')), reach: null },
    ],
    end: () => client.end(),
    notes: [`ours sends ${statements} statement${statements === 1 ? '' : 's'}`, `each sample is the mean of ${REPEATS} in a row`],
  };
}

async function currentCommand({ server, folders, migrate }: Surroundings): Promise<Contest> {
  const packed = await migrate();
  const database = freshDatabases(server, 'current_command');
  await database.create();
  const up = ['up', '--dir', folders.ours, '--url', database.url()];
  const ours: Contestant = { name: 'migrate', where: 'command', run: () => runCommand(process.execPath, [packed, ...up]) };
  await ours.run();
  const program = `${IMPORT_PG} {
    const client = new pg.Client({ connectionString: process.argv[1] });
    await client.connect();
    await client.query('SELECT 1');
    await client.end();
  })`;
  return {
    id: 'current-command',
    work: 'nothing pending, whole command',
    ours,
    rivals: [
      { contestant: { name: 'node, pg, SELECT 1', where: 'command', run: () => runCommand(process.execPath, ['-e', program, database.url()]) }, reach: 1.5 },
    ],
    notes: [PACKED],
  };
}

async function countStatements(client: pg.Client, work: () => Promise<void>): Promise<number> {
  const query = client.query.bind(client) as (...given: unknown[]) => unknown;
  let count = 0;
  const counting = (...given: unknown[]): unknown => {
    count++;
    return query(...given);
  };
  Object.assign(client, { query: counting });
  try {
    await work();
  } finally {
    // The one of its class again.
    Reflect.deleteProperty(client, 'query');
  }
  return count;
}

/** A contestant that did something else must not win. */
function expectCount(seen: number, wanted: number): void {
  if (seen !== wanted) throw new Error(`${wanted} migrations were to be applied, and ${seen} were`);
}
