import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, test, vi } from 'vitest';

import { testFolder } from '../support/folder.ts';

// Each starts a process.
vi.setConfig({ testTimeout: 60_000 });

const PROGRAM = fileURLToPath(new URL('../support/compile-folder.ts', import.meta.url));
const PACKAGE = dirname(dirname(dirname(PROGRAM)));

interface Compiled {
  readonly up: string;
  readonly down: string | null;
  readonly irreversible: string | null;
}

/** Each migration's compiled parts, or the message of its error, as Node itself loads them. */
async function compiled(files: Readonly<Record<string, string>>): Promise<Record<string, Compiled | string>> {
  await using folder = await testFolder(files);
  await mkdir(join(folder.path, 'node_modules'));
  await symlink(join(PACKAGE, 'node_modules/node-pg-migrate'), join(folder.path, 'node_modules/node-pg-migrate'));
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@org/source', PROGRAM, join(folder.path, 'migrations')]);
  return (JSON.parse(stdout) as { compiled: Record<string, Compiled | string> }).compiled;
}

const up = async (files: Readonly<Record<string, string>>): Promise<Record<string, string>> =>
  Object.fromEntries(Object.entries(await compiled(files)).map(([name, one]) => [name, typeof one === 'string' ? one : one.up.replaceAll(/\s+/g, ' ').trim()]));

const CJS = "exports.up = (pgm) => pgm.sql('SELECT 1');\n";
const ESM = "export const up = (pgm) => pgm.sql('SELECT 1');\n";

describe('modules are loaded', () => {
  test('in a package of ES modules, whatever they are written in', async () => {
    expect(
      await up({
        'package.json': '{ "type": "module" }',
        'migrations/0001_cjs.js': CJS,
        'migrations/0002_module.js': 'const { join } = require("node:path");\nmodule.exports = { up: (pgm) => pgm.sql(`SELECT ${join("1")}`) };\n',
        'migrations/0003_esm.js': ESM,
        'migrations/0004_cjs.cjs': CJS,
        'migrations/0005_esm.mjs': ESM,
        'migrations/0006_typed.ts':
          "import type { MigrationBuilder } from 'node-pg-migrate';\nexport function up(pgm: MigrationBuilder): void { pgm.sql('SELECT 1'); }\n",
        'migrations/0007_default.ts': "export default { up: (pgm: { sql(text: string): void }) => pgm.sql('SELECT 1') };\n",
      }),
    ).toEqual(
      Object.fromEntries(['0001_cjs', '0002_module', '0003_esm', '0004_cjs', '0005_esm', '0006_typed', '0007_default'].map((name) => [name, 'SELECT 1;'])),
    );
  });

  test('in a package of CommonJS, whatever they are written in', async () => {
    expect(
      await up({
        'package.json': '{ "type": "commonjs" }',
        'migrations/0001_cjs.js': CJS,
        'migrations/0002_esm.js': ESM,
        'migrations/0003_esm.mjs': ESM,
        'migrations/0004_typed.ts': 'export const up = (pgm: any): void => pgm.sql("SELECT 1");\n',
        'migrations/0005_dirname.ts': 'export const up = (pgm: any): void => pgm.sql(`SELECT ${__dirname.length > 0 ? 1 : 0}`);\n',
        'migrations/0006_cts.cts': 'exports.up = (pgm: any): void => pgm.sql("SELECT 1");\n',
      }),
    ).toEqual(Object.fromEntries(['0001_cjs', '0002_esm', '0003_esm', '0004_typed', '0005_dirname', '0006_cts'].map((name) => [name, 'SELECT 1;'])));
  });

  test('in TypeScript that is more than types', async () => {
    expect(
      await up({
        'package.json': '{ "type": "module" }',
        'migrations/0001_enum.ts': 'enum Level { one = 1 }\nexport const up = (pgm: any): void => pgm.sql(`SELECT ${Level.one}`);\n',
        'migrations/0002_value_import.ts':
          "import { ColumnDefinitions, MigrationBuilder } from 'node-pg-migrate';\nexport const shorthands: ColumnDefinitions | undefined = undefined;\nexport async function up(pgm: MigrationBuilder): Promise<void> { pgm.sql('SELECT 1'); }\n",
        'migrations/0003_import.ts': "import { statement } from '../lib/helper';\nexport const up = (pgm: any): void => pgm.sql(statement);\n",
        'lib/helper.ts': "export const statement: string = 'SELECT 1';\n",
        'migrations/0004_property.ts':
          'class Statement { constructor(readonly text: string) {} }\nexport const up = (pgm: any): void => pgm.sql(new Statement("SELECT 1").text);\n',
      }),
    ).toEqual({ '0001_enum': 'SELECT 1;', '0002_value_import': 'SELECT 1;', '0003_import': 'SELECT 1;', '0004_property': 'SELECT 1;' });
  });

  test('or say what is wrong, and where', async () => {
    const found = await compiled({
      'package.json': '{ "type": "module" }',
      'migrations/0001_class.ts':
        "export class CreateUsers1699123456789 { name = 'CreateUsers1699123456789'; async up(runner: any): Promise<void> { await runner.query('SELECT 1'); } async down(): Promise<void> {} }\n",
      'migrations/0002_nothing.ts': "import x from 'no-such-package';\nexport const up = (pgm: any): void => pgm.sql(x);\n",
      'migrations/0003_throws.ts': "export const up = (): void => {\n  throw new Error('on purpose');\n};\n",
      'migrations/0004_syntax.ts': 'export const up = (;\n',
      'migrations/0005_throws_at_once.ts': "throw new Error('at once');\nexport const up = 1;\n",
      'migrations/0006_string.ts': "export const up = () => { throw 'only a string'; };\n",
      'migrations/0008_directives.ts': "const migrate = { transaction: 'none' };\nexport { migrate };\nexport const up = (): void => {};\n",
      'migrations/0009_directives.js': "module.exports = { migrate: { transaction: 'none' }, up: () => {} };\n",
      'migrations/0007_sql.ts': "export const up = (pgm: any): void => pgm.sql('ROLLBACK');\n",
    });
    expect(found['0001_class']).toMatch(/0001_class\.ts: it exports a class, as TypeORM’s migrations are/);
    expect(found['0002_nothing']).toMatch(/0002_nothing\.ts: .*no-such-package/);
    expect(found['0003_throws']).toMatch(/0003_throws\.ts: on purpose|0003_throws\.ts:2:\d+: .*on purpose/);
    expect(found['0004_syntax']).toMatch(/0004_syntax\.ts/);
    expect(found['0005_throws_at_once']).toMatch(/at once/);
    expect(found['0006_string']).toMatch(/only a string/);
    for (const name of ['0008_directives', '0009_directives'])
      expect(found[name]).toMatch(/: its directives cannot be read from its text: write them as export const migrate/);
    expect(found['0007_sql']).toMatch(/in the SQL that it makes, ROLLBACK would undo/);
  });
});

describe('shorthands', () => {
  test('count for all later modules, also those that stand in CommonJS', async () => {
    expect(
      await up({
        'package.json': '{}',
        'migrations/0001_first.js':
          "exports.shorthands = { money: 'numeric(12, 2)', name: 'text' };\nexports.up = (pgm) => pgm.createTable('a', { x: 'money' });\n",
        'migrations/0002_sql.sql': 'SELECT 1;',
        'migrations/0003_second.mjs':
          "export const shorthands = { name: 'varchar(9)' };\nexport const up = (pgm) => pgm.createTable('b', { x: 'money', y: 'name' });\n",
        'migrations/0004_third.js': "exports.up = (pgm) => pgm.addColumn('b', { z: 'name' });\n",
        'migrations/0005_late.js': "exports.shorthands = { money: 'int' };\nexports.up = (pgm) => pgm.addColumn('b', { w: 'money' });\n",
      }),
    ).toEqual({
      '0001_first': 'CREATE TABLE "a" ( "x" numeric(12, 2) );',
      '0002_sql': 'SELECT 1;',
      '0003_second': 'CREATE TABLE "b" ( "x" numeric(12, 2), "y" varchar(9) );',
      '0004_third': 'ALTER TABLE "b" ADD "z" varchar(9);',
      '0005_late': 'ALTER TABLE "b" ADD "w" integer;',
    });
  });

  test('of a module that cannot be loaded make the later ones fail by its name', async () => {
    const found = await compiled({
      'package.json': '{ "type": "module" }',
      'migrations/0001_broken.js': "export const shorthands = {};\nthrow new Error('on purpose');\n",
      'migrations/0002_later.js': ESM,
    });
    expect(found['0002_later']).toMatch(/0001_broken\.js: on purpose \(it has shorthands, which later migrations use\)/);
  });
});
