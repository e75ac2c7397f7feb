import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { directorySource } from '../src/source/directory.ts';
import { failureOf, folder, migratorOn, rows } from './support/target.ts';

const base = {
  '0001_a.sql': 'CREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;\n',
  '0002_b.sql': 'CREATE TABLE b (id int);\n-- Down Migration\nDROP TABLE b;\n',
  '0003_c.sql': 'CREATE TABLE c (id int);\n-- Down Migration\nDROP TABLE c;\n',
};

const utf16 = (text: string): Buffer => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);

test.each(['0002_b', '0003_c'])('%s, applied and saved as UTF-16 afterwards, is told as that and not as deleted', async (name) => {
  await using db = await testDatabase();
  await using files = await folder(base);
  await migratorOn(db, files.path).migrator.up();
  await writeFile(join(files.path, `${name}.sql`), utf16(base[`${name}.sql` as keyof typeof base]));
  const { migrator } = migratorOn(db, files.path);
  const status = await migrator.status();
  expect(status.problems.map((one) => [one.code, one.name])).toEqual([['invalidMigration', name]]);
  expect(status.problems[0]?.message).toContain('UTF-16');
  expect(status.applied.map((row) => row.name)).toEqual(['0001_a', '0002_b', '0003_c']);
  expect(status.current?.name).toBe('0003_c');
  expect(status.pending).toEqual([]);
  const planned = await migrator.plan({ direction: 'up' });
  expect(planned.plan.problems.map((one) => [one.code, one.name])).toEqual([['invalidMigration', name]]);
  const refused = await failureOf(migrator.up());
  expect(refused.code).toBe('invalidMigration');
  expect(refused.message).not.toContain('migrate down');
  const repaired = await failureOf(migrator.repair({ accept: [name] }));
  expect(repaired).toMatchObject({ code: 'invalidMigration', message: expect.stringContaining('UTF-16') });
  expect(`${repaired.message} ${repaired.hint}`).not.toContain('migrate down');
  expect(await rows(db, `SELECT 1 FROM pg_class WHERE relname IN ('a', 'b', 'c')`)).toHaveLength(3);
});

test('one that cannot be read and was never applied is a problem, and none of the others moves', async () => {
  await using db = await testDatabase();
  await using files = await folder(base);
  await migratorOn(db, files.path).migrator.up({ to: '1' });
  await writeFile(join(files.path, '0002_b.sql'), utf16(base['0002_b.sql']));
  const { migrator } = migratorOn(db, files.path);
  const status = await migrator.status();
  expect(status.problems.map((one) => [one.code, one.name])).toEqual([['invalidMigration', '0002_b']]);
  expect(status.pending.map((one) => one.name)).toEqual(['0003_c']);
  expect((await migrator.plan({ direction: 'up' })).steps.map((one) => one.name)).toEqual(['0003_c']);
});

// Root may open everything.
test.skipIf(process.getuid?.() === 0)('a folder that may not be opened is a migration that cannot be read', async () => {
  await using files = await folder({});
  await mkdir(join(files.path, '0001_a'));
  await writeFile(join(files.path, '0001_a', 'migration.sql'), 'SELECT 1');
  await chmod(join(files.path, '0001_a'), 0o000);
  const listing = await directorySource(files.path).list();
  expect(listing).toMatchObject({
    migrations: [],
    ignored: [],
    names: ['0001_a'],
    problems: [{ name: '0001_a', message: expect.stringContaining('permission denied') }],
  });
  await chmod(join(files.path, '0001_a'), 0o700);
});
