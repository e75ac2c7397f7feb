import type { MigrationBuilder } from 'node-pg-migrate';
import { describe, expect, test } from 'vitest';

import type { LiveDatabase } from '../../src/migration.ts';
import { parse } from '../../src/source/parser.ts';
import { compileModule, type CompiledModule } from '../../src/source/pgm.ts';

type Pgm = MigrationBuilder;

const flat = (sql: string): string => sql.replaceAll(/\s+/g, ' ').trim();

function sqlOf(action: CompiledModule['up'] | null): string {
  if (action?.kind !== 'sql') throw new Error(`it is ${action?.kind ?? 'not there'}`);
  return flat(action.sql);
}

/** An action that asks for the database. */
const live = async (pgm: Pgm): Promise<void> => {
  const rows = await pgm.db.select('SELECT 1 AS one');
  pgm.sql(`SELECT ${rows.length}`);
};

describe('a module of functions', () => {
  test('is compiled to SQL that parses, up and down', async () => {
    const compiled = await compileModule(
      {
        up: (pgm: Pgm) => {
          pgm.createTable('notes', { id: 'id', text: { type: 'text', notNull: true } });
          pgm.createIndex('notes', 'text');
        },
        down: (pgm: Pgm) => pgm.dropTable('notes'),
      },
      {},
    );
    expect(sqlOf(compiled.up)).toMatch(/^CREATE TABLE "notes" \(.*\); CREATE INDEX .* ON "notes" \("text"\);$/);
    expect(sqlOf(compiled.down)).toBe('DROP TABLE "notes";');
    expect((await parse(sqlOf(compiled.up))).kind).toBe('parsed');
    expect(compiled).toMatchObject({ irreversible: null, up: { transaction: 'per-migration' } });
  });

  test('without a down gets the inferred one, in reverse order', async () => {
    const compiled = await compileModule(
      {
        up: (pgm: Pgm) => {
          pgm.createTable('a', { id: 'id' });
          pgm.addColumn('b', { c: 'int' });
          pgm.renameTable('d', 'e');
        },
      },
      {},
    );
    expect(sqlOf(compiled.down)).toBe('ALTER TABLE "e" RENAME TO "d"; ALTER TABLE "b" DROP "c"; DROP TABLE "a";');
  });

  test('that says down = false cannot be undone', async () => {
    expect(await compileModule({ up: () => undefined, down: false }, {})).toMatchObject({ down: null, irreversible: 'its module says down = false' });
  });

  test.each<[string, (pgm: Pgm) => void, RegExp]>([
    ['SQL of its own', (pgm) => pgm.sql('UPDATE t SET x = 1'), /none can be inferred/],
    ['a dropped table', (pgm) => pgm.dropTable('a'), /none can be inferred/],
    [
      'createTable with ifNotExists',
      (pgm) => pgm.createTable('a', { id: 'id' }, { ifNotExists: true }),
      /createTable with ifNotExists may have changed nothing/,
    ],
    ['addColumns with ifNotExists', (pgm) => pgm.addColumns('a', { b: 'int' }, { ifNotExists: true }), /addColumns with ifNotExists/],
    ['createSchema with ifNotExists', (pgm) => pgm.createSchema('public', { ifNotExists: true }), /createSchema with ifNotExists/],
    ['createExtension with ifNotExists', (pgm) => pgm.createExtension('citext', { ifNotExists: true }), /createExtension with ifNotExists/],
    ['createIndex with ifNotExists', (pgm) => pgm.createIndex('a', 'b', { ifNotExists: true }), /createIndex with ifNotExists/],
    ['createView with replace', (pgm) => pgm.createView('v', { replace: true }, 'SELECT 1'), /createView with replace/],
    [
      'createFunction with replace',
      (pgm) => pgm.createFunction('f', [], { returns: 'int', language: 'sql', replace: true }, 'SELECT 1'),
      /createFunction with replace/,
    ],
  ])('has no inferred down for %s, but an up', async (_, up, reason) => {
    const compiled = await compileModule({ up }, {});
    expect(compiled.up.kind).toBe('sql');
    expect(compiled.down).toBeNull();
    expect(compiled.irreversible).toMatch(reason);
  });

  test('may be asynchronous, or take a callback', async () => {
    const asynchronous = await compileModule({ up: async (pgm: Pgm) => Promise.resolve().then(() => pgm.sql('SELECT 1')), down: false }, {});
    expect(sqlOf(asynchronous.up)).toBe('SELECT 1;');
    const callback = await compileModule(
      {
        up: (pgm: Pgm, run: () => void) => {
          setImmediate(() => {
            pgm.sql('SELECT 2');
            run();
          });
        },
        down: false,
      },
      {},
    );
    expect(sqlOf(callback.up)).toBe('SELECT 2;');
  });

  test('that fails, fails: by throwing, by its callback, by its promise', async () => {
    const failing = (up: unknown): Promise<unknown> => compileModule({ up, down: false }, {});
    await expect(
      failing(() => {
        throw new Error('thrown');
      }),
    ).rejects.toThrow('thrown');
    await expect(failing((_: Pgm, run: (error: Error) => void) => run(new Error('called')))).rejects.toThrow('called');
    await expect(failing(() => Promise.reject(new Error('rejected')))).rejects.toThrow('rejected');
  });

  test('asks by noTransaction() for none', async () => {
    const { up, down } = await compileModule(
      {
        up: (pgm: Pgm) => {
          pgm.noTransaction();
          pgm.createIndex('a', 'b', { concurrently: true });
        },
      },
      {},
    );
    expect([up.transaction, down?.transaction]).toEqual(['none', 'none']);
    expect(sqlOf(down)).toMatch(/^DROP INDEX CONCURRENTLY/);
  });

  test('may end a step in a comment', async () => {
    const { up } = await compileModule(
      {
        up: (pgm: Pgm) => {
          pgm.sql('SELECT 1 -- the first');
          pgm.sql('SELECT 2;\n-- the second;');
          pgm.sql('SELECT 3');
        },
        down: false,
      },
      {},
    );
    if (up.kind !== 'sql') throw new Error(up.kind);
    const answer = await parse(up.sql);
    expect(answer.kind === 'parsed' && answer.statements.map(({ start, end }) => up.kind === 'sql' && up.sql.slice(start, end))).toEqual([
      'SELECT 1',
      'SELECT 2',
      'SELECT 3',
    ]);
  });

  test('uses shorthands for its columns', async () => {
    const shorthands = { id: { type: 'uuid', primaryKey: true }, money: 'numeric(12, 2)' };
    const { up } = await compileModule({ up: (pgm: Pgm) => pgm.createTable('a', { id: 'id', price: 'money' }), down: false }, shorthands);
    expect(sqlOf(up)).toBe('CREATE TABLE "a" ( "id" uuid PRIMARY KEY, "price" numeric(12, 2) );');
  });

  test('of shorthands alone changes nothing', async () => {
    expect(await compileModule({ shorthands: { x: 'int' } }, {})).toMatchObject({ up: { kind: 'sql', sql: '' }, down: { kind: 'sql', sql: '' } });
  });

  test.each<[object, string]>([
    [{}, 'it exports no function up(pgm)'],
    [{ default: 1 }, 'it exports no function up(pgm)'],
    [{ up: false }, 'it says up = false, so that it can never be applied: take the file away'],
    [{ up: () => undefined, down: 'DROP TABLE a' }, 'its down is neither a function nor false'],
    [
      {
        CreateUsers1699123456789: class {
          up(): void {}
          down(): void {}
        },
      },
      'it exports a class, as TypeORM’s migrations are: export functions up(pgm) and down(pgm), or write SQL',
    ],
  ])('that is none says so: %j', async (exported, message) => {
    await expect(compileModule(exported as Record<string, unknown>, {})).rejects.toThrow(message);
  });
});

describe('a module that asks the database', () => {
  const database = (): LiveDatabase & { asked: unknown[] } => {
    const asked: unknown[] = [];
    return { asked, query: (text) => Promise.resolve({ rows: [asked.push(text)], rowCount: 1 }) };
  };

  test('is live, in each direction by itself', async () => {
    const compiled = await compileModule({ up: live, down: (pgm: Pgm) => pgm.sql('SELECT 0') }, {});
    expect([compiled.up.kind, compiled.down?.kind]).toEqual(['live', 'sql']);
  });

  test('is live although it catches our refusal, or does not wait for its answer', async () => {
    const caught = async (pgm: Pgm): Promise<void> => {
      try {
        await pgm.db.query('SELECT 1');
      } catch {
        pgm.sql('SELECT 1');
      }
    };
    const adrift = (pgm: Pgm): void => {
      void pgm.db.query('SELECT 1');
      pgm.sql('SELECT 1');
    };
    for (const up of [caught, adrift]) expect((await compileModule({ up, down: false }, {})).up.kind).toBe('live');
  });

  test('runs against what it is given, and answers the SQL that it collected', async () => {
    const { up } = await compileModule({ up: live, down: false }, {});
    if (up.kind !== 'live') throw new Error(up.kind);
    const db = database();
    expect(flat(await up.build(db))).toBe('SELECT 1;');
    expect(db.asked).toEqual(['SELECT 1 AS one']);
    // Each run is its own.
    expect(flat(await up.build(db))).toBe('SELECT 1;');
  });

  test('gives the errors of its database to whoever runs it', async () => {
    const { up } = await compileModule({ up: live, down: false }, {});
    if (up.kind !== 'live') throw new Error(up.kind);
    await expect(up.build({ query: () => Promise.reject(new Error('gone')) })).rejects.toThrow('gone');
  });

  test('has no inferred down: what it would have asked is not known', async () => {
    const { up, down, irreversible } = await compileModule({ up: live }, {});
    expect([up.kind, down]).toEqual(['live', null]);
    expect(irreversible).toMatch(/^its module has no down, and none can be inferred: /);
  });
});
