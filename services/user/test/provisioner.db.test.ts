/** What the service sends on to another one, which is a plain HTTP server here: its own tests have both. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startService } from '@org/service-kit/testing';
import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const admin = { email: 'admin@example.org', password: 'correct horse battery', first_name: 'Salma', last_name: 'Bennani' };

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

interface Other extends AsyncDisposable {
  readonly url: string;
  /** The names of the clinics that it was told, in order. */
  readonly told: readonly string[];
}

/** Answers 201, after `before` has been waited for. */
async function otherService(before: (name: string) => Promise<void> = async () => undefined): Promise<Other> {
  const told: string[] = [];
  const take = async (request: IncomingMessage): Promise<void> => {
    const { name } = JSON.parse(await text(request)) as { name: string };
    told.push(name);
    await before(name);
  };
  const server = createHttpServer((request, response) => void take(request).then(() => response.writeHead(201).end('{}')));
  const url = `http://127.0.0.1:${await listen(server)}`;
  return {
    url,
    told,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Door extends AsyncDisposable {
  readonly port: number;
  /** When somebody came, while it was shut or not. Milliseconds. */
  readonly knocks: readonly number[];
  /** Ends all connections, and each new one at once. */
  shut(): void;
  open(): void;
}

/** Stands between the service and its database. */
async function doorTo(host: string, port: number): Promise<Door> {
  const knocks: number[] = [];
  const inside = new Set<Socket>();
  let isOpen = true;
  const server = createServer((socket) => {
    knocks.push(performance.now());
    if (!isOpen) return void socket.destroy();
    const onward = connect(port, host);
    const both = [socket, onward];
    for (const one of both) {
      inside.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        inside.delete(one);
        for (const each of both) each.destroy();
      });
    }
    socket.pipe(onward).pipe(socket);
  });
  const shut = (): void => {
    isOpen = false;
    for (const one of inside) one.destroy();
  };
  return {
    port: await listen(server),
    knocks,
    shut,
    open: () => (isOpen = true),
    async [Symbol.asyncDispose]() {
      shut();
      server.close();
      await once(server, 'close');
    },
  };
}

test('a clinic that is renamed while the other service is told its old name is told again, and then done', async () => {
  const atIt = Promise.withResolvers<void>();
  const renamed = Promise.withResolvers<void>();
  await using other = await otherService(async (name) => {
    if (name !== 'Clinique du Parc') return;
    atIt.resolve();
    await renamed.promise;
  });
  await using db = await testDatabase({ label: 'user' });
  await using service = await startService(main, { USER_DATABASE_URL: db.url, APPOINTMENT_SERVICE_URL: other.url });
  await service.until('/health/ready', 200);
  const id = randomUUID();
  expect((await service.request('POST', '/clinics', { body: { id, name: 'Clinique du Parc', country: 'Morocco', admin } })).status).toBe(201);
  const { token } = (await service.request('POST', '/sign-in', { body: { clinic: id, email: admin.email, password: admin.password } })).body;
  await atIt.promise;
  expect((await service.request('PATCH', `/clinics/${id}`, { token, body: { name: 'Clinique du Port' } })).status).toBe(200);
  renamed.resolve();
  const state = async (): Promise<unknown> => (await service.request('GET', `/clinics/${id}/provisioning`, { token })).body;
  await expect.poll(state, { timeout: 15_000 }).toMatchObject({ status: 'active', services: [{ service: 'appointment', status: 'active', error: null }] });
  expect(other.told).toEqual(['Clinique du Parc', 'Clinique du Port']);
  // What the other service does not know is nothing to tell it.
  expect((await service.request('PATCH', `/clinics/${id}`, { token, body: { phone: '+212 5 37 00 00 00' } })).status).toBe(200);
  expect(await state()).toMatchObject({ status: 'active' });
});

test('after an outage of the database, what is due is seen within seconds, and meanwhile it was not stormed', async () => {
  await using other = await otherService();
  await using db = await testDatabase({ label: 'user' });
  const direct = new URL(db.url);
  await using door = await doorTo(direct.hostname, Number(direct.port));
  const through = new URL(db.url);
  through.host = `127.0.0.1:${door.port}`;
  await using service = await startService(main, {
    USER_DATABASE_URL: through.href,
    USER_MIGRATION_DATABASE_URL: db.url,
    APPOINTMENT_SERVICE_URL: other.url,
  });
  await service.until('/health/ready', 200);
  const body = { id: randomUUID(), name: 'Clinique du Parc', country: 'Morocco', admin };
  expect((await service.request('POST', '/clinics', { body })).status).toBe(201);
  const client = await db.connect();
  const status = async (): Promise<unknown> => (await client.query('SELECT status FROM clinic_provisionings')).rows[0]?.status;
  await expect.poll(status, { timeout: 10_000 }).toBe('active');

  door.shut();
  const before = door.knocks.length;
  await sleep(20_000);
  const during = door.knocks.slice(before);
  expect(during.length).toBeGreaterThan(2);
  expect(during.length).toBeLessThan(15);
  // Nobody tells the service of it.
  await client.query(`UPDATE clinic_provisionings SET status = 'pending', completed_at = NULL, next_attempt_at = now()`);
  door.open();
  await expect.poll(status, { timeout: 30_000, interval: 100 }).toBe('active');
  expect(other.told).toEqual([body.name, body.name]);
  // At most five seconds and a quarter, and what a busy machine takes.
  const gaps = door.knocks.slice(before).map((at, index, all) => at - (all[index - 1] ?? at));
  expect(Math.max(...gaps)).toBeLessThan(10_000);
  // A line for each reason, and not for each time.
  const lines = service.output().match(/cannot be read, and are asked for again: [^"]*/g);
  expect(lines).toEqual([...new Set(lines)]);
  expect(lines).not.toEqual([]);
}, 90_000);
