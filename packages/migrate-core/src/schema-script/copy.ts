/** The messages that make a copy of a schema. Pure. */

import { identifier, literal } from '../sql.ts';
import { copyRows, setSequence, type Contents } from './contents.ts';
import { withRows, type Statement } from './node.ts';
import { order } from './order.ts';
import { scriptPath } from './rows.ts';
import type { SchemaScript } from './script.ts';
import { render, type Piece } from './text.ts';

export interface CopyScript {
  readonly statements: readonly (Statement & { readonly locks: number })[];
  /** Why no copy can be made with it, for people. */
  readonly problems: readonly string[];
}

export interface CopyOptions {
  /** Tables whose rows stay behind. */
  readonly emptied?: readonly string[] | undefined;
}

export function copyScript(script: SchemaScript, contents: Contents, { emptied = [] }: CopyOptions = {}): CopyScript {
  const filled = [...contents.filled].filter((table) => !emptied.includes(table));
  const { statements, circular } = order(script.nodes, (node) => node.table === null || !filled.includes(node.table));
  const rows = [...filled.map((table) => copyRows(script, table)), ...contents.sequences.map(setSequence)].map((one) => ({ ...one, locks: 1 }));
  return {
    statements: withRows(statements, rows),
    problems: [...script.problems, ...contents.problems, ...circular.map((id) => `${id}, which needs what needs it`)],
  };
}

/** Settings of a transaction that replays statements of a script in `schema`. */
export function replaySettings(schema: string, others: readonly string[]): string {
  const settings: Readonly<Record<string, string>> = {
    search_path: scriptPath(schema, others),
    check_function_bodies: 'off',
    row_security: 'off',
    default_tablespace: '',
    default_table_access_method: 'heap',
    client_min_messages: 'warning',
    jit: 'off',
  };
  return `SELECT ${Object.entries(settings)
    .map(([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, true)`)
    .join(', ')}`;
}

/** Around a copy: all in the first and the last of its transactions. */
export interface CopyFrame {
  /** Before anything is made: the schema, where it is not there yet. */
  readonly first: readonly string[];
  readonly last: readonly string[];
}

/** Transactions, each of them statements without BEGIN and COMMIT, that hold at most about so many locks; `Infinity` for a single one. */
export function copyTransactions(
  script: Pick<CopyScript, 'statements'>,
  schema: string,
  others: readonly string[],
  locks: number,
  frame: CopyFrame,
): string[][] {
  const settings = replaySettings(schema, others);
  const transactions: string[][] = [];
  let current: string[] = [...frame.first, settings];
  let held = 1;
  for (const statement of script.statements) {
    if (held + statement.locks > locks && held > 1) {
      transactions.push(current);
      current = [settings];
      held = 1;
    }
    held += statement.locks;
    current.push(render(statement.text, schema));
  }
  return [...transactions, [...current, ...frame.last]];
}

/**
 * What a copy that was renamed has to be told again, in this order: the routines whose texts name their schema, which a rename does not follow. `null` where
 * anything else has its name in a text. Under the settings of a replay in the schema.
 */
export function textsOfName({ statements }: Pick<CopyScript, 'statements'>, schema: string): readonly string[] | null {
  const texts: string[] = [];
  for (const { text } of statements) {
    const [first] = text;
    const routine = typeof first === 'string' && /^CREATE (?:FUNCTION|PROCEDURE) /.test(first);
    if (routine ? !text.some(namesIt) : !text.some((piece) => typeof piece !== 'string' && piece.place === 'literal' && namesIt(piece))) continue;
    if (!routine) return null;
    texts.push(render(text, schema).replace(/^CREATE /, () => 'CREATE OR REPLACE '));
  }
  return texts;
}

function namesIt(piece: Piece): boolean {
  return typeof piece !== 'string' && (piece.place === 'schema' || piece.value.some(namesIt));
}

/** The locks that a copy takes, as its statements tell them: about. */
export function estimatedLocks(script: Pick<CopyScript, 'statements'>): number {
  return script.statements.reduce((sum, one) => sum + one.locks, 1);
}

export function transactionText(statements: readonly string[]): string {
  return `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n${statements.join(';\n')};\nCOMMIT`;
}

export function createSchema(schema: string): CopyFrame {
  return { first: [`CREATE SCHEMA ${identifier(schema)}`], last: [] };
}
