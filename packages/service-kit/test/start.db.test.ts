import { startServer, testDatabase } from '@org/test-postgres';
import pg from 'pg';
import { expect, test } from 'vitest';
import { history, migrations, startDemo } from './support/demo-process.ts';

const first = { '0001_notes.sql': '-- Up Migration\nCREATE TABLE notes (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE notes;\n' };
const slow = { '0002_slow.sql': '-- Up Migration\nSELECT pg_sleep(1.5);\n-- Down Migration\nSELECT 1;\n' };

test('a service listens at once, is not ready while it migrates, and then serves', async () => {
  await using db = await testDatabase();
  await using folder = await migrations({ ...first, ...slow });
  await using service = await startDemo(folder, db.url);

  const during = await service.until('/health/db', 200);
  expect(during.body.phase).toBe('migrating');
  expect((await service.request('GET', '/health/live')).status).toBe(200);
  expect(await service.request('GET', '/health/ready')).toMatchObject({ status: 503, body: { phase: 'migrating' } });
  expect(await service.request('GET', '/hello')).toMatchObject({ status: 503, body: { title: 'Service Unavailable' } });

  // Asked all the while, as other services do: no answer from before it was ready is given afterwards.
  while ((await service.request('GET', '/health/ready')).status !== 200) await service.request('GET', '/health/db');
  expect((await service.request('GET', '/health/db')).body).toEqual({
    service: 'demo',
    version: '0002',
    applied: ['0001_notes', '0002_slow'],
    pending: [],
    problems: [],
    running: null,
    phase: 'ready',
  });
  expect((await service.request('GET', '/hello')).body).toEqual({ hello: 'demo' });

  service.kill('SIGTERM');
  expect(await service.ended).toEqual({ code: 0, signal: null });
});

test('with MIGRATE_ON_START=wait a service applies nothing, and is ready when somebody else has', async () => {
  await using db = await testDatabase();
  await using folder = await migrations(first);
  await using waiting = await startDemo(folder, db.url, { MIGRATE_ON_START: 'wait' });
  const before = await waiting.until('/health/ready', 503);
  await expect.poll(async () => (await waiting.request('GET', '/health/ready')).body.pending, { timeout: 15_000 }).toEqual(['0001_notes']);
  expect(before.status).toBe(503);
  expect(await history(db)).toEqual([]);

  await using running = await startDemo(folder, db.url);
  await running.until('/health/ready', 200);
  await waiting.until('/health/ready', 200);
  expect(await history(db)).toEqual(['0001_notes']);
});

test('with MIGRATE_ON_START=off a service serves without a look at the schema, and still tells what is pending', async () => {
  await using db = await testDatabase();
  await using folder = await migrations(first);
  await using service = await startDemo(folder, db.url, { MIGRATE_ON_START: 'off' });
  await service.until('/health/ready', 200);
  expect((await service.request('GET', '/health/db')).body).toMatchObject({ version: null, applied: [], pending: ['0001_notes'] });
  expect(await history(db)).toEqual([]);
});

test('a failing migration ends the service with its place and without its data', async () => {
  await using db = await testDatabase();
  await using folder = await migrations({
    ...first,
    '0002_fill.sql': '-- Up Migration\nINSERT INTO notes VALUES (4711);\nINSERT INTO notes VALUES (4711);\n-- Down Migration\nDELETE FROM notes;\n',
  });
  await using service = await startDemo(folder, db.url);
  expect((await service.ended).code).toBe(1);
  expect(service.output()).toContain('demo cannot start');
  expect(service.output()).toContain('0002_fill');
  // DETAIL would be: Key (id)=(4711) already exists.
  expect(service.output()).not.toContain('(id)=');
  expect(await history(db)).toEqual(['0001_notes']);
});

test('a migration that was changed after it was applied stops the start, and names it', async () => {
  await using db = await testDatabase();
  await using folder = await migrations(first);
  await using before = await startDemo(folder, db.url);
  await before.until('/health/ready', 200);

  await folder.write({ '0001_notes.sql': first['0001_notes.sql'].replace('int PRIMARY', 'bigint PRIMARY') });
  await using after = await startDemo(folder, db.url);
  expect((await after.ended).code).toBe(1);
  expect(after.output()).toMatch(/demo cannot start: [^"]*0001_notes/);
});

test('an older build starts against a newer schema', async () => {
  await using db = await testDatabase();
  await using newer = await migrations({ ...first, '0002_more.sql': '-- Up Migration\nCREATE TABLE more (id int);\n-- Down Migration\nDROP TABLE more;\n' });
  await using ahead = await startDemo(newer, db.url);
  await ahead.until('/health/ready', 200);

  await using older = await migrations(first);
  await using behind = await startDemo(older, db.url);
  await behind.until('/health/ready', 200);
  expect((await behind.request('GET', '/health/db')).body).toMatchObject({ applied: ['0001_notes', '0002_more'], pending: [] });
});

test('a service waits for a server that comes up late, and answers meanwhile', async () => {
  await using server = await startServer();
  await server.stop('fast');
  await using folder = await migrations(first);
  await using service = await startDemo(folder, server.url('postgres'), { MIGRATE_SERVER_WAIT: '30s' });
  await expect.poll(async () => (await service.request('GET', '/health/ready')).body, { timeout: 15_000 }).toMatchObject({ phase: 'waitingForServer' });
  expect((await service.request('GET', '/health/live')).status).toBe(200);
  expect((await service.request('GET', '/health/db')).status).toBe(503);

  await server.start();
  await service.until('/health/ready', 200);
});

test('a server that never comes is waited for no longer than the limit', async () => {
  await using folder = await migrations(first);
  await using service = await startDemo(folder, 'postgres://nobody:very-secret@127.0.0.1:1/none', { MIGRATE_SERVER_WAIT: '700ms' });
  expect((await service.ended).code).toBe(1);
  expect(service.output()).toContain('could not be reached for 0.7 s');
  expect(service.output()).not.toContain('very-secret');
});

test('settings that make no sense are all named, with exit 2 and before anything is opened', async () => {
  await using folder = await migrations(first);
  await using service = await startDemo(folder, 'postgres://127.0.0.1:1/none', {
    MIGRATE_ON_START: 'maybe',
    PORT: 'eighty',
    NODE_ENV: 'production',
    AUTH_SECRET: '',
  });
  expect((await service.ended).code).toBe(2);
  for (const name of ['MIGRATE_ON_START', 'PORT', 'AUTH_SECRET']) expect(service.output()).toContain(name);
});

test('a service without a connection says what to set', async () => {
  await using folder = await migrations(first);
  await using service = await startDemo(folder, '');
  expect((await service.ended).code).toBe(2);
  expect(service.output()).toContain('DEMO_MIGRATION_DATABASE_URL');
});

test('requests are refused where the application’s role could see every tenant’s rows and no other can be taken on', async () => {
  await using db = await testDatabase();
  await using folder = await migrations(first);
  const name = `demo_${db.name}`;
  await using service = await startDemo(folder, db.url, { DEMO_APPLICATION_ROLE: name });
  expect((await service.ended).code).toBe(2);
  expect(service.output()).toContain(`the role ${name} to use instead does not exist`);
  const client = new pg.Client(db.url);
  await client.connect();
  expect((await client.query('SELECT FROM pg_roles WHERE rolname = $1', [name])).rowCount).toBe(0);
  await client.end();
});
