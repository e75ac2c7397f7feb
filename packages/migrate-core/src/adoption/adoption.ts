/** Taking over a database that another tool has migrated: which of our migrations its history table says are applied. Reads only. */

import { MigrationError } from '../errors.ts';
import { describeForeign, recognise, type ForeignRow, type ForeignTable, type ForeignTool } from './foreign-history.ts';
import type { Migration, MigrationSource } from '../migration.ts';
import { Session, type Connect } from '../session.ts';
import { literal, qualified } from '../sql.ts';
import { Names } from './names.ts';
import { namedTables, takenOverBy } from './taken-over.ts';
import { USUAL_NAMES } from './usual-names.ts';

export interface AdoptionOptions {
  readonly connect: Connect;
  readonly source: MigrationSource;
  /** The other tool's history table: its name, or `schema.name`. Left out: looked for in `schema` under its usual names. */
  readonly from?: string | undefined;
  /** Where `from` is looked for first. Default `public`. */
  readonly schema?: string | undefined;
}

export interface Adoption {
  /** `schema.name`. */
  readonly table: string;
  readonly tool: ForeignTool;
  /** In source order, each with what the other tool calls it. Never empty. */
  readonly adopted: readonly { readonly name: string; readonly version: string; readonly as: string }[];
  /** What the other tool has not applied, in source order. */
  readonly pending: readonly { readonly name: string; readonly version: string }[];
  /** Those of `pending` that stand below the newest of `adopted`: an `up` refuses them as out of order. Mostly empty. */
  readonly gaps: readonly string[];
}

/** See `planAdoption` in adopt.ts. */
export async function findAdoption(options: AdoptionOptions): Promise<Adoption> {
  const { migrations, problems } = await options.source.list();
  if (problems.length > 0) throw new MigrationError({ code: 'invalidMigration', message: problems.map((one) => one.message).join('\n') });
  const session = await Session.open(options.connect);
  try {
    const table = await findTable(session, options.from, options.schema ?? 'public');
    const rows = await readRows(session, table);
    const name = nameOf(table);
    if (rows.length === 0)
      throw new MigrationError({
        code: 'invalidOptions',
        message: `${name} says that nothing is applied: there is nothing to take over`,
        hint: 'begin with: migrate up',
      });
    const before = await takenOverBy(session, options.schema ?? 'public', name);
    if (before.length > 0)
      throw new MigrationError({
        code: 'planRefused',
        message: `${name} was taken over before: by the history ${before.join(', ')}. Nothing was written`,
        hint: `where that is the history of these migrations, name it: ${namedTables(before)}. Where it is another folder's, that table is as well; what else of these is applied is marked with: migrate repair --mark-applied VERSION,VERSION`,
      });
    return { table: name, tool: table.tool, ...matchRows(table, rows, migrations) };
  } finally {
    await session.close();
  }
}

type Found = ForeignTable & { readonly schema: string; readonly table: string };

async function findTable(session: Session, from: string | undefined, schema: string): Promise<Found> {
  if (from === undefined) return searchTable(session, schema);
  const dot = from.indexOf('.');
  const places = [{ schema, table: from }, ...(dot > 0 ? [{ schema: from.slice(0, dot), table: from.slice(dot + 1) }] : [])];
  for (const place of places) {
    const [found] = await readColumns(session, place.schema, [place.table]);
    if (found === undefined) continue;
    const recognised = recognise(found.columns);
    if (recognised !== null) return { ...place, ...recognised };
    throw new MigrationError({
      code: 'invalidOptions',
      message: `${nameOf(place)} is not a history that can be read: it has ${describeForeign(found.columns)}`,
      hint: 'mark by hand what is applied: migrate repair --mark-applied VERSION,VERSION',
    });
  }
  throw new MigrationError({
    code: 'invalidOptions',
    message: `there is no table ${from} in the schema ${schema}`,
    hint: 'a table of another schema is written SCHEMA.TABLE',
  });
}

async function searchTable(session: Session, schema: string): Promise<Found> {
  const found: Found[] = [];
  for (const { table, columns } of await readColumns(session, schema, USUAL_NAMES)) {
    const recognised = recognise(columns);
    if (recognised !== null) found.push({ schema, table, ...recognised });
  }
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw new MigrationError({
    code: 'invalidOptions',
    message:
      only === undefined
        ? `no other tool's history was found in the schema ${schema} (looked for: ${USUAL_NAMES.join(', ')})`
        : `there are histories of several tools here: ${found.map((one) => `${nameOf(one)} (${one.tool})`).join(', ')}`,
    hint: 'say which table it is: migrate adopt --from TABLE',
  });
}

/** Tables, views and foreign tables of these names, with their columns and types. */
export async function readColumns(
  session: Session,
  schema: string,
  tables: readonly string[],
): Promise<readonly { readonly table: string; readonly columns: ReadonlyMap<string, string> }[]> {
  const rows = await session.read(
    `SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, NULL) AS type FROM pg_catalog.pg_attribute a
 JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ${literal(schema)} AND c.relname IN (${tables.map(literal).join(', ')}) AND c.relkind IN ('r', 'p', 'v', 'f') AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY c.relname, a.attnum`,
  );
  const found = new Map<string, Map<string, string>>();
  for (const row of rows) {
    const table = row['relname'] ?? '';
    const columns = found.get(table) ?? new Map<string, string>();
    columns.set(row['attname'] ?? '', row['type'] ?? '');
    found.set(table, columns);
  }
  return [...found].map(([table, columns]) => ({ table, columns }));
}

async function readRows(session: Session, table: Found): Promise<readonly ForeignRow[]> {
  const rows = await session.read(`SELECT ${table.select} FROM ${qualified(table.schema, table.table)}`);
  const all = rows.map((row) => table.read(row));
  const unfinished = all.filter((row) => row.state === 'unfinished');
  if (unfinished.length > 0)
    throw new MigrationError({
      code: 'planRefused',
      message: `${nameOf(table)} says that ${named(unfinished.map((row) => row.label))} did not finish; nothing was written`,
      hint: 'put the schema and that row right with the tool that made it, then adopt again',
    });
  return all.filter((row) => row.state === 'applied');
}

function matchRows(table: Found, rows: readonly ForeignRow[], migrations: readonly Migration[]): Pick<Adoption, 'adopted' | 'pending' | 'gaps'> {
  const names = new Names(migrations);
  const matched = new Map<string, string>();
  const troubles: string[] = [];
  const missing: string[] = [];
  for (const row of rows) {
    const found = names.of(row);
    const [migration] = found;
    if (migration === undefined) {
      missing.push(row.label);
      continue;
    }
    if (found.length > 1) {
      troubles.push(`${row.label} may be any of ${found.map((one) => one.name).join(', ')}`);
      continue;
    }
    const other = matched.get(migration.name);
    // A row may stand there twice: applied, rolled back and applied again.
    if (other !== undefined && other !== row.label) troubles.push(`${other} and ${row.label} would both be ${migration.name}`);
    matched.set(migration.name, row.label);
    if (table.rows === 'newest') for (const one of migrations.slice(0, migrations.indexOf(migration))) matched.set(one.name, one.version);
  }
  if (missing.length > 0) troubles.unshift(`${named(missing)} of ${nameOf(table)} ${missing.length === 1 ? 'is' : 'are'} not among the migrations`);
  if (troubles.length > 0)
    throw new MigrationError({
      code: 'planRefused',
      message: `${troubles.join('\n')}\nNothing was written`,
      hint: 'bring the files that were applied, under their names or numbers, then adopt again',
    });
  const short = ({ name, version }: Migration) => ({ name, version });
  const newest = migrations.findLastIndex((one) => matched.has(one.name));
  return {
    gaps: migrations.filter((one, index) => index < newest && !matched.has(one.name)).map((one) => one.name),
    adopted: migrations.filter((one) => matched.has(one.name)).map((one) => ({ ...short(one), as: matched.get(one.name) as string })),
    pending: migrations.filter((one) => !matched.has(one.name)).map(short),
  };
}

function nameOf({ schema, table }: { readonly schema: string; readonly table: string }): string {
  return `${schema}.${table}`;
}

/** A handful by name; of hundreds the number says more. */
function named(names: readonly string[]): string {
  return names.length <= 10 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
}
