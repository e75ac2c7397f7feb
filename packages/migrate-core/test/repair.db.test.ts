import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startServer, testDatabase, type TestDatabase } from '@org/test-postgres';
import { describe, expect, test } from 'vitest';

import { failureOf, folder, migratorOn, rows, versions } from './support/target.ts';

const base = {
  '0001_a.sql': 'CREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;\n',
  '0002_b.sql': 'CREATE TABLE b (id int);\n-- Down Migration\nDROP TABLE b;\n',
};

test('a changed file is accepted, with the down that it has now', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  await migratorOn(db, files.path).migrator.up();
  await files.write({ '0002_b.sql': 'CREATE TABLE b (id bigint);\n-- Down Migration\nDROP TABLE b CASCADE;\n' });
  const changed = migratorOn(db, files.path).migrator;
  expect((await changed.status()).problems.map((one) => one.code)).toEqual(['changed']);
  expect(await changed.repair({ accept: ['2'] })).toEqual({ accepted: ['0002_b'], markedApplied: [], markedUndone: [] });
  expect((await changed.status()).problems).toEqual([]);
  const [line] = await changed.log(1);
  expect(line).toMatchObject({ action: 'repair', name: '0002_b' });
  await files.remove('0002_b.sql');
  expect(versions((await migratorOn(db, files.path).migrator.down()).undone)).toEqual(['0002']);
  expect((await failureOf(changed.repair({ accept: ['1'] }))).message).toContain('is as it was applied');
});

test('what was done by hand is marked as applied, what was taken away by hand as undone, and nothing is run', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const { migrator } = migratorOn(db, files.path);
  await migrator.up({ to: '1' });
  await migrator.repair({ markApplied: ['0002'] });
  expect((await migrator.status()).pending).toEqual([]);
  expect(await rows(db, `SELECT 1 FROM pg_class WHERE relname = 'b'`)).toHaveLength(0);
  await migrator.repair({ markUndone: ['0002'] });
  expect((await migrator.status()).pending.map((one) => one.version)).toEqual(['0002']);
  expect(versions((await migrator.up()).applied)).toEqual(['0002']);
  expect((await migrator.log()).map((one) => one.action)).toEqual(['up', 'repair', 'repair', 'up']);
});

test('a renamed migration gets its new name', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  await migratorOn(db, files.path).migrator.up();
  await files.remove('0002_b.sql');
  await files.write({ '0002_bees.sql': base['0002_b.sql'] });
  const { migrator } = migratorOn(db, files.path);
  const [problem] = (await migrator.status()).problems;
  expect(problem?.code).toBe('renamed');
  expect(problem?.message).toContain('--mark-undone 0002_b --mark-applied 0002_bees');
  await migrator.repair({ markUndone: ['0002_b'], markApplied: ['0002_bees'] });
  expect((await migrator.status()).problems).toEqual([]);
});

const base3 = { ...base, '0003_c.sql': 'CREATE TABLE c (id int);\n-- Down Migration\nDROP TABLE c;\n' };

test('a renamed oldest migration stays the oldest: down undoes the newest', async () => {
  await using db = await testDatabase();
  await using files = await folder(base3);
  await migratorOn(db, files.path).migrator.up();
  await files.remove('0001_a.sql');
  await files.write({ '0001_first.sql': base['0001_a.sql'] });
  const { migrator } = migratorOn(db, files.path);
  await migrator.repair({ markUndone: ['0001_a'], markApplied: ['0001_first'] });
  expect((await migrator.status()).applied.map((row) => [row.name, row.seq])).toEqual([
    ['0001_first', 0],
    ['0002_b', 2],
    ['0003_c', 3],
  ]);
  expect((await migrator.log(2)).map((one) => [one.seq, one.name])).toEqual([
    [5, '0001_first'],
    [4, '0001_a'],
  ]);
  expect((await migrator.down({ steps: 2 })).undone.map((step) => step.name)).toEqual(['0003_c', '0002_b']);
  expect(versions((await migrator.up()).applied)).toEqual(['0002', '0003']);
});

test('a migration marked undone and then applied is back in its place, in a tie with the one before it', async () => {
  await using db = await testDatabase();
  await using files = await folder(base3);
  const { migrator } = migratorOn(db, files.path);
  await migrator.up();
  await migrator.repair({ markUndone: ['2'] });
  await migrator.repair({ markApplied: ['2'] });
  expect((await migrator.status()).applied.map((row) => [row.name, row.seq])).toEqual([
    ['0001_a', 1],
    ['0002_b', 1],
    ['0003_c', 3],
  ]);
  // A build that has only the newest of them knows the order by the names.
  await using other = await folder({ '0003_c.sql': base3['0003_c.sql'] });
  const downs = await migratorOn(db, other.path).migrator.plan({ direction: 'down', steps: 3 });
  expect(downs.steps.map((step) => step.name)).toEqual(['0003_c', '0002_b', '0001_a']);
  expect((await migrator.down({ steps: 3 })).undone.map((step) => step.name)).toEqual(['0003_c', '0002_b', '0001_a']);
});

test('several are marked as applied in the order of the source, however they are typed', async () => {
  await using db = await testDatabase();
  await using files = await folder(base3);
  const { migrator } = migratorOn(db, files.path);
  const report = await migrator.repair({ markApplied: ['3', '1', '2'] });
  expect(report.markedApplied).toEqual(['0001_a', '0002_b', '0003_c']);
  expect((await migrator.plan({ direction: 'down', steps: 3 })).steps.map((step) => step.name)).toEqual(['0003_c', '0002_b', '0001_a']);
});

test('an interrupted migration is marked as a person found it', async () => {
  await using db = await testDatabase();
  await using files = await folder({ ...base, '0003_c.sql': '-- migrate: transaction=none\nCREATE TABLE c (id int);\nSELECT 1/0;\n' });
  const { migrator } = migratorOn(db, files.path);
  await failureOf(migrator.up());
  expect((await migrator.status()).interrupted.at(-1)).toMatchObject({ name: '0003_c', state: 'started' });
  expect((await failureOf(migrator.repair({ accept: ['3'] }))).hint).toContain('--mark-applied 0003_c');
  await migrator.repair({ markApplied: ['3'] });
  expect((await migrator.status()).applied.at(-1)).toMatchObject({ name: '0003_c', state: 'applied' });
  expect((await migrator.status()).problems).toEqual([]);
});

test('nothing to repair, and nothing found, say what to type', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  const { migrator } = migratorOn(db, files.path);
  expect((await failureOf(migrator.repair({}))).hint).toContain('--mark-applied');
  expect((await failureOf(migrator.repair({ markUndone: ['1'] }))).message).toContain('1 is not in the history');
  expect((await failureOf(migrator.repair({ markApplied: ['0009'] }))).message).toContain('0009 is not in the migrations');
});

test('of a migration whose file was deleted there is nothing to accept, and two ways out are named', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  await migratorOn(db, files.path).migrator.up();
  await files.remove('0002_b.sql');
  const { migrator } = migratorOn(db, files.path);
  expect((await migrator.status()).problems).toMatchObject([{ code: 'unknownApplied', message: expect.stringContaining('migrate down --only 0002_b') }]);
  const error = await failureOf(migrator.repair({ accept: ['2'] }));
  expect(error.message).toContain('0002_b is applied, and no migration here has that name');
  expect(error.hint).toContain('migrate repair --mark-undone 0002_b');
});

describe('a migration that was applied before anything stood in it', () => {
  const template = '-- Up Migration\n-- Runs in one transaction.\n\n\n-- Down Migration\n-- Takes it back.\n\n';
  const filled = '-- Up Migration\nCREATE TABLE x (id int);\n\n-- Down Migration\nDROP TABLE x;\n';

  test('is told so by the plan, and afterwards it is redone, not accepted', async () => {
    await using db = await testDatabase();
    await using files = await folder({ ...base, '0003_x.sql': template });
    expect((await migratorOn(db, files.path).migrator.plan({ direction: 'up' })).notices).toMatchObject([
      { name: '0003_x', message: expect.stringContaining('has no statement') },
    ]);
    await migratorOn(db, files.path).migrator.up();
    await files.write({ '0003_x.sql': filled });
    const told = '0003_x had no statement when it was applied: what stands in it now has not run here. Apply it with: migrate redo';
    const { migrator } = migratorOn(db, files.path);
    expect((await migrator.status()).problems.map((one) => [one.code, one.message])).toEqual([['changed', told]]);
    expect((await migrator.plan({ direction: 'up' })).plan.problems.map((one) => one.message)).toEqual([told]);
    expect((await failureOf(migrator.up())).message).toBe(told);
    await migrator.down();
    expect(versions((await migrator.up()).applied)).toEqual(['0003']);
    expect(await rows(db, `SELECT 1 FROM pg_class WHERE relname = 'x'`)).toHaveLength(1);
    expect((await migrator.status()).problems).toEqual([]);
  });

  test('becomes a new migration where others were applied behind it', async () => {
    await using db = await testDatabase();
    await using files = await folder({ ...base, '0003_x.sql': template, '0004_y.sql': 'CREATE TABLE y (id int);\n' });
    await migratorOn(db, files.path).migrator.up();
    await files.write({ '0003_x.sql': filled });
    const [problem] = (await migratorOn(db, files.path).migrator.status()).problems;
    expect(problem?.message).toContain('into a new migration: migrate create');
    expect(problem?.message).not.toContain('repair');
  });

  test('is forgotten where no down was stored with it', async () => {
    await using db = await testDatabase();
    await using files = await folder({ ...base, '0003_x.up.sql': '-- nothing\n' });
    await migratorOn(db, files.path).migrator.up();
    await files.write({ '0003_x.up.sql': 'CREATE TABLE x (id int);\n' });
    const { migrator } = migratorOn(db, files.path);
    expect((await migrator.status()).problems[0]?.message).toContain('migrate repair --mark-undone 0003_x, then apply it with: migrate up');
    await migrator.repair({ markUndone: ['0003'] });
    expect(versions((await migrator.up()).applied)).toEqual(['0003']);
  });
});

test('a repair on a standby says so', async () => {
  await using server = await startServer();
  const db = { url: server.url() } as TestDatabase;
  await using files = await folder(base);
  const { migrator } = migratorOn(db, files.path);
  await migrator.up();
  await server.stop();
  await writeFile(join(server.directory, 'standby.signal'), '');
  await server.start();
  const error = await failureOf(migrator.repair({ markUndone: ['2'] }));
  expect(error).toMatchObject({ code: 'connection', hint: 'connect to the primary' });
  expect(error.message).toContain('is a standby, which cannot be written to');
}, 60_000);
