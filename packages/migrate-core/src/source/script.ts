/** From a migration's SQL to the statements that will run: parsed, classified, with the file's own transactions and settings taken over. */

import { MigrationError } from '../errors.ts';
import type { Grammar, Script, Setting, Statement } from '../migration.ts';
import { positionIn } from '../position.ts';
import { split, tokens, type Span } from './lexer.ts';
import { parse, type Node } from './parser.ts';
import { readPlain } from './plain.ts';
import { rewriteSetting } from './setting.ts';
import { Classifier, summarize } from './statement.ts';
import { OwnTransactions, transactionWord } from './transaction.ts';

export interface CompileOptions {
  /** `none` when a directive or `pgm.noTransaction()` asked for it. */
  readonly transaction: 'per-migration' | 'none';
  /** Where the text stands in a file; `null` for generated SQL. */
  readonly origin: Script['origin'];
  /** The module that made the text. */
  readonly madeBy?: string | undefined;
  /** `off`: never use the parser. Default `on`. */
  readonly parse?: 'on' | 'off' | undefined;
  readonly grammar?: Grammar | undefined;
}

/** The parser takes 120 bytes of memory for each byte of such a text and never gives it back. */
const LARGEST_PARSED = 2_000_000;
/** Of a text that is not parsed as a whole, statements up to this length are, one by one. */
const LARGEST_STATEMENT = 64_000;

interface Tree {
  readonly kind: string;
  /** `null` when the parser was not used or could not be. */
  readonly node: Node | null;
}

const UNPARSED: Tree = { kind: 'Unparsed', node: null };

/**
 * Compiles one direction of a migration.
 *
 * @throws MigrationError `invalidMigration` with the position, for what no migration may hold: commands of psql, data after COPY,
 * a ROLLBACK, a BEGIN without COMMIT. A syntax error does not throw: an older server may know better, see `Script.syntaxError`.
 */
export async function compileSql(sql: string, options: CompileOptions): Promise<Script> {
  const refuse: Refuse = (start, message) => {
    throw new MigrationError({ code: 'invalidMigration', message, position: positionIn({ sql, origin: options.origin }, start) });
  };
  // On its way to the server the text would end there.
  if (sql.includes('\0')) refuse(sql.indexOf('\0'), 'a NUL character, which PostgreSQL cannot take');
  const { pieces, treeOf, syntaxError, unread } = await piecesOf(sql, options, refuse);
  const own = new OwnTransactions();
  const classifier = new Classifier(options.transaction);
  const settings: Setting[] = [];
  const statements: Statement[] = [];
  let addsEnumValue = false;
  for (const [index, piece] of pieces.entries()) {
    const text = sql.slice(piece.start, piece.end);
    const word = transactionWord(text);
    if (word !== null) {
      // It ends what stands before it, as it does where a tool sends a file as one message or runs it in a transaction. In psql it does nothing.
      if (word.kind === 'commit' && own.pair === null && options.transaction !== 'none') {
        const before = statements.findLastIndex((statement) => statement.group !== undefined) + 1;
        for (let at = before; at < statements.length; at++) statements[at] = { ...(statements[at] as Statement), group: own.pairs };
      }
      const { problem } = own.take(word, piece.start);
      if (problem !== null) refuse(piece.start, problem);
      continue;
    }
    const rewritten = options.parse === 'off' ? null : rewriteSetting(text);
    const inForce = [...settings];
    if (rewritten?.setting != null) {
      const again = settings.findIndex((one) => one.name === rewritten.setting?.name);
      if (again !== -1) settings.splice(again, 1);
      settings.push(rewritten.setting);
    }
    const { kind, node } = await treeOf(index);
    addsEnumValue ||= kind === 'AlterEnumStmt';
    statements.push({
      text: rewritten?.text ?? text,
      start: piece.start,
      kind,
      summary: summarize(text),
      ...(node === null ? classifier.unparsed(text) : classifier.parsed(kind, node, text)),
      ...(own.pair === null ? {} : { group: own.pair }),
      ...(inForce.length === 0 ? {} : { settings: inForce }),
    });
  }
  if (own.unended !== null)
    refuse(own.unended, 'a BEGIN that no COMMIT ends: psql would throw its work away at the end of the file. Add the COMMIT, or take the BEGIN out');
  // A new enum value can be used only after its COMMIT, so there the file's own pairs matter; elsewhere one transaction is better.
  const keepGroups = own.pairs > 0 && (addsEnumValue || options.transaction === 'none');
  return {
    kind: 'sql',
    sql,
    statements: keepGroups ? statements : statements.map(withoutGroup),
    isolation: own.isolation,
    origin: options.origin,
    ...(options.madeBy === undefined ? {} : { madeBy: options.madeBy }),
    transaction: options.transaction,
    ...(settings.length === 0 ? {} : { settings }),
    ...(syntaxError === null ? {} : { syntaxError }),
    ...(unread ? { unread } : {}),
  };
}

function withoutGroup({ group: _, ...statement }: Statement): Statement {
  return statement;
}

type Refuse = (start: number, message: string) => never;

interface Pieces {
  readonly pieces: readonly Span[];
  /** One after the other: the trees of a large text would be many times its size. */
  readonly treeOf: (index: number) => Promise<Tree>;
  readonly syntaxError: NonNullable<Script['syntaxError']> | null;
  readonly unread: boolean;
}

async function piecesOf(sql: string, { parse: mode = 'on', grammar = 'here' }: CompileOptions, refuse: Refuse): Promise<Pieces> {
  const plain = mode === 'on' && grammar === 'server' && sql.length <= LARGEST_PARSED ? plainPieces(sql) : null;
  if (plain !== null) return plain;
  const answer = mode === 'on' && sql.length <= LARGEST_PARSED ? await parse(sql) : ({ kind: 'notParsed' } as const);
  if (answer.kind === 'parsed') {
    for (const piece of answer.statements) refuseCopyData(sql, piece, refuse);
    return { pieces: answer.statements, treeOf: async (index) => answer.statements[index] ?? UNPARSED, syntaxError: null, unread: false };
  }
  const pieces = split(sql).spans;
  for (const span of pieces) refuseCopyData(sql, span, refuse);
  refusePsql(sql, refuse);
  return {
    pieces,
    treeOf: async (index) => (mode === 'on' ? parsedAlone(sql, pieces[index]) : UNPARSED),
    syntaxError: answer.kind === 'syntaxError' ? { message: answer.message, start: answer.start } : null,
    unread: false,
  };
}

/** Without the parser, whose loading is half a command's work; `null` when it is needed. */
function plainPieces(sql: string): Pieces | null {
  const { spans, unterminated } = split(sql);
  if (unterminated !== null) return null;
  const trees: Tree[] = [];
  for (const { start, end } of spans) {
    const text = sql.slice(start, end);
    const tree = transactionWord(text) === null ? readPlain(text) : UNPARSED;
    if (tree === null) return null;
    trees.push(tree);
  }
  return { pieces: spans, treeOf: async (index) => trees[index] ?? UNPARSED, syntaxError: null, unread: true };
}

/** Of a text that the parser did not take as a whole. What it does not take here either stays without a tree. */
async function parsedAlone(sql: string, span: Span | undefined): Promise<Tree> {
  if (span === undefined || span.end - span.start > LARGEST_STATEMENT) return UNPARSED;
  const answer = await parse(sql.slice(span.start, span.end));
  const [statement] = answer.kind === 'parsed' ? answer.statements : [];
  return statement ?? UNPARSED;
}

/** A backslash outside of quotes is no SQL: it is psql's, and psql is not here. */
function refusePsql(sql: string, refuse: Refuse): void {
  for (const token of tokens(sql)) {
    if (token.kind !== 'symbol' || sql.charAt(token.start) !== '\\') continue;
    const command = /^\S*/.exec(sql.slice(token.start, token.start + 40))?.[0] ?? '';
    refuse(token.start, `${command} is a command of psql, not SQL: take it out, or put what it would do into the file as SQL`);
  }
}

function refuseCopyData(sql: string, span: Span, refuse: Refuse): void {
  const text = sql.slice(span.start, span.end);
  if (!/^copy\b/i.test(text)) return;
  let previous = '';
  for (const token of tokens(text)) {
    if (token.kind === 'lineComment' || token.kind === 'blockComment') continue;
    const word = text.slice(token.start, token.end).toLowerCase();
    if (token.kind === 'word' && word === 'stdin' && previous === 'from') {
      refuse(span.start, 'COPY … FROM stdin needs data that only psql could send: write INSERT statements, or COPY from a file on the server');
    }
    previous = word;
  }
}
