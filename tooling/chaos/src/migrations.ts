/** A history with everything in it that a crash may cut through. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Folder extends AsyncDisposable {
  readonly path: string;
  /** In order. */
  readonly names: readonly string[];
  /** Tables t1, t2, …, each with a few migrations. */
  readonly tables: number;
  /** Indexes that must be there and valid in the end. */
  readonly indexes: number;
}

/** Tables with rows, concurrent builds with and without neighbours, a unique one, a drop, new enum values, a directive. */
export async function writeMigrations(tables = 4): Promise<Folder> {
  const files: Record<string, string> = {};
  const add = (name: string, sql: string): void => {
    files[`${String(Object.keys(files).length + 1).padStart(4, '0')}_${name}`] = sql;
  };
  for (let n = 1; n <= tables; n++) {
    add(
      `table_${n}.sql`,
      `CREATE TABLE t${n} (id int PRIMARY KEY, a int, note text);\nINSERT INTO t${n} SELECT g, g, 'row ' || g FROM generate_series(1, 3000) g;\n-- Down Migration\nDROP TABLE t${n};\n`,
    );
    add(`index_${n}.sql`, `CREATE UNIQUE INDEX CONCURRENTLY t${n}_a ON t${n} (a);\n-- Down Migration\nDROP INDEX CONCURRENTLY t${n}_a;\n`);
    add(
      `mixed_${n}.sql`,
      `ALTER TABLE t${n} ADD b int;\nUPDATE t${n} SET b = a;\nCREATE INDEX CONCURRENTLY t${n}_b ON t${n} (b);\nALTER TABLE t${n} ALTER b SET NOT NULL;\nCREATE INDEX CONCURRENTLY ON t${n} (note);\nREINDEX TABLE CONCURRENTLY t${n};\n`,
    );
    add(
      `steps_${n}.sql`,
      `-- migrate: transaction=none\nCREATE TABLE s${n} (id int);\nINSERT INTO s${n} VALUES (1);\nCREATE INDEX CONCURRENTLY s${n}_id ON s${n} (id);\nDROP INDEX CONCURRENTLY s${n}_id;\nVACUUM s${n};\n`,
    );
    add(
      `enum_${n}.sql`,
      `CREATE TYPE e${n} AS ENUM ('a');\nBEGIN;\nALTER TYPE e${n} ADD VALUE 'b';\nCOMMIT;\nBEGIN;\nCREATE TABLE u${n} (v e${n} DEFAULT 'b');\nINSERT INTO u${n} VALUES ('b');\nCOMMIT;\n`,
    );
  }
  return writeFolder(files, tables);
}

/** Plain migrations, quick to have in hundreds of schemas: a table, then a column each. `workMs`: what the last one takes besides. */
export function writePlainMigrations(count: number, workMs = 0): Promise<Folder> {
  const files = Object.fromEntries(
    Array.from({ length: count }, (_, index) => {
      const work = workMs > 0 && index === count - 1 ? `SELECT pg_sleep(${workMs / 1_000});\n` : '';
      return [
        `${String(index + 1).padStart(4, '0')}_visit_${index}.sql`,
        `${index === 0 ? 'CREATE TABLE visit (id int PRIMARY KEY);' : `ALTER TABLE visit ADD column_${index} int;`}\n${work}`,
      ];
    }),
  );
  return writeFolder(files, 0);
}

async function writeFolder(files: Readonly<Record<string, string>>, tables: number): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'chaos-'));
  for (const [name, sql] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), sql);
  }
  return {
    path,
    names: Object.keys(files).map((name) => name.replace(/\.sql$/, '')),
    tables,
    indexes: tables * 3,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}
