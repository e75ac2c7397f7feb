import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase, type TestDatabase } from '@org/test-postgres';
import type pg from 'pg';
import { expect, test } from 'vitest';

import { connectTo, folder, migratorOn, rows } from '../support/target.ts';

const files = (seconds: number): Record<string, string> => ({
  '0001_tables.sql': 'CREATE TABLE t (id int);\nCREATE TABLE doses (n int);\n',
  '0002_steps.sql': `INSERT INTO doses SELECT 1 FROM (SELECT pg_sleep(${seconds})) s;\nCREATE INDEX CONCURRENTLY t_id ON t (id);\n`,
});

async function untilInserting(db: TestDatabase): Promise<void> {
  for (let n = 0; n < 200; n++) {
    const found = await rows(db, `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`);
    if (found.length > 0) return;
    await sleep(10);
  }
  throw new Error('it never began');
}

test('whoever takes over a step whose guardian died does not run again what the dying run still committed', async () => {
  await using db = await testDatabase();
  await using folderOf = await folder(files(3));
  await migratorOn(db, folderOf.path).migrator.up({ to: '1' });
  const first = migratorOn(db, folderOf.path)
    .migrator.up()
    .catch((error: Error) => error.message);
  await untilInserting(db);
  const admin = await db.connect();
  // The idle transaction that holds the lock: an administrator, a network device or a failing pooler ends it.
  await admin.query(
    `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  await migratorOn(db, folderOf.path).migrator.up();
  await first;
  expect(await rows(db, 'SELECT n FROM doses')).toEqual([{ n: 1 }]);
});

test('whoever takes over from a killed process does not run again what its last message still committed', async () => {
  await using db = await testDatabase();
  await using folderOf = await folder(files(0.4));
  await migratorOn(db, folderOf.path).migrator.up({ to: '1' });
  const clients: pg.Client[] = [];
  const connect = async (): Promise<pg.Client> => {
    const client = await connectTo(db.url);
    clients.push(client);
    return client;
  };
  let killed = false;
  const first = migratorOn(db, folderOf.path, {
    connect: () => (killed ? Promise.reject(new Error('killed')) : connect()),
  })
    .migrator.up()
    .catch(() => undefined);
  await untilInserting(db);
  killed = true;
  // As a SIGKILL closes all sockets of a process at once.
  for (const client of clients) (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  await migratorOn(db, folderOf.path).migrator.up();
  expect(await rows(db, 'SELECT n FROM doses')).toEqual([{ n: 1 }]);
  await first;
});
