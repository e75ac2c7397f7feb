/**
 * The commonest statements, told by their words alone. What is answered is that part of the parser's tree which `Classifier` reads, so that one set of rules
 * serves both; whether the whole statement is right, its words do not tell, and the server has to be asked. Everything in doubt is `null`. Pure.
 */

import { chunks, tokens, type Token } from './lexer.ts';
import type { Node } from './parser.ts';

export interface PlainStatement {
  readonly kind: string;
  readonly node: Node;
}

/** What PostgreSQL cuts a longer identifier to, in bytes, which are characters here (NAMEDATALEN). */
const LONGEST_NAME = 63;

/** @param sql One statement, without its `;`. */
export function readPlain(sql: string): PlainStatement | null {
  const words = new Words(sql);
  const first = words.next() ?? '';
  const found = READERS.get(first)?.(words) ?? null;
  if (found === null) return null;
  // Of a body of several statements nobody here tells where it ends; and PL/pgSQL, by which the server is asked, has an INTO of its own, anywhere but behind INSERT.
  words.goTo(first === 'insert' ? 2 : 1);
  return words.has('atomic', 'into') ? null : found;
}

/** By a word of the statement, which may be `constructor`: no object's own. */
function dictionary<Value>(entries: Readonly<Record<string, Value>>): ReadonlyMap<string, Value> {
  return new Map(Object.entries(entries));
}

type Reader = (words: Words) => PlainStatement | null;

const READERS = dictionary<Reader>({
  create,
  alter,
  drop,
  insert: (words) => (words.take('into') ? onRelation('InsertStmt', words) : null),
  update: (words) => (words.take('only'), onRelation('UpdateStmt', words)),
  delete: (words) => (words.take('from') ? (words.take('only'), onRelation('DeleteStmt', words)) : null),
  select: () => plain('SelectStmt'),
  do: () => plain('DoStmt'),
  comment: (words) => (words.take('on') ? plain('CommentStmt') : null),
  // GRANT of a role has no ON.
  grant: (words) => (words.skipTo('on') ? plain('GrantStmt') : null),
  revoke: (words) => (words.skipTo('on') ? plain('GrantStmt') : null),
});

function plain(kind: string, node: Node = {}): PlainStatement {
  return { kind, node };
}

function onRelation(kind: string, words: Words): PlainStatement | null {
  const relation = words.relation();
  return relation === null ? null : plain(kind, { relation });
}

function create(words: Words): PlainStatement | null {
  const replace = words.take('or') && words.take('replace');
  const first = words.next();
  switch (first) {
    case 'table':
      return replace ? null : createTable(words);
    case 'unique':
      return !replace && words.take('index') ? createIndex(words) : null;
    case 'index':
      return replace ? null : createIndex(words);
    case 'function':
    case 'procedure':
      return plain('CreateFunctionStmt', { replace });
    case 'constraint':
      return words.take('trigger') ? createTrigger(words) : null;
    case 'trigger':
      return createTrigger(words);
    case 'policy':
      return replace ? null : onTable('CreatePolicyStmt', words);
    case 'view': {
      const view = words.relation();
      return view === null ? null : plain('ViewStmt', { view, replace });
    }
    case 'sequence': {
      const ifNotExists = words.ifNotExists();
      const sequence = ifNotExists === null ? null : words.relation();
      return replace || sequence === null ? null : plain('CreateSeqStmt', { sequence, if_not_exists: ifNotExists });
    }
    case 'type':
      return replace ? null : createType(words);
    case 'extension':
      return replace ? null : plain('CreateExtensionStmt');
    default:
      return null;
  }
}

/** `CREATE TABLE name (…)` and nothing behind it: no partition, no parent, no AS. */
function createTable(words: Words): PlainStatement | null {
  const ifNotExists = words.ifNotExists();
  const relation = ifNotExists === null ? null : words.relation();
  if (relation === null || !words.isAt('(')) return null;
  const tableElts = words.references();
  return tableElts === null || !words.endWithPair() ? null : plain('CreateStmt', { relation, if_not_exists: ifNotExists, tableElts });
}

function createIndex(words: Words): PlainStatement | null {
  if (words.take('concurrently')) return null;
  const ifNotExists = words.ifNotExists();
  if (ifNotExists === null) return null;
  const idxname = words.take('on') ? null : words.name();
  if (idxname !== null && !words.take('on')) return null;
  words.take('only');
  const relation = words.relation();
  return relation === null ? null : plain('IndexStmt', { relation, if_not_exists: ifNotExists, ...(idxname === null ? {} : { idxname }) });
}

/** Its events may name columns, but ON is a word that no column can be. */
function createTrigger(words: Words): PlainStatement | null {
  return words.skipTo('on') ? onRelation('CreateTrigStmt', words) : null;
}

function onTable(kind: string, words: Words): PlainStatement | null {
  const table = words.name() !== null && words.take('on') ? words.relation() : null;
  return table === null ? null : plain(kind, { table });
}

function createType(words: Words): PlainStatement | null {
  if (words.relation() === null || !words.take('as')) return null;
  if (words.take('enum')) return plain('CreateEnumStmt');
  return words.isAt('(') ? plain('CompositeTypeStmt') : null;
}

function policy(words: Words): PlainStatement | null {
  const found = onTable('AlterPolicyStmt', words);
  return found !== null && words.peek() === 'rename' ? plain('RenameStmt', { relation: found.node['table'] }) : found;
}

/** Those that concern no other relation but by a foreign key. */
const ALTERATIONS = new Set(['add', 'drop', 'alter', 'validate', 'enable', 'disable', 'force', 'owner']);

function alter(words: Words): PlainStatement | null {
  if (words.take('policy')) return policy(words);
  if (words.take('type')) return words.relation() !== null && words.take('add') && words.take('value') ? plain('AlterEnumStmt') : null;
  if (!words.take('table')) return null;
  if (words.take('if') && !words.take('exists')) return null;
  words.take('only');
  const relation = words.relation();
  const action = words.peek();
  if (relation === null || action === null) return null;
  if (action === 'rename') return plain('RenameStmt', { relation });
  if (!ALTERATIONS.has(action)) return null;
  const references = words.references();
  // Behind a comma stands another action.
  if (references === null || words.has('attach', 'detach', 'inherit', 'of', 'schema')) return null;
  return plain('AlterTableStmt', { relation, cmds: references.map((def) => ({ AlterTableCmd: { def } })) });
}

/** By the word behind DROP: the object's type in the tree. */
const DROPPED = dictionary<string>({
  table: 'OBJECT_TABLE',
  view: 'OBJECT_VIEW',
  index: 'OBJECT_INDEX',
  sequence: 'OBJECT_SEQUENCE',
});
const DROPPED_PART = dictionary<string>({ trigger: 'OBJECT_TRIGGER', policy: 'OBJECT_POLICY' });
const DROPPED_APART = dictionary<string>({ function: 'OBJECT_FUNCTION', type: 'OBJECT_TYPE', procedure: 'OBJECT_PROCEDURE' });

function drop(words: Words): PlainStatement | null {
  const what = words.next() ?? '';
  if (words.take('concurrently') || (words.take('if') && !words.take('exists'))) return null;
  const apart = DROPPED_APART.get(what);
  if (apart !== undefined) return plain('DropStmt', { removeType: apart });
  const part = DROPPED_PART.get(what);
  if (part !== undefined) {
    const name = words.name();
    const table = name !== null && words.take('on') ? words.relation() : null;
    return table === null ? null : plain('DropStmt', { removeType: part, objects: [listed(table, name)] });
  }
  const type = DROPPED.get(what);
  if (type === undefined) return null;
  const objects: Node[] = [];
  do {
    const relation = words.relation();
    if (relation === null) return null;
    objects.push(listed(relation));
  } while (words.takeSymbol(','));
  return plain('DropStmt', { removeType: type, objects });
}

function listed({ schemaname, relname }: Relation, part: string | null = null): Node {
  const names = [schemaname, relname, part].filter((name) => name != null);
  return { List: { items: names.map((sval) => ({ String: { sval } })) } };
}

interface Relation extends Node {
  readonly schemaname?: string;
  readonly relname: string;
}

/** What a statement consists of, without its comments, read from the front and no further than asked for. */
class Words {
  readonly #sql: string;
  readonly #source: Iterator<Token, void, undefined>;
  readonly #read: Token[] = [];
  #at = 0;

  constructor(sql: string) {
    this.#sql = sql;
    this.#source = tokens(sql);
  }

  #token(at: number): Token | undefined {
    while (this.#read.length <= at) {
      const { value, done } = this.#source.next();
      if (done === true) return undefined;
      if (value.kind !== 'lineComment' && value.kind !== 'blockComment') this.#read.push(value);
    }
    return this.#read[at];
  }

  #text({ start, end }: Token): string {
    return this.#sql.slice(start, end);
  }

  #wordAt(at: number): string | null {
    const token = this.#token(at);
    return token?.kind === 'word' ? this.#text(token).toLowerCase() : null;
  }

  /** The word that stands here, in lower case; `null` where none does. */
  peek(): string | null {
    return this.#wordAt(this.#at);
  }

  /** To the token of this number. */
  goTo(at: number): void {
    this.#at = at;
  }

  next(): string | null {
    const word = this.peek();
    if (word !== null) this.#at++;
    return word;
  }

  take(word: string): boolean {
    if (this.peek() !== word) return false;
    this.#at++;
    return true;
  }

  isAt(symbol: string): boolean {
    const token = this.#token(this.#at);
    return token?.kind === 'symbol' && this.#text(token) === symbol;
  }

  takeSymbol(symbol: string): boolean {
    if (!this.isAt(symbol)) return false;
    this.#at++;
    return true;
  }

  /** `null`: something is called `if`. */
  ifNotExists(): boolean | null {
    if (!this.take('if')) return false;
    return this.take('not') && this.take('exists') ? true : null;
  }

  name(): string | null {
    const token = this.#token(this.#at);
    if (token === undefined || (token.kind !== 'word' && token.kind !== 'quoted')) return null;
    const text = this.#text(token);
    // In another alphabet the server's encoding decides, and `U&"…"` holds other characters than it looks.
    if (!/^(?:[\w$]+|"[\x20-\x7e]+")$/.test(text)) return null;
    const name = token.kind === 'word' ? text.toLowerCase() : text.slice(1, -1).replaceAll('""', '"');
    if (name.length > LONGEST_NAME) return null;
    this.#at++;
    return name;
  }

  /** `name` or `schema.name`. */
  relation(): Relation | null {
    const first = this.name();
    if (first === null) return null;
    if (!this.takeSymbol('.')) return { relname: first };
    const second = this.name();
    return second === null || this.isAt('.') ? null : { schemaname: first, relname: second };
  }

  /** Behind the next such word outside of parentheses. */
  skipTo(word: string): boolean {
    let depth = 0;
    for (let token = this.#token(this.#at); token !== undefined; token = this.#token(++this.#at)) {
      if (token.kind === 'symbol') depth += { '(': 1, ')': -1 }[this.#text(token)] ?? 0;
      else if (depth === 0 && this.take(word)) return true;
    }
    return false;
  }

  /** Whether one of these words stands anywhere from here to the end. */
  has(...wanted: readonly string[]): boolean {
    // Most statements do not hold it in any place, a string or a comment included.
    if (!new RegExp(`\\b(?:${wanted.join('|')})\\b`, 'i').test(this.#sql)) return false;
    for (let at = this.#at; this.#token(at) !== undefined; at++) if (wanted.includes(this.#wordAt(at) ?? '')) return true;
    return false;
  }

  /** The foreign keys from here to the end; `null` when one cannot be read. Stays where it is. */
  references(): readonly Node[] | null {
    const found: Node[] = [];
    if (!this.has('references')) return found;
    const back = this.#at;
    while (this.#token(this.#at) !== undefined) {
      if (!this.take('references')) {
        this.#at++;
        continue;
      }
      const pktable = this.relation();
      if (pktable === null) return null;
      found.push({ Constraint: { contype: 'CONSTR_FOREIGN', pktable } });
    }
    this.#at = back;
    return found;
  }

  /** Whether everything from the parenthesis here to the end is in one pair. */
  endWithPair(): boolean {
    const { start } = this.#token(this.#at) as Token;
    let depth = 0;
    let closed = false;
    for (const token of chunks(this.#sql.slice(start))) {
      if (token.kind === 'lineComment' || token.kind === 'blockComment') continue;
      if (closed) return false;
      const symbol = token.kind === 'symbol' ? this.#sql.charAt(start + token.start) : '';
      if (symbol === '(') depth++;
      else if (symbol === ')') closed = --depth === 0;
    }
    return closed;
  }
}
