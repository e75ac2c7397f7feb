import { randomUUID } from 'node:crypto';
import { testDatabase, testRole, type TestDatabase } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';
import { poolDefaults, type Actor } from '../src/database.ts';
import { TenantPools } from '../src/tenant-pools.ts';

const actor: Actor = { tenant: randomUUID(), user: null };
const sql = 'SELECT current_database() AS name, current_user AS role';

async function databases(count: number): Promise<TestDatabase[]> {
  return await Promise.all(Array.from({ length: count }, () => testDatabase({ label: 'clinic' })));
}

function poolsOn(server: TestDatabase, most: number, role: string | null = null): { pools: TenantPools; opened: string[] } {
  const opened: string[] = [];
  const open = (database: string, limits: { max: number; idleTimeoutMillis: number }): pg.Pool => {
    opened.push(database);
    return new pg.Pool({ ...poolDefaults, connectionString: server.server.url(database), ...limits });
  };
  return { pools: new TenantPools({ role, path: null, most, open }), opened };
}

test('each tenant’s transaction runs in its own database, as the application’s role', async () => {
  await using role = await testRole({ label: 'application' });
  const [a, b] = (await databases(2)) as [TestDatabase, TestDatabase];
  for (const db of [a, b]) await (await db.connect()).query(`GRANT CONNECT ON DATABASE ${db.name} TO ${role.name}`);
  const { pools } = poolsOn(a, 4, role.name);
  const seen = await Promise.all([a, b].map((db) => pools.run(db.name, actor, async (tx) => (await tx.query(sql)).rows[0])));
  expect(seen).toEqual([
    { name: a.name, role: role.name },
    { name: b.name, role: role.name },
  ]);
  await pools.close();
});

test('of many tenants a few have connections: the least recently used lose theirs, and get new ones', async () => {
  const all = await databases(6);
  const { pools, opened } = poolsOn(all[0] as TestDatabase, 2);
  for (const db of all) expect(await pools.run(db.name, actor, async (tx) => (await tx.query<{ name: string }>(sql)).rows[0]?.name)).toBe(db.name);
  expect(pools.size).toBe(2);
  expect(opened).toEqual(all.map((db) => db.name));
  const [last, before] = [all[5], all[4]] as [TestDatabase, TestDatabase];
  await pools.run(before.name, actor, (tx) => tx.query(sql));
  await pools.run(last.name, actor, (tx) => tx.query(sql));
  expect(opened).toHaveLength(6);
  await pools.run((all[0] as TestDatabase).name, actor, (tx) => tx.query(sql));
  expect(opened).toHaveLength(7);
  await pools.close();
});

test('no more connections than told are in use at once, and nobody who waits for one is forgotten', async () => {
  const all = await databases(5);
  const { pools } = poolsOn(all[0] as TestDatabase, 3);
  let now = 0;
  let highest = 0;
  const names = await Promise.all(
    Array.from({ length: 60 }, (_, index) => all[index % all.length] as TestDatabase).map((db) =>
      pools.run(db.name, actor, async (tx) => {
        highest = Math.max(highest, ++now);
        const { rows } = await tx.query<{ name: string }>(`SELECT current_database() AS name, pg_sleep(0.01)`);
        now--;
        return rows[0]?.name === db.name;
      }),
    ),
  );
  expect(names).toEqual(Array.from({ length: 60 }, () => true));
  expect(highest).toBeLessThanOrEqual(3);
  expect(pools.size).toBeLessThanOrEqual(3);
  await pools.close();
});

test('a database that is not there is that tenant’s trouble alone', async () => {
  const [a] = (await databases(1)) as [TestDatabase];
  const { pools } = poolsOn(a, 2);
  const gone = pools.run('clinic_that_is_not_there', actor, (tx) => tx.query(sql));
  await expect(gone).rejects.toMatchObject({ code: '3D000' });
  expect(await pools.run(a.name, actor, async (tx) => (await tx.query(sql)).rowCount)).toBe(1);
  await pools.close();
});
