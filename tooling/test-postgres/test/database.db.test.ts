import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { requirePgBouncer, runOn, startPgBouncer, startServer, testDatabase, testRole, testServer } from '../src/index.ts';

const exists = async (name: string): Promise<boolean> => {
  const { rowCount } = await runOn(await testServer(), `SELECT FROM pg_database WHERE datname = '${name}'`);
  return rowCount === 1;
};

describe('a database of a test', () => {
  let earlier = '';

  test('can be connected to, written to, and is nobody else’s', async () => {
    await using db = await testDatabase({ label: 'mine' });
    await using other = await testDatabase();
    earlier = db.name;
    const client = await db.connect();
    await client.query('CREATE TABLE t (n int)');
    const { rows } = await client.query('SELECT current_database() AS name');
    expect(rows).toEqual([{ name: db.name }]);
    expect(db.name).toMatch(/^mine_/);
    expect((await (await other.connect()).query(`SELECT to_regclass('t') AS t`)).rows).toEqual([{ t: null }]);
  });

  test('is gone after a test that passed', async () => {
    expect(earlier).not.toBe('');
    expect(await exists(earlier)).toBe(false);
  });

  test('is closed to the test at the end of its scope, and still there until the test is over', async () => {
    const client = await (async () => {
      await using db = await testDatabase({ label: 'kept' });
      db.keep();
      earlier = db.name;
      return await db.connect();
    })();
    await expect(client.query('SELECT 1')).rejects.toThrow();
    expect(await exists(earlier)).toBe(true);
  });

  test('stays after its test when kept', async () => {
    expect(earlier).toMatch(/^kept_/);
    expect(await exists(earlier)).toBe(true);
    await runOn(await testServer(), `DROP DATABASE ${earlier}`);
  });
});

test('a role logs in to the database it may use, and is dropped with what it owns there', async () => {
  await using db = await testDatabase();
  let name: string;
  {
    await using role = await testRole();
    name = role.name;
    await runOn(db.server, `GRANT CREATE ON SCHEMA public TO ${role.name}`, db.name);
    const client = await db.connect(role);
    await client.query('CREATE TABLE owned ()');
    expect((await client.query('SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user')).rows).toEqual([
      { rolsuper: false, rolbypassrls: false },
    ]);
    await client.end();
  }
  expect((await runOn(db.server, `SELECT FROM pg_roles WHERE rolname = '${name}'`)).rowCount).toBe(0);
});

test('a server of one’s own can be crashed, started again, and is gone after disposal', async () => {
  let directory: string;
  {
    await using server = await startServer();
    directory = server.directory;
    await runOn(server, 'CREATE DATABASE survivor');
    const first = server.pid;
    await server.stop('immediate');
    await expect(runOn(server, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
    await server.start();
    expect(server.pid).not.toBe(first);
    expect((await runOn(server, 'SELECT 1 AS one', 'survivor')).rows).toEqual([{ one: 1 }]);
  }
  expect(existsSync(directory)).toBe(false);
});

test('transactions go through PgBouncer, two clients sharing one server connection', async (context) => {
  requirePgBouncer(context);
  await using db = await testDatabase();
  await using bouncer = await startPgBouncer({ poolSize: 1 });
  const pid = async (): Promise<number> => {
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: bouncer.url(db.name) });
    await client.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await client.end();
    return rows[0]?.pid ?? 0;
  };
  const first = await pid();
  expect(first).toBeGreaterThan(0);
  expect(await pid()).toBe(first);
});
