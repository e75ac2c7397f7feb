/** A redo does the whole of it to the migration that is meant, or nothing; and whoever is asked is told its name. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migrate } from './support/command.ts';

const table = (name: string, columns = 'id int'): string => `CREATE TABLE ${name} (${columns});\n-- Down Migration\nDROP TABLE ${name};\n`;
const three = { 'm/0001_a.sql': table('a'), 'm/0002_b.sql': table('b'), 'm/0003_c.sql': table('c') };

async function tables(db: Awaited<ReturnType<typeof testDatabase>>): Promise<readonly string[]> {
  const { rows } = await (await db.connect()).query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relname IN ('a', 'b', 'c') ORDER BY 1`);
  return rows.map((row) => row.name);
}

test('a redo of the newest whose file is gone, or has another name, undoes nothing', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  await using without = await folder({ 'm/0001_a.sql': table('a'), 'm/0002_b.sql': table('b') });
  const gone = await migrate(['redo', '--dir', 'm', '--yes'], { ...at, cwd: without.path });
  expect(gone).toMatchObject({ code: 1 });
  expect(gone.stderr).toContain('0003_c');
  expect(gone.stderr).toContain('nothing was undone');
  await without.write({ 'm/0003_see.sql': table('c') });
  const renamed = await migrate(['redo', '--dir', 'm', '--yes'], { ...at, cwd: without.path });
  expect(renamed).toMatchObject({ code: 1 });
  expect(renamed.stderr).toContain('migrate repair --dir m --mark-undone 0003_c --mark-applied 0003_see');
  expect(await tables(db)).toEqual(['a', 'b', 'c']);
});

test('a redo that could not apply it again for another reason undoes nothing', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_a.sql': table('a'), 'm/0003_c.sql': table('c') });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  await place.write({ 'm/0002_b.sql': table('b') });
  await migrate(['up', '--dir', 'm', '--order', 'allow'], at);
  const below = await migrate(['redo', '--dir', 'm', '--yes'], at);
  expect(below).toMatchObject({ code: 1 });
  expect(below.stderr).toContain('0002_b is pending, but 0003_c above it is applied already');
  expect(below.stderr).toContain('nothing was undone: 0002_b could not be applied again');
  await place.write({ 'm/0001_a.sql': table('a', 'id bigint') });
  const changed = await migrate(['redo', '--dir', 'm', '--yes'], at);
  expect(changed).toMatchObject({ code: 1 });
  expect(changed.stderr).toContain('0001_a was changed after it was applied');
  expect(await tables(db)).toEqual(['a', 'b', 'c']);
});

test('a redo typed again after one that failed does not undo the next older migration', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  await place.write({ 'm/0003_c.sql': table('c', 'id no_such_type') });
  const failed = await migrate(['redo', '--dir', 'm', '--yes'], at);
  expect(failed).toMatchObject({ code: 1 });
  expect(failed.stderr).toContain('no_such_type');
  for (const args of [['--yes'], []]) {
    const again = await migrate(['redo', '--dir', 'm', ...args], at);
    expect(again).toMatchObject({ code: 1 });
    expect(again.stderr).toContain('0003_c was undone last, and is not applied again yet');
    expect(again.stderr).toContain('Correct 0003_c and apply it with: migrate up');
  }
  expect(await tables(db)).toEqual(['a', 'b']);
  await place.write({ 'm/0003_c.sql': table('c', 'id int, name text') });
  expect(await migrate(['up', '--dir', 'm'], at)).toMatchObject({ code: 0 });
  expect(await migrate(['redo', '--dir', 'm', '--yes'], at)).toMatchObject({ code: 0 });
  expect(await tables(db)).toEqual(['a', 'b', 'c']);
});

test('what was undone and whose file is gone does not stand in the way of a redo', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  expect(await migrate(['down', '--dir', 'm'], at)).toMatchObject({ code: 0 });
  expect(await migrate(['redo', '--dir', 'm', '--yes'], at)).toMatchObject({ code: 1 });
  await using without = await folder({ 'm/0001_a.sql': table('a'), 'm/0002_b.sql': table('b') });
  expect(await migrate(['redo', '--dir', 'm', '--yes'], { ...at, cwd: without.path })).toMatchObject({ code: 0 });
});

test('the question of a down or a redo names the migrations', async () => {
  await using db = await testDatabase();
  await using place = await folder(three);
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  const asked = async (...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await migrate([...args, '--dir', 'm'], at);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await asked('redo')).toContain('This would undo 0003_c and apply it again, for m;');
  expect(await asked('down', '--steps', '2')).toContain('This would undo 0003_c, 0002_b (2 migrations), for m;');
  expect(await asked('down', '--to', '2')).toContain('This would undo 0003_c, for m;');
  expect(await tables(db)).toEqual(['a', 'b', 'c']);
});
