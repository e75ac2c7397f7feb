import { describe, expect, test } from 'vitest';

import { readLayout, type Entry, type Layout } from '../../src/source/layout.ts';

/** `a.sql`, or `a/` with what is inside. */
function layout(...paths: string[]): Layout {
  const folders = new Map<string, string[]>();
  const entries: Entry[] = [];
  for (const path of paths) {
    const [folder = '', file] = path.split('/');
    if (file === undefined) entries.push({ name: path, inside: null });
    else folders.set(folder, [...(folders.get(folder) ?? []), ...(file === '' ? [] : [file])]);
  }
  return readLayout([...entries, ...[...folders].map(([name, inside]) => ({ name, inside }))]);
}

describe('a folder', () => {
  test('may hold every layout side by side', () => {
    expect(
      layout(
        '0001_one.sql',
        '0002_two.up.sql',
        '0002_two.down.sql',
        '0003_three/migration.sql',
        '0003_three/rollback.sql',
        '0004-four/up.sql',
        '0004-four/down.sql',
        '0004-four/metadata.toml',
        '0005_five.ts',
        '0006_six.cjs',
        '0007_SEVEN.UP.SQL',
        'init.mjs',
      ),
    ).toEqual({
      units: [
        { kind: 'sql', name: '0001_one', up: '0001_one.sql', down: null, metadata: null },
        { kind: 'sql', name: '0002_two', up: '0002_two.up.sql', down: '0002_two.down.sql', metadata: null },
        { kind: 'sql', name: '0007_SEVEN', up: '0007_SEVEN.UP.SQL', down: null, metadata: null },
        { kind: 'sql', name: '0003_three', up: '0003_three/migration.sql', down: '0003_three/rollback.sql', metadata: null },
        { kind: 'sql', name: '0004-four', up: '0004-four/up.sql', down: '0004-four/down.sql', metadata: '0004-four/metadata.toml' },
        { kind: 'module', name: '0005_five', file: '0005_five.ts' },
        { kind: 'module', name: '0006_six', file: '0006_six.cjs' },
        { kind: 'module', name: 'init', file: 'init.mjs' },
      ],
      ignored: [],
      problems: [],
    });
  });

  test.each([
    ['notes.txt', 'documentation'],
    ['LICENSE', 'documentation'],
    ['0001_a.d.ts', 'a declaration file'],
    ['0001_a.test.ts', 'a test'],
    ['0001_a.js.map', 'a source map'],
    ['tsconfig.build.json', "the folder's configuration"],
    ['node_modules/x', "another tool's folder"],
    ['meta/_journal.json', "another tool's folder"],
    ['beforeMigrate__0__extensions.sql', "a callback of Flyway's: run it by hand, or make it a migration"],
    ['0001_a.sql.bak', 'neither SQL nor a module'],
    ['0001_a.sql/x', 'a folder without migration.sql or up.sql'],
    ['helpers/', 'a folder without migration.sql or up.sql'],
  ])('reports %s as no migration', (path, reason) => {
    expect(layout(path)).toEqual({ units: [], ignored: [{ path: path.split('/')[0], reason }], problems: [] });
  });

  test.each([
    ['0001_a.down.sql', '0001_a.up.sql'],
    ['0001_a/down.sql', '0001_a/up.sql'],
    ['0001_a/rollback.sql', '0001_a/migration.sql'],
  ])('reports %s without %s as no migration, and reads the rest', (path, up) => {
    const found = layout(path, '0002_b.sql');
    expect(found).toMatchObject({ units: [{ name: '0002_b' }], ignored: [{ path, reason: `a down without its up (${up})` }], problems: [] });
  });

  test.each([
    ['0001_a-up.sql', '0001_a-down.sql', '0001_a-up'],
    ['0001_a.sql', '0001_a_DOWN.sql', '0001_a'],
    ['0001_a.up.sql', '0001_a.undo.sql', '0001_a'],
    ['0001_a.sql', '0001_a-revert.sql', '0001_a'],
    ['0001.do.a.sql', '0001.undo.a.sql', '0001.do.a'],
    ['V1.2__a.sql', 'U1.2__a.sql', 'V1.2__a'],
  ])('takes %s and %s for one migration, which keeps the name of its up', (up, down, name) => {
    expect(layout(up, down)).toEqual({ units: [{ kind: 'sql', name, up, down, metadata: null }], ignored: [], problems: [] });
  });

  test('takes a name that looks like a down’s for one only beside downs of that kind', () => {
    expect(layout('0001_shut_down.sql', '0002_shut.sql', '0003_follow_up.sql').units).toHaveLength(3);
    expect(layout('0001_shut_down.sql', '0002_a_up.sql', '0002_a_down.sql')).toMatchObject({
      units: [{ name: '0002_a_up', down: '0002_a_down.sql' }],
      ignored: [{ path: '0001_shut_down.sql', reason: 'a down without its up' }],
    });
    expect(layout('0001_a.sql', '0001_a.down.sql', '0001_a_down.sql').problems).toMatchObject([{ code: 'duplicate', name: '0001_a' }]);
  });

  test('keeps a module beside a down file of its name, which is reported', () => {
    expect(layout('0001_a.ts', '0001_a.down.sql')).toMatchObject({ units: [{ kind: 'module', name: '0001_a' }], ignored: [{ path: '0001_a.down.sql' }] });
  });

  test('says nothing of hidden files, its order file, a README, and Prisma’s lock file', () => {
    expect(layout('.gitkeep', '.DS_Store', 'migrations.order', 'migration_lock.toml', 'README', 'README.md', 'readme.txt')).toEqual({
      units: [],
      ignored: [],
      problems: [],
    });
  });

  test.each<[string[], string, string]>([
    [['0001_a.sql', '0001_a.up.sql'], 'duplicate', '0001_a.sql and 0001_a.up.sql are the same migration (0001_a): keep one of them'],
    [['0001_a.sql', '0001_a.ts'], 'duplicate', '0001_a.sql and 0001_a.ts are the same migration (0001_a): keep one of them'],
    [['0001_a.js', '0001_a.ts'], 'duplicate', '0001_a.js and 0001_a.ts are the same migration (0001_a): keep one of them'],
    [['0001_a.sql', '0001_a/up.sql'], 'duplicate', '0001_a.sql and 0001_a/up.sql are the same migration (0001_a): keep one of them'],
    [['0001_a/up.sql', '0001_a/migration.sql'], 'duplicate', '0001_a/migration.sql and 0001_a/up.sql are the same migration (0001_a): keep one of them'],
  ])('of %j has a problem', (paths, code, message) => {
    expect(layout(...paths).problems).toEqual([{ code, name: '0001_a', message }]);
  });
});
