/** The network goes silent, without an end to the connections: a signal still ends the process. */

import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, start } from './support/command.ts';

test('a signal ends a run of tenants in time, also where the server has fallen silent', async () => {
  await using db = await testDatabase();
  const target = new URL(db.url);
  const port = Number(target.port);
  const sockets: Socket[] = [];
  let silent = false;
  const proxy = createServer((near) => {
    const far = connect(port, target.hostname);
    sockets.push(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (chunk) => silent || to.write(chunk));
      from.on('error', () => undefined);
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    const client = await db.connect();
    await client.query('CREATE TABLE clinics (name text)');
    for (let index = 0; index < 40; index++) await client.query(`CREATE SCHEMA clinic_${index}; INSERT INTO clinics VALUES ('clinic_${index}')`);
    await using place = await folder({ 'm/0001_a.sql': 'CREATE TABLE a (id int);', 'm/0002_b.sql': 'SELECT pg_sleep(0.2);\nCREATE TABLE b (id int);' });
    target.port = String((proxy.address() as AddressInfo).port);
    const running = start(['up', '--dir', 'm', '--concurrency', '4', '--tenant-schemas', 'SELECT name FROM clinics'], {
      cwd: place.path,
      env: { DATABASE_URL: target.href },
    });
    const done = `SELECT count(*)::int >= 8 AS some FROM pg_tables WHERE tablename = 'b'`;
    await expect.poll(async () => (await client.query(done)).rows, { timeout: 30_000, interval: 50 }).toEqual([{ some: true }]);
    silent = true;
    const began = performance.now();
    running.process.kill('SIGTERM');
    const { code, stderr } = await running.finished;
    expect(performance.now() - began).toBeLessThan(45_000);
    expect(code).toBe(143);
    expect(stderr).toContain('not known');
  } finally {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  }
}, 90_000);
