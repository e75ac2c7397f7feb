import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';
import { history, logOf, migrations, startDemo } from './support/demo-process.ts';

const files = {
  '0001_notes.sql': 'CREATE TABLE notes (id int PRIMARY KEY, text text);\n',
  '0002_fill.sql': 'INSERT INTO notes SELECT n, n::text FROM generate_series(1, 1000) n;\n',
  '0003_index.sql': '-- migrate: transaction=none\nCREATE INDEX CONCURRENTLY notes_text_idx ON notes (text);\n',
  '0004_more.sql': 'ALTER TABLE notes ADD COLUMN at timestamptz NOT NULL DEFAULT now();\n',
};
const names = Object.keys(files).map((name) => name.replace('.sql', ''));

test('twenty replicas started together migrate once, and all become ready', { timeout: 120_000 }, async () => {
  await using db = await testDatabase();
  await using folder = await migrations(files);
  const replicas = await Promise.all(Array.from({ length: 20 }, () => startDemo(folder, db.url, { LOG_LEVEL: 'info' })));
  try {
    await Promise.all(replicas.map((one) => one.until('/health/ready', 200, 90_000)));
    expect(await history(db)).toEqual(names);
    expect((await logOf(db)).filter((entry) => entry.startsWith('up '))).toEqual(names.map((name) => `up ${name}`));
    const applied = replicas.map((one) => one.output().match(/"msg":"\d{4}_\w+ applied"/g)?.length ?? 0);
    expect(applied.reduce((sum, count) => sum + count, 0)).toBe(names.length);
  } finally {
    await Promise.all(replicas.map((one) => one[Symbol.asyncDispose]()));
  }
});

test('replicas with nothing pending do not wait while another one migrates', { timeout: 120_000 }, async () => {
  await using db = await testDatabase();
  await using current = await migrations({ '0001_notes.sql': files['0001_notes.sql'] });
  await using before = await startDemo(current, db.url);
  await before.until('/health/ready', 200);

  await using newer = await migrations({ '0001_notes.sql': files['0001_notes.sql'], '0002_long.sql': 'SELECT pg_sleep(60);\n' });
  await using holder = await startDemo(newer, db.url);
  await expect.poll(async () => (await holder.request('GET', '/health/db')).body.running, { timeout: 30_000 }).toBe('0002_long');

  const replicas = await Promise.all(Array.from({ length: 5 }, () => startDemo(current, db.url)));
  try {
    await Promise.all(replicas.map((one) => one.until('/health/ready', 200, 45_000)));
    expect((await holder.request('GET', '/health/db')).body.running).toBe('0002_long');
    expect(replicas.filter((one) => one.output().includes('waiting for whoever'))).toEqual([]);
  } finally {
    await Promise.all(replicas.map((one) => one[Symbol.asyncDispose]()));
  }
});
