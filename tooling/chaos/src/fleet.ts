/** A fleet of schemas that several processes migrate at once: killed at random, and shared among many. */

import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase } from '@org/test-postgres';
import pg from 'pg';

import { writeMigrations, writePlainMigrations } from './migrations.ts';
import { startFleet, type Ended } from './process.ts';
import { createTenantSchemas, tenantSchemas } from './tenants.ts';
import { faults } from './truth.ts';

export interface FleetKillOptions {
  /** Kills in all. */
  readonly kills: number;
  /** Processes at once. */
  readonly together: number;
  readonly tenants: number;
  readonly say: (line: string) => void;
}

/** Tenants at once within a process. */
const CONCURRENCY = 2;
/** Crowds that are killed before the last run, unless one of them got to the end. */
const LIVES = 6;

/** Answers the number of databases in which something was wrong. */
export async function fleetKill({ kills, together, tenants, say }: FleetKillOptions): Promise<number> {
  await using folder = await writeMigrations(1);
  const schemas = tenantSchemas(tenants);
  let killed = 0;
  let wrong = 0;
  for (let round = 1; killed < kills; round++) {
    await using db = await testDatabase();
    await createTenantSchemas(db.url, schemas);
    const before = killed;
    const bad: string[] = [];
    let complete = false;
    for (let life = 0; life < LIVES && !complete && killed < kills; life++) {
      const running = Array.from({ length: together }, () => startFleet(folder.path, db.url, tenants, CONCURRENCY));
      const ends = await Promise.all(
        running.map(async (one) => {
          // Some die while Node still starts: the work lies behind that.
          void sleep(250 + Math.random() * 1_250).then(() => one.process.kill('SIGKILL'));
          return one.ended;
        }),
      );
      killed += ends.filter((end) => end.code === null).length;
      bad.push(...complaints(ends));
      complete = ends.some((end) => end.code === 0);
    }
    bad.push(...complaints([await startFleet(folder.path, db.url, tenants, CONCURRENCY).ended]));
    bad.push(...(await faults(db.url, folder, schemas)));
    if (bad.length > 0) wrong++;
    say(`database ${round}: ${killed - before} killed, ${bad.length === 0 ? `${tenants} tenants complete and true` : bad.slice(0, 10).join('; ')}`);
  }
  return wrong;
}

/** Of those that were left alone and did not end well. */
function complaints(ends: readonly Ended[]): string[] {
  return ends.filter((end) => end.code !== null && end.code !== 0).map((end) => `exit ${end.code}: ${end.output.slice(0, 2_000)}`);
}

export interface FleetCrowdOptions {
  readonly rounds: number;
  readonly processes: number;
  readonly tenants: number;
  /** What the pending migration takes besides the change of a small table: milliseconds of waiting in the server. */
  readonly workMs: number;
  readonly say: (line: string) => void;
}

/**
 * Replicas that begin together on a fleet one version behind, against one replica alone on another such fleet. Answers the number of rounds in which
 * something was wrong; the times are told, and not judged.
 */
export async function fleetCrowd({ rounds, processes, tenants, workMs, say }: FleetCrowdOptions): Promise<number> {
  let wrong = 0;
  for (let round = 1; round <= rounds; round++) {
    const alone = await crowdOf(1, tenants, workMs);
    const crowd = await crowdOf(processes, tenants, workMs);
    if (alone.wrong.length + crowd.wrong.length > 0) wrong++;
    for (const fault of [...alone.wrong, ...crowd.wrong].slice(0, 10)) say(`  ${fault}`);
    const compare = (what: string, one: number, many: number): string => `${what} ${seconds(many)} against ${seconds(one)} (${(many / one).toFixed(2)}×)`;
    say(
      `round ${round}: ${tenants} tenants one version behind, ${processes} processes against one: ` +
        `${compare('the last tenant was migrated after', alone.migratedMs, crowd.migratedMs)}, ${compare('the last process ended after', alone.ms, crowd.ms)}; ` +
        `shared among ${crowd.sharing} (${crowd.shares.join(', ')})`,
    );
  }
  return wrong;
}

interface Crowd {
  /** From the word until the last one ended. */
  readonly ms: number;
  /** From the word until nothing was pending any more. */
  readonly migratedMs: number;
  /** Processes that migrated a tenant at least. */
  readonly sharing: number;
  /** How many tenants each of them migrated, the most first. */
  readonly shares: readonly number[];
  readonly wrong: readonly string[];
}

async function crowdOf(processes: number, tenants: number, workMs: number): Promise<Crowd> {
  await using older = await writePlainMigrations(5);
  await using folder = await writePlainMigrations(6, workMs);
  await using db = await testDatabase();
  const schemas = tenantSchemas(tenants);
  await createTenantSchemas(db.url, schemas);
  const wrong = complaints([await startFleet(older.path, db.url, tenants, CONCURRENCY).ended]);
  const running = Array.from({ length: processes }, () => startFleet(folder.path, db.url, tenants, CONCURRENCY, 'when-told'));
  // Loading Node twenty times on a few cores would be most of what is measured.
  await Promise.all(running.map((one) => Promise.race([one.spoke, one.ended])));
  const began = performance.now();
  const beganAt = Date.now();
  for (const one of running) one.process.stdin?.end();
  const ends = await Promise.all(running.map((one) => one.ended));
  const ms = performance.now() - began;
  const migratedMs = (await lastMigrated(db.url, schemas)) - beganAt;
  wrong.push(...complaints(ends));
  const migrated = ends
    .filter((end) => end.code === 0)
    .map((end) => (JSON.parse(end.output.slice(end.output.indexOf('\n'))) as { migrated: string[] }).migrated);
  const all = migrated.flat();
  if (all.length !== tenants || new Set(all).size !== tenants) {
    wrong.push(`${all.length} were migrated, ${new Set(all).size} of them different, instead of ${tenants}`);
  }
  wrong.push(...(await faults(db.url, folder, schemas)));
  const shares = migrated.map((names) => names.length).toSorted((a, b) => b - a);
  return { ms, migratedMs, sharing: shares.filter((share) => share > 0).length, shares, wrong };
}

/** When the log got its last row, by the clock that this machine and its server share. */
async function lastMigrated(url: string, schemas: readonly string[]): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  let last = 0;
  for (const schema of schemas) {
    const { rows } = await client.query<{ at: Date }>(`SELECT max(at) AS at FROM ${schema}.schema_migrations_log`);
    last = Math.max(last, rows[0]?.at.getTime() ?? 0);
  }
  await client.end();
  return last;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
