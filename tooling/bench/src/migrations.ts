/** The same migrations in the form of each tool. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Folders {
  readonly ours: string;
  readonly dbmate: string;
  readonly nodePgMigrate: string;
  /** One script for psql: a transaction for each migration, and no record of what was done. */
  readonly psql: string;
}

export interface Written {
  readonly name: string;
  readonly up: string;
  readonly down: string;
}

/** Writes `count` migrations into a folder of `base` for each tool. */
export async function writeMigrations(base: string, count: number): Promise<Folders> {
  const written = makeMigrations(count);
  const folders = { ours: join(base, 'ours'), dbmate: join(base, 'dbmate'), nodePgMigrate: join(base, 'node-pg-migrate'), psql: join(base, 'all.sql') };
  await writeSections(folders.ours, written);
  await writeSections(folders.nodePgMigrate, written);
  await writeAll(folders.dbmate, written, ({ up, down }) => `-- migrate:up\n${up}\n-- migrate:down\n${down}\n`);
  await writeFile(folders.psql, written.map(({ up }) => `BEGIN;\n${up}\nCOMMIT;\n`).join('\n'));
  return folders;
}

export function makeMigrations(count: number): Written[] {
  return Array.from({ length: count }, (_, index) => migration(index));
}

/** Up and down in one file each: the form that node-pg-migrate and ours have in common. */
export function writeSections(folder: string, written: readonly Written[]): Promise<void> {
  return writeAll(folder, written, ({ up, down }) => `-- Up Migration\n${up}\n-- Down Migration\n${down}\n`);
}

/** A table, and then a column more with each migration: a history as long as the others, of which thousands are made in a minute. */
export function makeSmallMigrations(count: number): Written[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `${1_700_000_000_000 + index}_column_${index}`,
    up: index === 0 ? 'CREATE TABLE visits (id bigint PRIMARY KEY);' : `ALTER TABLE visits ADD COLUMN column_${index} text;`,
    down: index === 0 ? 'DROP TABLE visits;' : `ALTER TABLE visits DROP COLUMN column_${index};`,
  }));
}

/**
 * The history of a service that is some years old, twelve migrations for each two tables: eight of them alter what is there, some of them what another one
 * made before.
 */
export function makeLongHistory(count: number): Written[] {
  return Array.from({ length: count }, (_, index) => {
    const pair = Math.floor(index / 12);
    const [table, other] = [`visits_${pair}`, `notes_${pair}`];
    const [up, down] = (alterations(table, other)[index % 12] as readonly [string, string]) ?? ['', ''];
    return { name: `${String(index + 1).padStart(4, '0')}_${table}_${index % 12}`, up: `${up};`, down: `${down};` };
  });
}

function alterations(table: string, other: string): readonly (readonly [string, string])[] {
  return [
    [
      `CREATE TABLE ${table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, clinic_id bigint NOT NULL, name text NOT NULL, state text NOT NULL DEFAULT 'open', created_at timestamptz NOT NULL DEFAULT now())`,
      `DROP TABLE ${table}`,
    ],
    [
      `ALTER TABLE ${table} ADD COLUMN phone text; ALTER TABLE ${table} ADD CONSTRAINT ${table}_phone CHECK (phone ~ '^[+0-9]+$')`,
      `ALTER TABLE ${table} DROP COLUMN phone`,
    ],
    [`ALTER TABLE ${table} ADD COLUMN weight numeric(5,1) NOT NULL DEFAULT 0`, `ALTER TABLE ${table} DROP COLUMN weight`],
    [
      `CREATE TABLE ${other} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, visit_id bigint NOT NULL REFERENCES ${table}, body text, kind int NOT NULL DEFAULT 1)`,
      `DROP TABLE ${other}`,
    ],
    [`ALTER TABLE ${other} ALTER COLUMN kind TYPE bigint`, `ALTER TABLE ${other} ALTER COLUMN kind TYPE int`],
    [`ALTER TABLE ${table} ALTER COLUMN name TYPE varchar(200)`, `ALTER TABLE ${table} ALTER COLUMN name TYPE text`],
    [`CREATE INDEX ${table}_clinic ON ${table} (clinic_id, lower(name))`, `DROP INDEX ${table}_clinic`],
    [`ALTER TABLE ${other} ADD COLUMN author_id bigint; CREATE INDEX ${other}_author ON ${other} (author_id)`, `ALTER TABLE ${other} DROP COLUMN author_id`],
    [`ALTER TABLE ${table} DROP CONSTRAINT ${table}_phone; ALTER TABLE ${table} ADD CONSTRAINT ${table}_phone CHECK (phone <> '')`, `SELECT 1`],
    [
      `CREATE FUNCTION touch_${table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.created_at := now(); RETURN NEW; END $$; CREATE TRIGGER touch BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION touch_${table}()`,
      `DROP TRIGGER touch ON ${table}; DROP FUNCTION touch_${table}()`,
    ],
    [
      `ALTER TABLE ${table} ALTER COLUMN weight TYPE numeric(6,2), ALTER COLUMN weight DROP DEFAULT`,
      `ALTER TABLE ${table} ALTER COLUMN weight TYPE numeric(5,1)`,
    ],
    [
      `ALTER TABLE ${other} RENAME COLUMN body TO text; ALTER TABLE ${other} ADD CONSTRAINT ${other}_text UNIQUE (visit_id, text)`,
      `ALTER TABLE ${other} RENAME COLUMN text TO body`,
    ],
  ];
}

async function writeAll(folder: string, written: readonly Written[], text: (one: Written) => string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const one of written) await writeFile(join(folder, `${one.name}.sql`), text(one));
}

/** What a service's history is made of: a table, then an alteration, an index with rows, a function with a trigger. */
function migration(index: number): Written {
  // A stamp that every tool takes for one.
  const stamp = 1_700_000_000_000 + index;
  const table = `patients_${Math.floor(index / 4)}`;
  switch (index % 4) {
    case 0:
      return {
        name: `${stamp}_create_${table}`,
        up: `CREATE TABLE ${table} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  clinic_id bigint NOT NULL,
  name text NOT NULL CHECK (name <> ''),
  email text UNIQUE,
  state text NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ${table} IS 'Patients; one row for each';`,
        down: `DROP TABLE ${table};`,
      };
    case 1:
      return {
        name: `${stamp}_add_phone_to_${table}`,
        up: `ALTER TABLE ${table} ADD COLUMN phone text;\nALTER TABLE ${table} ADD CONSTRAINT ${table}_phone CHECK (phone ~ '^[+0-9]+$');`,
        down: `ALTER TABLE ${table} DROP COLUMN phone;`,
      };
    case 2:
      return {
        name: `${stamp}_index_${table}`,
        up: `INSERT INTO ${table} (clinic_id, name) SELECT n, 'Patient ' || n FROM generate_series(1, 20) n;\nCREATE INDEX ${table}_clinic ON ${table} (clinic_id, lower(name));`,
        down: `DROP INDEX ${table}_clinic;\nDELETE FROM ${table};`,
      };
    default:
      return {
        name: `${stamp}_touch_${table}`,
        up: `CREATE FUNCTION touch_${table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.created_at := now();
  RETURN NEW;
END
$$;
CREATE TRIGGER touch BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION touch_${table}();`,
        down: `DROP TRIGGER touch ON ${table};\nDROP FUNCTION touch_${table}();`,
      };
  }
}
