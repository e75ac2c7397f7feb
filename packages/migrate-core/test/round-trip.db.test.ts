import { testDatabase, testRole, type TestServer } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';

import { MigrationError } from '../src/errors.ts';
import { checkRoundTrip, type RoundTripReport } from '../src/check/round-trip.ts';
import { SCRATCH_PREFIX, type ConnectTo } from '../src/check/scratch.ts';
import { sourceOf, type WrittenMigration } from './support/source.ts';

const people = { name: '0001_people', up: 'CREATE TABLE people (id int PRIMARY KEY, name text)', down: 'DROP TABLE people' };
const pets = { name: '0002_pets', up: 'CREATE TABLE pets (id int PRIMARY KEY, owner int REFERENCES people)', down: 'DROP TABLE pets' };

async function connectTo(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** Connections of the test's server; every scratch database that was seen. */
function connections(server: TestServer, seen: Set<string>, as?: { name: string; password: string }): ConnectTo {
  return (database) => {
    if (database !== null) seen.add(database);
    return connectTo(server.url(database ?? 'postgres', as));
  };
}

async function check(server: TestServer, ...written: readonly WrittenMigration[]): Promise<RoundTripReport> {
  const seen = new Set<string>();
  const report = await checkRoundTrip({ service: 'test', source: sourceOf(...written), connect: connections(server, seen) });
  await expectGone(server, seen);
  return report;
}

async function expectGone(server: TestServer, seen: ReadonlySet<string>): Promise<void> {
  expect(seen.size).toBeGreaterThan(0);
  expect([...seen].every((name) => name.startsWith(SCRATCH_PREFIX))).toBe(true);
  const client = await connectTo(server.url('postgres'));
  const { rows } = await client.query('SELECT datname FROM pg_database WHERE datname = ANY ($1)', [[...seen]]);
  await client.end();
  expect(rows).toEqual([]);
}

function short(report: RoundTripReport): string[] {
  return report.findings.map(({ code, severity, migration, differences }) => [severity, code, migration, ...differences.map(({ name }) => name)].join(' | '));
}

test('migrations that undo themselves have no finding', async () => {
  await using db = await testDatabase();
  const index = { name: '0003_index', up: 'CREATE INDEX CONCURRENTLY people_name ON people (name)', down: 'DROP INDEX CONCURRENTLY people_name' };
  const schema = { name: '0004_schema', up: 'CREATE SCHEMA other; CREATE TABLE other.t (a int)', down: 'DROP TABLE other.t; DROP SCHEMA other' };
  expect(await check(db.server, people, pets, index, schema)).toEqual({
    clean: ['0001_people', '0002_pets', '0003_index', '0004_schema'],
    findings: [],
    notTried: [],
  });
});

test('a down that leaves something, or takes too much, is found by the names of the objects, and those behind it are judged by themselves', async () => {
  await using db = await testDatabase();
  const leaves = {
    name: '0002_leaves',
    up: `CREATE TYPE kind AS ENUM ('cat'); ALTER TABLE people ADD COLUMN kind kind`,
    down: 'ALTER TABLE people DROP COLUMN kind',
  };
  const takes = {
    name: '0003_takes',
    up: 'ALTER TABLE people ALTER COLUMN name SET NOT NULL; CREATE TABLE more (id int)',
    down: 'DROP TABLE more; ALTER TABLE people DROP COLUMN name; ALTER TABLE people ADD COLUMN name varchar',
  };
  const last = { name: '0004_last', up: 'CREATE TABLE last (id int)', down: 'DROP TABLE last' };
  const report = await check(db.server, people, leaves, takes, last);
  expect(short(report)).toEqual([
    'error | notUndone | 0002_leaves | type kind',
    'error | upAgainFailed | 0002_leaves',
    'error | notUndone | 0003_takes | column name of table people | column order of table people',
  ]);
  expect(report.findings[0]?.message).toContain("+ type kind: enum ('cat')");
  expect(report.clean).toEqual(['0001_people', '0004_last']);
});

test('columns that only stand in another order are a warning', async () => {
  await using db = await testDatabase();
  const drops = { name: '0002_drops', up: 'ALTER TABLE people DROP COLUMN id', down: 'ALTER TABLE people ADD COLUMN id int PRIMARY KEY' };
  expect(short(await check(db.server, people, drops))).toEqual(['warning | notUndone | 0002_drops | column order of table people']);
});

test('an up that makes something else the second time is found', async () => {
  await using db = await testDatabase();
  const counts = {
    name: '0002_counts',
    up: `CREATE TABLE t (id int); DO $$ BEGIN EXECUTE format('COMMENT ON TABLE t IS %L', txid_current()); END $$`,
    down: 'DROP TABLE t',
  };
  expect(short(await check(db.server, counts))).toEqual(['error | notRepeated | 0002_counts | comment of table t']);
});

test('a down that fails is found with its statement, and an up that fails ends the trial', async () => {
  await using db = await testDatabase();
  const stays = { name: '0002_stays', up: 'CREATE TABLE stays (id int)', down: 'DROP TABLE\n  elsewhere' };
  const breaks = { name: '0003_breaks', up: 'CREATE TABLE broken (id missing)' };
  const report = await check(db.server, people, stays, breaks, pets);
  expect(short(report)).toEqual(['error | downFailed | 0002_stays', 'error | upFailed | 0003_breaks']);
  expect(report.findings[0]).toMatchObject({ sqlState: '42P01' });
  expect(report.findings[1]).toMatchObject({ sqlState: '42704', position: { line: 1 } });
  expect(report.notTried).toEqual(['0002_pets']);
});

test('what has no down is told as such, and does not keep the next ones from being tried', async () => {
  await using db = await testDatabase();
  const report = await check(db.server, people, { name: '0002_no_way_back', up: 'CREATE TABLE a (id int)' }, { ...pets, name: '0003_pets' });
  expect(short(report)).toEqual(['warning | irreversible | 0002_no_way_back']);
  expect(report.clean).toEqual(['0001_people', '0003_pets']);
});

test('a down that promises to lose nothing is held to the rows that it leaves', async () => {
  await using db = await testDatabase();
  const filled = { ...people, up: `${people.up}; INSERT INTO people VALUES (1, 'A'), (2, 'B')` };
  const loses = { name: '0002_loses', up: 'ALTER TABLE people ADD COLUMN x int', down: 'ALTER TABLE people DROP COLUMN x; DELETE FROM people WHERE id = 2' };
  expect(short(await check(db.server, filled, loses))).toEqual([]);
  const promises = await check(db.server, filled, { ...loses, directives: { down: 'lossless' } });
  expect(promises.findings.map(({ code, message }) => [code, message])).toEqual([
    ['rowsLost', 'the down of 0002_loses promises to lose nothing (down=lossless), but people had 2 rows and has 1'],
  ]);
});

test('what other services must have applied counts as applied', async () => {
  await using db = await testDatabase();
  const needs = { ...people, directives: { requires: [{ service: 'user', version: '0003' }] } };
  expect((await check(db.server, needs)).findings).toEqual([]);
});

test('a source in a schema of its own is tried there', async () => {
  await using db = await testDatabase();
  const seen = new Set<string>();
  const report = await checkRoundTrip({
    service: 'test',
    schema: 'Clinic 1',
    source: sourceOf(people, pets),
    connect: connections(db.server, seen),
    history: { table: 'done', schema: 'records' },
  });
  expect(report).toEqual({ clean: ['0001_people', '0002_pets'], findings: [], notTried: [] });
  await expectGone(db.server, seen);
});

test('a role that may not create databases is told what it needs', async () => {
  await using db = await testDatabase();
  await using role = await testRole();
  const run = checkRoundTrip({ service: 'test', source: sourceOf(people), connect: connections(db.server, new Set(), role) });
  await expect(run).rejects.toMatchObject({ code: 'invalidOptions', hint: `ALTER ROLE ${role.name} CREATEDB, or connect as another role with --url` });
});

test('a role with CREATEDB is enough, and stopping drops the database', async () => {
  await using db = await testDatabase();
  await using role = await testRole({ attributes: 'CREATEDB NOSUPERUSER' });
  const seen = new Set<string>();
  const fine = await checkRoundTrip({ service: 'test', source: sourceOf(people, pets), connect: connections(db.server, seen, role) });
  expect(fine.findings).toEqual([]);

  const stop = new AbortController();
  const slow = { name: '0003_slow', up: 'SELECT pg_sleep(30)', down: 'SELECT 1' };
  const run = checkRoundTrip({
    service: 'test',
    source: sourceOf(people, slow),
    connect: connections(db.server, seen, role),
    signal: stop.signal,
    onMigration: (name) => name === slow.name && setTimeout(() => stop.abort(), 300),
  });
  const error: unknown = await run.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MigrationError);
  expect((error as MigrationError).code).toBe('aborted');
  await expectGone(db.server, seen);
});

test('an empty source needs no database', async () => {
  const connect: ConnectTo = () => Promise.reject(new Error('must not be asked'));
  expect(await checkRoundTrip({ service: 'test', source: sourceOf(), connect })).toEqual({ clean: [], findings: [], notTried: [] });
});
