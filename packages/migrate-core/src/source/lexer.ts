/**
 * Just enough of PostgreSQL's lexical rules to know where a statement ends: quotes, comments, dollar quotes, parentheses
 * and `BEGIN ATOMIC` bodies. It never fails; an unterminated quote reaches to the end. Strings are read as with
 * `standard_conforming_strings = on`, the default since 9.1. Pure.
 */

export interface Token {
  /** `symbol` is one character of anything else, such as `;`, `(` or `\`; `rest` is of `chunks`. */
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'symbol' | 'lineComment' | 'blockComment' | 'rest';
  /** UTF-16 offsets. */
  readonly start: number;
  readonly end: number;
  /** `false` when the text ends before the closing quote or comment mark. */
  readonly closed: boolean;
}

/** UTF-16 offsets of one statement: from its first to behind its last character that is no space or comment, without the `;`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

// Not `\s`: to PostgreSQL a no-break space is a letter.
const SPACE = /[ \t\n\r\f\v]*/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
// Not `1..n`, as PL/pgSQL's FOR has it.
const NUMBER = /\d(?:\w|\.(?!\.))*/y;
const LINE_COMMENT = /--[^\n\r]*/y;
const DOLLAR = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const PLAIN_STRING = /'(?:[^']|'')*('?)/y;
const ESCAPE_STRING = /'(?:[^'\\]|\\[^]|'')*('?)/y;
const QUOTED = /"(?:[^"]|"")*("?)/y;
/** Two strings with a newline between are one, and the second has the escapes of the first. */
const CONTINUED = /[ \t\f\v]*(?:--[^\n\r]*)?[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*(?=')/y;

function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

/** Every token from `from` on. Spaces are left out; comments are tokens. */
export function* tokens(text: string, from = 0): Generator<Token, void, undefined> {
  let at = match(SPACE, text, from);
  while (at < text.length) {
    const token = tokenAt(text, at);
    yield token;
    at = match(SPACE, text, token.end);
  }
}

const MARK = /--|\/\*|['"$;()]/g;
const IN_WORD = /[\w$\u0080-\uffff]/;

/**
 * The same text in larger pieces, which is a tenth of the work: quotes, comments, `;` and parentheses as in `tokens`, and what is between them as one `rest` from its
 * first to behind its last character that is no space.
 */
export function* chunks(text: string): Generator<Token, void, undefined> {
  let from = 0;
  let at = 0;
  for (;;) {
    MARK.lastIndex = at;
    const start = MARK.exec(text)?.index ?? text.length;
    const token = start === text.length ? null : markAt(text, start, at);
    if (token !== null && token.start < start && token.kind !== 'string') {
      // Inside of a word.
      at = token.end;
      continue;
    }
    const rest = trimmed(text, from, token?.start ?? text.length);
    if (rest !== null) yield rest;
    if (token === null) return;
    yield token;
    from = at = token.end;
  }
}

/** What stands at a mark. Of one behind a letter or a digit, what is before it has to be read as well: from `from`, where a token begins. */
function markAt(text: string, start: number, from: number): Token {
  const char = text.charAt(start);
  const before = text.charAt(start - 1);
  if ((char === '$' && IN_WORD.test(before)) || (char === "'" && 'eE'.includes(before))) {
    for (const token of tokens(text, from)) if (token.end > start) return token;
  }
  return tokenAt(text, start);
}

function trimmed(text: string, from: number, to: number): Token | null {
  const start = match(SPACE, text, from);
  if (start >= to) return null;
  let end = to;
  while (' \t\n\r\f\v'.includes(text.charAt(end - 1))) end--;
  return { kind: 'rest', start, end, closed: true };
}

function tokenAt(text: string, start: number): Token {
  const char = text.charAt(start);
  const next = text.charAt(start + 1);
  if (char === '-' && next === '-') return { kind: 'lineComment', start, end: match(LINE_COMMENT, text, start), closed: true };
  if (char === '/' && next === '*') return blockComment(text, start);
  if (char === "'") return string(text, start, start, PLAIN_STRING);
  if (char === '"') return quoted(text, start, start);
  if (next === "'" && 'eE'.includes(char)) return string(text, start, start + 1, ESCAPE_STRING);
  if (next === "'" && 'bBxXnN'.includes(char)) return string(text, start, start + 1, PLAIN_STRING);
  if (next === '&' && 'uU'.includes(char)) {
    const quote = text.charAt(start + 2);
    if (quote === "'") return string(text, start, start + 2, PLAIN_STRING);
    if (quote === '"') return quoted(text, start, start + 2);
  }
  if (char === '$') {
    const open = match(DOLLAR, text, start);
    if (open !== -1) {
      const mark = text.slice(start, open);
      const close = text.indexOf(mark, open);
      return { kind: 'string', start, end: close === -1 ? text.length : close + mark.length, closed: close !== -1 };
    }
    // `$1`: as one token, since the `$` of `$1$$` opens nothing.
    const parameter = match(NUMBER, text, start + 1);
    return { kind: 'symbol', start, end: parameter === -1 ? start + 1 : parameter, closed: true };
  }
  const word = match(WORD, text, start);
  if (word !== -1) return { kind: 'word', start, end: word, closed: true };
  const number = match(NUMBER, text, start);
  if (number !== -1) return { kind: 'number', start, end: number, closed: true };
  return { kind: 'symbol', start, end: start + 1, closed: true };
}

function string(text: string, start: number, quote: number, pattern: RegExp): Token {
  for (let at = quote; ;) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    const end = pattern.lastIndex;
    if (found === null || found[1] === '') return { kind: 'string', start, end: text.length, closed: false };
    const continued = match(CONTINUED, text, end);
    if (continued === -1) return { kind: 'string', start, end, closed: true };
    at = continued;
  }
}

function quoted(text: string, start: number, quote: number): Token {
  QUOTED.lastIndex = quote;
  const closed = QUOTED.exec(text)?.[1] === '"';
  return { kind: 'quoted', start, end: closed ? QUOTED.lastIndex : text.length, closed };
}

/** Block comments nest. */
function blockComment(text: string, start: number): Token {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = start;
  for (let depth = 0; ;) {
    const found = mark.exec(text);
    if (found === null) return { kind: 'blockComment', start, end: text.length, closed: false };
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return { kind: 'blockComment', start, end: mark.lastIndex, closed: true };
  }
}

/** The statements of a text; empty ones are left out. `unterminated` is where a quote or comment opens that nothing closes. */
export function split(text: string): { readonly spans: readonly Span[]; readonly unterminated: number | null } {
  const spans: Span[] = [];
  let unterminated: number | null = null;
  let statement = new StatementReader();
  // Only there words matter.
  for (const token of /\batomic\b/i.test(text) ? tokens(text) : chunks(text)) {
    if (!token.closed) unterminated ??= token.start;
    if (token.kind === 'lineComment' || token.kind === 'blockComment') continue;
    if (!statement.ends(text, token)) continue;
    if (statement.span !== null) spans.push(statement.span);
    statement = new StatementReader();
  }
  if (statement.span !== null) spans.push(statement.span);
  return { spans, unterminated };
}

class StatementReader {
  span: Span | null = null;
  #parentheses = 0;
  /** BEGIN … END of an SQL-standard routine body, where `;` ends no statement. */
  #bodies = 0;
  #words = 0;
  #routine: 'no' | 'maybe' | 'yes' = 'no';

  /** Whether this token is the `;` behind the statement. */
  ends(text: string, token: Token): boolean {
    const char = token.kind === 'symbol' ? text.charAt(token.start) : '';
    if (char === ';' && this.#parentheses === 0 && this.#bodies === 0) return true;
    this.span = { start: this.span?.start ?? token.start, end: token.end };
    if (char === '(') this.#parentheses++;
    else if (char === ')') this.#parentheses = Math.max(0, this.#parentheses - 1);
    else if (token.kind === 'word') this.#word(text.slice(token.start, token.end).toLowerCase());
    return false;
  }

  #word(word: string): void {
    this.#words++;
    if (this.#words === 1) this.#routine = word === 'create' ? 'maybe' : 'no';
    else if (this.#routine === 'maybe' && word !== 'or' && word !== 'replace') this.#routine = word === 'function' || word === 'procedure' ? 'yes' : 'no';
    if (this.#routine !== 'yes' || this.#parentheses > 0) return;
    // CASE has an END too; outside a body neither word opens anything.
    if (word === 'begin' || (word === 'case' && this.#bodies > 0)) this.#bodies++;
    else if (word === 'end' && this.#bodies > 0) this.#bodies--;
  }
}

/** UTF-16 offset of the first character at or after `from` that is no space or comment; the text's length when there is none. */
export function skipTrivia(text: string, from: number): number {
  for (const token of tokens(text, from)) {
    if (token.kind !== 'lineComment' && token.kind !== 'blockComment') return token.start;
  }
  return text.length;
}

/** UTF-16 offset behind the last character of a statement that is no space or comment. A comment kept there would swallow what is written behind it. */
export function endOfContent(text: string, start: number, end: number): number {
  const statement = text.slice(start, end);
  if (!/--|\*\//.test(statement)) return start + statement.replace(/[ \t\n\r\f\v]+$/, '').length;
  let last = 0;
  for (const token of tokens(statement)) {
    if (token.kind !== 'lineComment' && token.kind !== 'blockComment') last = token.end;
  }
  return start + last;
}
