/**
 * PostgreSQL's own grammar, through libpg-query. Loaded on first use: about 15 ms, which a start with nothing pending must
 * not pay.
 */

import { setFlagsFromString } from 'node:v8';

import { ByteWalk, utf16Offset } from '../position.ts';
import { endOfContent, skipTrivia, type Span } from './lexer.ts';

/** Whose grammar it is. */
export const PARSER_VERSION = 18;

/** A node of the syntax tree, as libpg-query's JSON gives it: fields with their default value are left out. */
export type Node = Readonly<Record<string, unknown>>;

export interface ParsedStatement extends Span {
  readonly kind: string;
  readonly node: Node;
  /** From a byte offset of the tree (`location`) to a UTF-16 offset in the text. */
  readonly offsetOf: (location: number) => number;
}

export type ParseAnswer =
  | { readonly kind: 'parsed'; readonly statements: readonly ParsedStatement[] }
  | { readonly kind: 'syntaxError'; readonly message: string; readonly start: number }
  /** The parser cannot be used for this text, or no more at all. */
  | { readonly kind: 'notParsed' };

type ParseSync = (text: string) => { stmts?: readonly { stmt?: object; stmt_location?: number; stmt_len?: number }[] };

interface Grammar {
  readonly parse: ParseSync;
  readonly parsePlPgSql: (text: string) => object;
}

/** Very deep input destroys the module's memory: after the first such failure its answers cannot be trusted. */
let state: { readonly kind: 'unloaded' } | { readonly kind: 'ready'; readonly grammar: Grammar } | { readonly kind: 'dead' } = { kind: 'unloaded' };

async function load(): Promise<Grammar | null> {
  if (state.kind === 'unloaded') {
    try {
      // V8 would optimise the grammar, one huge function, in the background: 600 MB and half a second of CPU for nothing. It asks
      // these two while the module lives, so they stay.
      setFlagsFromString('--no-wasm-tier-up');
      setFlagsFromString('--no-wasm-dynamic-tiering');
      // Of a file that comes with its package, what is used is checked when it is used: half of the loading.
      setFlagsFromString('--wasm-lazy-validation');
      const library = await import('libpg-query');
      await library.loadModule();
      state = { kind: 'ready', grammar: { parse: library.parseSync as ParseSync, parsePlPgSql: library.parsePlPgSQLSync } };
    } catch {
      // No WebAssembly here: everything goes without the parser.
      state = { kind: 'dead' };
    }
  }
  return state.kind === 'ready' ? state.grammar : null;
}

export async function parse(text: string): Promise<ParseAnswer> {
  const grammar = await load();
  if (grammar === null || state.kind === 'dead') return { kind: 'notParsed' };
  // The library refuses an empty text, which is no syntax error.
  if (text.trim() === '') return { kind: 'parsed', statements: [] };
  try {
    return { kind: 'parsed', statements: statementsOf(text, grammar.parse(text).stmts ?? []) };
  } catch (error) {
    const details = (error as { sqlDetails?: { message: string; cursorPosition: number } }).sqlDetails;
    if (details !== undefined) return { kind: 'syntaxError', message: details.message, start: utf16Offset(text, Math.max(0, details.cursorPosition)) };
    noteDeath(error);
    return { kind: 'notParsed' };
  }
}

/**
 * The syntax tree of the PL/pgSQL body of one CREATE FUNCTION or DO statement: in it, queries and types are texts. `null` when it cannot be had.
 */
export async function parsePlPgSql(statement: string): Promise<object | null> {
  const grammar = await load();
  if (grammar === null || state.kind === 'dead') return null;
  try {
    return grammar.parsePlPgSql(statement);
  } catch (error) {
    noteDeath(error);
    return null;
  }
}

/** A tree of thousands of levels, such as a sum of as many terms has, is too deep to be walked through. */
export function isTooDeep(error: unknown): boolean {
  return error instanceof RangeError;
}

function noteDeath(error: unknown): void {
  if (error instanceof RangeError || (error as Error).name === 'RuntimeError') state = { kind: 'dead' };
}

function statementsOf(text: string, statements: readonly { stmt?: object; stmt_location?: number; stmt_len?: number }[]): ParsedStatement[] {
  const walk = new ByteWalk(text);
  return statements.map(({ stmt, stmt_location: location = 0, stmt_len: length }) => {
    const start = skipTrivia(text, walk.utf16(location));
    const end = endOfContent(text, start, length === undefined ? text.length : walk.utf16(location + length));
    const [kind = 'Unparsed', node = {}] = Object.entries(stmt ?? {})[0] ?? [];
    return { start, end, kind, node: node as Node, offsetOf: (bytes) => new ByteWalk(text).utf16(bytes) };
  });
}
