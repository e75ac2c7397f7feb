import type { MigrationBuilder } from 'node-pg-migrate';
import { describe, expect, test } from 'vitest';

import type { Directives } from '../../src/migration.ts';
import { checksum } from '../../src/source/checksum.ts';
import { listSource } from '../../src/source/list.ts';

describe('a list of migrations', () => {
  test('keeps its own order, and names each by version and description', async () => {
    const { migrations, problems } = await listSource([
      { version: '010', description: 'Add the phone (again)', up: 'SELECT 1', down: 'SELECT 2' },
      { version: '002', up: 'SELECT 3' },
      { name: '001_first', up: 'SELECT 4', directives: { transaction: 'none' } },
      { version: '003', description: 'déjà vu', up: 'SELECT 5' },
    ]).list();
    expect(problems).toEqual([]);
    expect(migrations.map(({ name, version, description }) => [name, version, description])).toEqual([
      ['010_add_the_phone_again', '010', 'Add the phone (again)'],
      ['002', '002', '002'],
      ['001_first', '001', 'first'],
      ['003_déjà_vu', '003', 'déjà vu'],
    ]);
    expect(migrations[0]).toMatchObject({ checksum: checksum('SELECT 1'), downChecksum: checksum('SELECT 2'), file: null });
    expect(migrations[2]?.directives.transaction).toBe('none');
  });

  test('is compiled by name, and says why there is no down', async () => {
    const source = listSource([
      { version: '1', up: 'SELECT 1', down: 'SELECT 2' },
      { version: '2', up: 'SELECT 3', down: false },
      { version: '3', up: 'SELECT 4' },
    ]);
    const compiled = await source.compile(['3', '1', '2']);
    expect(compiled.map(({ name, irreversible }) => [name, irreversible])).toEqual([
      ['3', 'it was listed without a down'],
      ['1', null],
      ['2', 'it says down: false'],
    ]);
    expect(compiled[1]).toMatchObject({ up: { sql: 'SELECT 1', origin: null }, down: { sql: 'SELECT 2' } });
  });

  test('may hold functions of pgm, whose checksum is that of their SQL', async () => {
    const create = (column: string) => (pgm: MigrationBuilder) => pgm.createTable('a', { [column]: 'int' });
    const source = listSource([{ version: '1', up: create('x') }]);
    const [one] = (await source.list()).migrations;
    const [compiled] = await source.compile(['1']);
    expect(compiled).toMatchObject({ up: { kind: 'sql' }, down: { kind: 'sql' }, irreversible: null });
    expect(one?.checksum).toBe(checksum(compiled?.up.kind === 'sql' ? compiled.up.sql : ''));
    expect((await listSource([{ version: '1', up: create('y') }]).list()).migrations[0]?.checksum).not.toBe(one?.checksum);
  });

  test('tells what is wrong with each, and lists the others', async () => {
    const { migrations, problems } = await listSource([
      { up: 'SELECT 1' },
      { version: '1', up: 'SELECT 1' },
      { name: '1', up: 'SELECT 2' },
      { version: '2', up: () => Promise.reject(new Error('on purpose')), down: false },
      { version: '3', up: 'SELECT 1', directives: { transactoin: 'none' } as Partial<Directives> },
    ]).list();
    expect(migrations.map((one) => one.name)).toEqual(['1']);
    expect(problems.map(({ code, name, message }) => `${code} ${name}: ${message}`)).toEqual([
      'invalidMigration #1: migration 1 of the list has neither a name nor a version',
      'duplicate 1: 1 stands in the list twice',
      'invalidMigration 2: 2: on purpose',
      expect.stringMatching(/^invalidMigration 3: 3: unknown directive "transactoin" \(did you mean transaction\?\)/) as string,
    ]);
  });

  test('tells every problem of its SQL at once', async () => {
    const source = listSource([
      { version: '1', up: 'SELECT 1;\nROLLBACK' },
      { version: '2', up: 'SELECT 1' },
      { version: '3', up: 'SELECT 1', down: 'BEGIN' },
    ]);
    const error: unknown = await source.compile(['1', '2', '3']).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'invalidMigration', migration: '1' });
    expect((error as Error).message.split('\n').map((line) => line.slice(0, 24))).toEqual(['1: ROLLBACK would undo t', '3: a BEGIN that no COMMI']);
  });

  test('may be empty', async () => {
    expect(await listSource([]).list()).toEqual({ migrations: [], ignored: [], problems: [] });
  });
});
