import { execFileSync } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';

import { describe, expect, test } from 'vitest';

import { MigrationError } from '../../src/errors.ts';
import type { CompiledMigration } from '../../src/migration.ts';
import { directorySource } from '../../src/source/directory.ts';
import { testFolder } from '../support/folder.ts';

const namesIn = async (path: string): Promise<string[]> => (await directorySource(path).list()).migrations.map((one) => one.name);

const upOf = (one: CompiledMigration | undefined): string => (one?.up.kind === 'sql' ? one.up.sql : String(one?.up.kind));

describe('a folder of migrations', () => {
  test('is listed in order, with what each is', async () => {
    await using folder = await testFolder({
      '0010_ten.sql': 'SELECT 10;\n\n-- Down Migration\nSELECT -10;\n',
      '0002_two.up.sql': '-- migrate: description=The second transaction=x\nSELECT 2;\n',
      '0002_two.down.sql': 'SELECT -2;\n',
      '0001_one/migration.sql': '-- migrate: transaction=none requires=user@3\nSELECT 1;\n',
      '0003_three.js': "exports.migrate = { transaction: 'none' };\nexports.up = (pgm) => pgm.sql('SELECT 3');\n",
      'notes.md': 'about',
    });
    const { migrations, ignored, problems } = await directorySource(folder.path).list();
    expect(problems).toEqual([]);
    expect(ignored).toEqual([{ path: 'notes.md', reason: 'documentation' }]);
    expect(
      migrations.map(({ name, version, description, directives, file }) => [
        name,
        version,
        description,
        directives.transaction,
        relative(folder.path, file ?? ''),
      ]),
    ).toEqual([
      ['0001_one', '0001', 'one', 'none', '0001_one/migration.sql'],
      ['0002_two', '0002', 'The second transaction=x', 'per-migration', '0002_two.up.sql'],
      ['0003_three', '0003', 'three', 'none', '0003_three.js'],
      ['0010_ten', '0010', 'ten', 'per-migration', '0010_ten.sql'],
    ]);
    expect(migrations.map((one) => one.downChecksum !== null)).toEqual([false, true, false, true]);
  });

  test('is compiled with its places, and says why there is no down', async () => {
    await using folder = await testFolder({
      '0001_one.sql': '-- why\nSELECT 1;\n-- Down Migration\nSELECT -1;\n',
      '0002_two.up.sql': 'SELECT 2;',
      '0003_three/up.sql': 'SELECT 3;',
      '0004_four.sql': 'SELECT 4;',
    });
    const source = directorySource(folder.path);
    const compiled = await source.compile(['0003_three', '0001_one', '0002_two', '0004_four']);
    expect(compiled.map((one) => one.name)).toEqual(['0003_three', '0001_one', '0002_two', '0004_four']);
    expect(compiled.map((one) => one.irreversible)).toEqual([
      'there is no 0003_three/rollback.sql or 0003_three/down.sql',
      null,
      'there is no 0002_two.down.sql',
      '0004_four.sql has no "-- Down Migration" section',
    ]);
    const [, one] = compiled;
    expect(one?.down).toMatchObject({ kind: 'sql', origin: { file: join(folder.path, '0001_one.sql'), line: 2 } });
  });

  test('in another tool’s format is one problem, with its first file and the number of the others', async () => {
    const dbmate = '-- migrate:up\nCREATE TABLE a (id int);\n\n-- migrate:down\nDROP TABLE a;\n';
    await using folder = await testFolder({
      '1_a.sql': dbmate,
      '2_b.sql': dbmate,
      '3_c.sql': dbmate,
      '4_d.sql': '-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n',
    });
    const { problems } = await directorySource(folder.path).list();
    expect(problems.map((one) => [one.name, one.message.replace(folder.path, '')])).toEqual([
      ['1_a', expect.stringMatching(/^\/1_a\.sql:1:1: "-- migrate:up" is dbmate's format: .* \(so are 2 more files here\)$/)],
      ['4_d', expect.stringMatching(/^\/4_d\.sql:1:1: "-- \+goose Up" is goose's format: .*\.down\.sql$/)],
    ]);
  });

  test('has the same checksums on every machine, and a changed down changes only its own', async () => {
    const sums = async (content: string | Uint8Array): Promise<(string | null)[]> => {
      await using folder = await testFolder({ '0001_a.sql': content });
      const [one] = (await directorySource(folder.path).list()).migrations;
      return [one?.checksum ?? null, one?.downChecksum ?? null];
    };
    const plain = 'SELECT 1;\n-- Down Migration\nSELECT 2;\n';
    expect(await sums(`\uFEFF${plain.replaceAll('\n', '\r\n')}`)).toEqual(await sums(plain));
    const [up, down] = await sums(plain);
    expect(await sums(plain.replace('SELECT 2', 'SELECT 3'))).toEqual([up, expect.not.stringMatching(down ?? '')]);
    expect((await sums('SELECT 1;\n'))[0]).toBe(up);
    expect((await sums('SELECT 1; \n'))[0]).not.toBe(up);
  });

  test('reads the metadata of Diesel', async () => {
    await using folder = await testFolder({
      '2024-01-01-000000_a/up.sql': 'CREATE INDEX CONCURRENTLY i ON t (x);',
      '2024-01-01-000000_a/down.sql': 'DROP INDEX CONCURRENTLY i;',
      '2024-01-01-000000_a/metadata.toml': '# why\nrun_in_transaction = false\n',
      '2024-01-02-000000_b/up.sql': 'SELECT 1;',
      '2024-01-02-000000_b/metadata.toml': 'run_in_transaction = true\n',
    });
    const { migrations } = await directorySource(folder.path).list();
    expect(migrations.map((one) => one.directives.transaction)).toEqual(['none', 'per-migration']);
  });

  test('may be empty', async () => {
    await using folder = await testFolder();
    expect(await directorySource(folder.path).list()).toEqual({ migrations: [], ignored: [], problems: [] });
    expect(await directorySource(folder.path).compile([])).toEqual([]);
  });

  test('may have any names', async () => {
    const names = [
      `0001_it's"; DROP TABLE x; --`,
      '0002_with spaces and 😀',
      '0003_$(rm -rf)',
      '0004_line\nbreak',
      '0005_%s\\n',
      '0006_..',
      '__proto__',
      'constructor',
    ];
    await using folder = await testFolder(Object.fromEntries(names.map((name) => [`${name}.sql`, 'SELECT 1;'])));
    const { migrations, problems, ignored } = await directorySource(folder.path).list();
    expect([problems, ignored]).toEqual([[], []]);
    expect(migrations.map((one) => one.name).toSorted()).toEqual(names.toSorted());
    expect(upOf((await directorySource(folder.path).compile([names[3] as string]))[0])).toBe('SELECT 1;');
  });

  test('may hold thousands of files', async () => {
    await using folder = await testFolder(Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`${index}_a.sql`, 'SELECT 1;'])));
    expect(await namesIn(folder.path)).toHaveLength(2_000);
  });
});

describe('a folder that cannot be read', () => {
  test.each([
    ['is not there', 'nowhere', /nowhere cannot be read: it does not exist/],
    ['is a file', 'a.sql', /a\.sql cannot be read: it is not a folder/],
  ])('because it %s says so', async (_, name, message) => {
    await using folder = await testFolder({ 'a.sql': 'SELECT 1;' });
    const error: unknown = await directorySource(join(folder.path, name))
      .list()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MigrationError);
    expect(error).toMatchObject({
      code: 'invalidOptions',
      hint: 'name the folder that holds the migrations',
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('a file that cannot be read', () => {
  test('is a problem of its migration, and the others are listed', async () => {
    await using folder = await testFolder({
      '0001_a.sql': 'SELECT 1;',
      '0003_c.sql': Buffer.from('\uFEFFSELECT 1', 'utf16le'),
      '0004_d.sql': 'SELECT 1\0;',
      '0005_e.up.sql': 'SELECT 1;',
    });
    await symlink('gone.sql', join(folder.path, '0002_b.sql'));
    await symlink('0006_f.sql', join(folder.path, '0006_f.sql'));
    await mkdir(join(folder.path, '0007_g.sql'));
    await mkdir(join(folder.path, '0008_h', 'up.sql'), { recursive: true });
    await symlink('nowhere', join(folder.path, '0005_e.down.sql'));
    const { migrations, ignored, problems } = await directorySource(folder.path).list();
    expect(migrations.map((one) => one.name)).toEqual(['0001_a']);
    expect(ignored).toEqual([{ path: '0007_g.sql', reason: 'a folder without migration.sql or up.sql' }]);
    const told = Object.fromEntries(problems.map(({ name, code, message }) => [name, `${code} ${message.replaceAll(`${folder.path}/`, '')}`]));
    expect(told).toEqual({
      '0002_b': 'invalidMigration 0002_b.sql cannot be read: it does not exist',
      '0003_c': 'invalidMigration 0003_c.sql: it is UTF-16: save it as UTF-8',
      '0004_d': 'invalidMigration 0004_d.sql: it holds a NUL character, which PostgreSQL cannot take',
      '0005_e': 'invalidMigration 0005_e.down.sql cannot be read: it does not exist',
      '0006_f': 'invalidMigration 0006_f.sql cannot be read: its links lead in a circle',
      '0008_h': 'invalidMigration 0008_h/up.sql cannot be read: it is a folder',
    });
  });

  test('may be a pipe, which nobody waits for', async () => {
    await using folder = await testFolder({ '0001_one.sql': 'SELECT 1;\n' });
    execFileSync('mkfifo', [join(folder.path, '0002_two.sql')]);
    const { migrations, problems } = await directorySource(folder.path).list();
    expect(migrations.map((one) => one.name)).toEqual(['0001_one']);
    expect(problems.map((one) => one.message)).toEqual([expect.stringContaining('0002_two.sql cannot be read: it is a pipe, a socket or a device')]);
  });

  test('and what links lead to counts', async () => {
    await using folder = await testFolder({ 'elsewhere/0001_a/up.sql': 'SELECT 1;', 'elsewhere/b.sql': 'SELECT 2;', 'here/0003_c.sql': 'SELECT 3;' });
    await symlink('../elsewhere/0001_a', join(folder.path, 'here', '0001_a'));
    await symlink('../elsewhere/b.sql', join(folder.path, 'here', '0002_b.sql'));
    expect(await namesIn(join(folder.path, 'here'))).toEqual(['0001_a', '0002_b', '0003_c']);
  });
});

describe('problems in a folder', () => {
  const problemsOf = async (files: Readonly<Record<string, string>>): Promise<string[]> => {
    await using folder = await testFolder(files);
    return (await directorySource(folder.path).list()).problems.map(
      ({ code, name, message }) => `${code} ${name}: ${message.replaceAll(`${folder.path}/`, '')}`,
    );
  };

  test('are told with file, line and column', async () => {
    expect(
      await problemsOf({
        '0001_a.sql': '-- why\n-- migrate: transactoin=none\nSELECT 1;',
        '0002_b.js': "\nexports.migrate = { colour: 'red' };\nexports.up = () => {};",
        '0003_c.up.sql': 'SELECT 1;',
        '0003_c.down.sql': '\n  -- migrate: transaction=none\nSELECT 1;',
        '0004_d.sql': 'SELECT 1;\n-- Down Migration\n-- Down Migration\n',
      }),
    ).toEqual([
      expect.stringMatching(/^invalidMigration 0001_a: 0001_a\.sql:2:1: unknown directive "transactoin"/) as string,
      expect.stringMatching(/^invalidMigration 0002_b: 0002_b\.js:2:\d+: unknown directive "colour"/) as string,
      expect.stringMatching(/^invalidMigration 0003_c: 0003_c\.down\.sql:2:3: "-- migrate: transaction=none" has no effect here/) as string,
      'invalidMigration 0004_d: 0004_d.sql:3:1: a second "Down Migration" section: a file has one of each',
    ]);
  });

  test('are two downs, and one number twice', async () => {
    expect(await problemsOf({ '0001_a.up.sql': 'A;\n-- Down Migration\nB;', '0001_a.down.sql': 'C;' })).toEqual([
      'duplicate 0001_a: 0001_a has two downs: the section in 0001_a.up.sql, and 0001_a.down.sql. Keep one',
    ]);
    expect(await problemsOf({ '0001_a.sql': 'A;', '1_b.sql': 'B;', '0001_c.sql': 'C;', '20240101120000_a.sql': 'A;', '20240101120000_b.sql': 'B;' })).toEqual([
      'duplicate 0001_c: 0001_a and 0001_c and 1_b have the same number: rename one of them if it was not applied anywhere yet, or say in migrations.order which comes first',
    ]);
  });

  test('in SQL are told all at once, by compiling', async () => {
    await using folder = await testFolder({ '0001_a.sql': 'SELECT 1;\nROLLBACK;', '0002_b.sql': 'SELECT 1;', '0003_c.sql': '\\i x' });
    const error: unknown = await directorySource(folder.path)
      .compile(['0001_a', '0002_b', '0003_c'])
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'invalidMigration', migration: null, position: { line: 2, column: 1 } });
    expect((error as Error).message.split('\n')).toEqual([
      expect.stringMatching(/0001_a\.sql:2:1: ROLLBACK would undo/) as string,
      expect.stringMatching(/0003_c\.sql:1:1: \\i is a command of psql/) as string,
    ]);
  });
});

describe('an order file', () => {
  const files = { '0001_a.sql': 'A;', '0002_b.sql': 'B;', 'c#1.sql': 'C;' };

  test('says the order, with comments, CRLF and a byte order mark', async () => {
    await using folder = await testFolder({ ...files, 'migrations.order': '\uFEFFc#1 # first\r\n# then\r\n\r\n0002_b\r\n  0001_a  ' });
    const { migrations, problems, ignored } = await directorySource(folder.path).list();
    expect([migrations.map((one) => one.name), problems, ignored]).toEqual([['c#1', '0002_b', '0001_a'], [], []]);
  });

  test('allows a number twice, since somebody looked at it', async () => {
    await using folder = await testFolder({ '0001_a.sql': 'A;', '0001_b.sql': 'B;', 'migrations.order': '0001_b\n0001_a\n' });
    const { migrations, problems } = await directorySource(folder.path).list();
    expect([migrations.map((one) => one.name), problems]).toEqual([['0001_b', '0001_a'], []]);
  });

  test('must be complete and true', async () => {
    await using folder = await testFolder({ ...files, 'migrations.order': '0001_a\n0001_a\n0002_bb\n' });
    const { migrations, problems } = await directorySource(folder.path).list();
    expect(migrations.map((one) => one.name)).toEqual(['0001_a', '0002_b', 'c#1']);
    expect(problems.map((one) => one.message.replace(/^.*migrations\.order: /, ''))).toEqual([
      '0001_a stands there twice',
      '0002_bb is no migration of this folder (did you mean 0002_b?)',
      '0002_b does not stand there: add it where it belongs',
      'c#1 does not stand there: add it where it belongs',
    ]);
  });

  test('knows a migration that has another problem', async () => {
    await using folder = await testFolder({ '0001_a.sql': '-- migrate: x=y\n', 'migrations.order': '0001_a\n' });
    expect((await directorySource(folder.path).list()).problems).toHaveLength(1);
  });

  test('that is a folder is an error', async () => {
    await using folder = await testFolder({ 'migrations.order/x': '' });
    await expect(directorySource(folder.path).list()).rejects.toThrow('migrations.order cannot be read: it is a folder');
  });
});
