/**
 * Finds out what the identifiers and constants of a text are: each gets a name of its own, and the syntax tree of that text tells where
 * those names have come to. The tree itself gives no place for most names of objects. Pure.
 */

import { tokens, type Token } from '../lexer.ts';
import { nameIn, stringInside, type Inner } from './literal.ts';

/** An identifier or string constant. */
export interface Word {
  readonly kind: 'name' | 'string';
  /** UTF-16 offsets in the text that it was found in; with a UESCAPE behind it. */
  readonly start: number;
  readonly end: number;
  /** What it means: of a name, folded and without quotes. */
  readonly value: string;
  /** Of a string, its inside. */
  readonly inner: Inner | null;
  /** A name with a dot before it. */
  readonly isPart: boolean;
}

/** Every identifier and string constant of a text; those whose quotes nothing closes are left out. */
export function wordsOf(outer: Inner): readonly Word[] {
  const text = outer.value;
  const all = [...tokens(text)].filter((token) => token.kind !== 'lineComment' && token.kind !== 'blockComment');
  const read = (token: Token | undefined): string => (token === undefined ? '' : text.slice(token.start, token.end));
  const words: Word[] = [];
  for (const [index, token] of all.entries()) {
    if (!token.closed || (token.kind !== 'word' && token.kind !== 'quoted' && token.kind !== 'string')) continue;
    const written = read(token);
    let { end } = token;
    let escape = '\\';
    if (/^u&/i.test(written) && read(all[index + 1]).toLowerCase() === 'uescape') {
      end = all[index + 2]?.end ?? end;
      escape = read(all[index + 2]).slice(1, -1) || escape;
    }
    const isPart = read(all[index - 1]) === '.';
    if (token.kind !== 'string') words.push({ kind: 'name', start: token.start, end, value: nameIn(written, escape), inner: null, isPart });
    else {
      const inner = stringInside(outer, token.start, written, escape);
      if (inner !== null) words.push({ kind: 'string', start: token.start, end, value: inner.value, inner, isPart });
    }
  }
  return words;
}

export class Marks {
  readonly words: readonly Word[];
  readonly #prefix: string;
  readonly #text: string;

  constructor(text: string, words: readonly Word[], level: number) {
    // One level's marks must not be taken for another's: a body is looked at with the marks of its statement around it.
    let prefix = `mark${level}n`;
    while (text.includes(prefix)) prefix = `x${prefix}`;
    this.#prefix = prefix;
    this.#text = text;
    this.words = words;
  }

  /** The text with a mark in place of each of the words. */
  get text(): string {
    let marked = '';
    let from = 0;
    for (const [index, { start, end }] of this.words.entries()) {
      marked += this.#text.slice(from, start) + this.#markOf(index);
      from = end;
    }
    return marked + this.#text.slice(from);
  }

  #markOf(index: number): string {
    const word = this.words[index];
    if (word?.kind === 'name') return `"${this.#prefix}${index}e"`;
    // RAISE counts the parameters of its message.
    return `'${this.#prefix}${index}e${word?.value.replaceAll(/[^%]/g, '') ?? ''}'`;
  }

  /** The unmarked offset of an offset of the marked text, which stands in no mark. */
  offsetBefore(marked: number): number {
    let moved = 0;
    for (const [index, { start, end }] of this.words.entries()) {
      if (start + moved >= marked) break;
      moved += this.#markOf(index).length - (end - start);
    }
    return marked - moved;
  }

  /** The text before a word. */
  before(word: Word): string {
    return this.#text.slice(0, word.start);
  }

  /** The word whose mark this is; `null` for any other text. */
  wordOf(value: string): Word | null {
    const number = value.startsWith(this.#prefix) ? /^(\d+)e%*$/.exec(value.slice(this.#prefix.length))?.[1] : undefined;
    return number === undefined ? null : (this.words[Number(number)] ?? null);
  }

  /** The words whose marks occur in a text. */
  wordsIn(text: string): Word[] {
    return [...text.matchAll(new RegExp(`${this.#prefix}(\\d+)e`, 'g'))].map((found) => this.words[Number(found[1])]).filter((one) => one !== undefined);
  }

  /** A marked text with one string's mark replaced. */
  replace(marked: string, word: Word, by: string): string {
    return marked.replace(this.#markOf(this.words.indexOf(word)), () => by);
  }
}
