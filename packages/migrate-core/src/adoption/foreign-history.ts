/** History tables of other tools, told by their columns, and what a row of them says. Pure. */

import type { Row } from '../session.ts';
import { identifier } from '../sql.ts';
import { parseName } from '../version.ts';

export type ForeignTool = 'node-pg-migrate' | 'Prisma' | 'golang-migrate' | 'Diesel' | 'dbmate' | 'TypeORM' | 'a home-made runner';

/** What one row says of one migration. */
export interface ForeignRow {
  /** For people: as the row has it. */
  readonly label: string;
  /** `null` where the tool keeps numbers alone. */
  readonly name: string | null;
  /** `null`: only in the name, if at all. */
  readonly version: string | null;
  /** `name`: whoever has only the number of `name` is another migration. */
  readonly calledBy: 'name' | 'name or number';
  /** `undone`: the row tells of something that is not there any more. */
  readonly state: 'applied' | 'unfinished' | 'undone';
}

export interface ForeignTable {
  readonly tool: ForeignTool;
  /** `newest`: the one row stands for everything up to it. */
  readonly rows: 'each' | 'newest';
  /** The select list: every column as text. */
  readonly select: string;
  readonly read: (row: Row) => ForeignRow;
}

/** `null` for what is no history, or ours. Columns with their types, in the table's order. */
export function recognise(columns: ReadonlyMap<string, string>): ForeignTable | null {
  const has = (...names: readonly string[]): boolean => names.every((name) => columns.has(name));
  if (has('name', 'checksum', 'seq', 'state', 'run_id')) return null;
  if (has('migration_name', 'finished_at', 'rolled_back_at')) return table('Prisma', ['migration_name', 'finished_at', 'rolled_back_at'], readPrisma);
  if (has('version', 'dirty')) return table('golang-migrate', ['version', 'dirty'], readGolang, 'newest');
  if (has('timestamp', 'name')) return table('TypeORM', ['timestamp', 'name'], (row) => applied(row['name'] ?? null, row['timestamp'] ?? null));
  if (has('id', 'name', 'run_on')) return table('node-pg-migrate', ['name'], (row) => ({ ...applied(row['name'] ?? null, null), calledBy: 'name' }));
  if (has('version', 'run_on')) return table('Diesel', ['version'], (row) => applied(null, row['version'] ?? null));
  if (has('version') && columns.size === 1) return table('dbmate', ['version'], (row) => applied(null, row['version'] ?? null));
  if (has('name') || has('version')) {
    const state = STATES.filter(([column]) => columns.has(column));
    const keys = ['name', 'version'].filter((column) => columns.has(column));
    return table('a home-made runner', [...keys, ...state.map(([column]) => column)], (row) => readHomeMade(row, state));
  }
  return null;
}

/** `the columns a and b`. */
export function describeForeign(columns: ReadonlyMap<string, string>): string {
  const names = [...columns.keys()];
  return names.length === 1 ? `only the column ${names.join('')}` : `the columns ${names.join(', ')}`;
}

function table(tool: ForeignTool, columns: readonly string[], read: ForeignTable['read'], rows: ForeignTable['rows'] = 'each'): ForeignTable {
  return { tool, rows, read, select: columns.map((column) => `${identifier(column)}::text AS ${identifier(column)}`).join(', ') };
}

function applied(name: string | null, version: string | null, state: ForeignRow['state'] = 'applied'): ForeignRow {
  return { label: name ?? version ?? '(a row without a name)', name, version, calledBy: 'name or number', state };
}

function readPrisma(row: Row): ForeignRow {
  const undone = row['rolled_back_at'] !== null;
  return applied(row['migration_name'] ?? null, null, undone ? 'undone' : row['finished_at'] === null ? 'unfinished' : 'applied');
}

/** Below zero it means: nothing. */
function readGolang(row: Row): ForeignRow {
  const version = row['version'] ?? '';
  return applied(null, version, row['dirty'] === 'true' ? 'unfinished' : version.startsWith('-') ? 'undone' : 'applied');
}

type State = readonly [column: string, read: (value: string | null) => ForeignRow['state']];

const whenTrue = (value: string | null): ForeignRow['state'] => (/^(?:t|true|1|y|yes)$/i.test(value ?? '') ? 'applied' : 'unfinished');
const whenFalse = (value: string | null): ForeignRow['state'] => (value === null || /^(?:f|false|0|n|no)$/i.test(value) ? 'applied' : 'unfinished');
const whenNever = (value: string | null): ForeignRow['state'] => (value === null ? 'applied' : 'undone');
const byWord = (value: string | null): ForeignRow['state'] => {
  if (/^(?:applied|success(?:ful)?|succeeded|done|complete[d]?|executed|finished|ok|up)$/i.test(value ?? '')) return 'applied';
  return /^(?:rolled[ _-]?back|reverted|undone|down|pending)$/i.test(value ?? '') ? 'undone' : 'unfinished';
};

/** Columns in which runners keep how a migration ended. A word that is not known is not taken for success. */
const STATES: readonly State[] = [
  ['success', whenTrue],
  ['succeeded', whenTrue],
  ['is_applied', whenTrue],
  ['failed', whenFalse],
  ['rolled_back', whenFalse],
  ['rolled_back_at', whenNever],
  ['reverted_at', whenNever],
  ['undone_at', whenNever],
  ['status', byWord],
  ['state', byWord],
];

function readHomeMade(row: Row, columns: readonly State[]): ForeignRow {
  const states = columns.map(([column, read]) => read(row[column] ?? null));
  const state = states.includes('undone') ? 'undone' : states.includes('unfinished') ? 'unfinished' : 'applied';
  const { name = null, version = null } = row;
  // A name that is only words says less than a number beside it.
  const words = name !== null && version !== null && parseName(name).number === null;
  const one = applied(name, version, state);
  return words ? { ...one, label: `${version} ${name}` } : one;
}
