/** A fleet in which some tenants cannot be migrated, by the command line: killed half way, run again, repaired, run once more. */

import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase } from '@org/test-postgres';
import pg from 'pg';

import { writePlainMigrations } from './migrations.ts';
import { startMigrating } from './process.ts';
import { createTenantSchemas, tenantSchemas } from './tenants.ts';
import { faults } from './truth.ts';

export interface SabotageOptions {
  readonly tenants: number;
  /** Tenants in whose way something stands. */
  readonly sabotaged: number;
  /** Migrations of each. */
  readonly migrations: number;
  readonly say: (line: string) => void;
}

/** What is read of `migrate up --json`. */
interface Told {
  readonly services: readonly {
    readonly targets: readonly {
      readonly tenant: string;
      readonly outcome: string;
      readonly failed: { readonly sqlState: string | null; readonly statement: string | null } | null;
    }[];
  }[];
}

/** Answers the number of things that were wrong. */
export async function sabotage({ tenants, sabotaged, migrations, say }: SabotageOptions): Promise<number> {
  await using folder = await writePlainMigrations(migrations);
  await using db = await testDatabase();
  const schemas = tenantSchemas(tenants);
  await createTenantSchemas(db.url, schemas);
  const hurt = schemas.filter((_, index) => index % Math.ceil(tenants / sabotaged) === Math.floor(tenants / sabotaged / 2));
  // In the way of the first migration's table.
  await query(
    db.url,
    hurt.map((schema) => `CREATE TABLE ${schema}.visit (oops int)`),
  );

  let wrong = 0;
  const expect = (what: string, seen: unknown, wanted: unknown): void => {
    const [found, right] = [JSON.stringify(seen), JSON.stringify(wanted)];
    if (found !== right) wrong++;
    say(found === right ? `✓ ${what}: ${found}` : `✗ ${what}: ${found} instead of ${right}`);
  };
  const tenantQuery = `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'clinic\\_%' ORDER BY 1`;
  const up = (): ReturnType<typeof startMigrating> => startMigrating(folder.path, db.url, ['--tenant-schemas', tenantQuery]);

  const killed = up();
  const half = await until(db.url, tenants / 2, killed.ended);
  killed.process.kill('SIGKILL');
  expect('killed half way', { inTheMiddle: half < tenants - sabotaged, code: (await killed.ended).code }, { inTheMiddle: true, code: null });
  say(`  ${half} of ${tenants} tenants had a history then`);

  const second = await up().ended;
  const told = (JSON.parse(second.document) as Told).services.flatMap(({ targets }) => targets);
  const failed = told.filter((one) => one.outcome === 'failed');
  expect('exit code', second.code, 4);
  expect('done', told.length - failed.length, tenants - hurt.length);
  expect('failed', failed.map((one) => one.tenant).toSorted(), hurt);
  expect('each with', [...new Set(failed.map((one) => `${one.failed?.sqlState} ${one.failed?.statement}`))], ['42P07 CREATE TABLE visit (id int PRIMARY KEY)']);

  await query(
    db.url,
    hurt.map((schema) => `DROP TABLE ${schema}.visit`),
  );
  const third = await up().ended;
  const again = (JSON.parse(third.document) as Told).services.flatMap(({ targets }) => targets);
  expect('exit code after the repair', third.code, 0);
  expect(
    'touched then',
    again
      .filter((one) => one.outcome !== 'upToDate')
      .map((one) => one.tenant)
      .toSorted(),
    hurt,
  );
  const untrue = await faults(db.url, folder, schemas);
  expect(`histories and logs of ${tenants} tenants that are not true`, untrue.slice(0, 10), []);
  return wrong;
}

/** How many tenants have a history, as soon as these many do or the process has ended. */
async function until(url: string, wanted: number, ended: Promise<unknown>): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (;;) {
      const { rows } = await client.query<{ there: number }>(
        `SELECT count(*)::int AS there FROM pg_class WHERE relname = 'schema_migrations' AND relkind = 'r'`,
      );
      const there = rows[0]?.there ?? 0;
      const over = await Promise.race([ended.then(() => true), sleep(20, false)]);
      if (there >= wanted || over) return there;
    }
  } finally {
    await client.end();
  }
}

async function query(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(statements.join(';\n'));
  await client.end();
}
