/**
 * PostgreSQL reads one thing that it writes otherwise than it was. `status IN ('a', 'b')` with a varchar is written as
 * `status::text = ANY (ARRAY['a'::varchar, 'b'::varchar]::text[])`; read again, that cast goes to each of the elements. It was never there: comparing
 * brings it about, and does so again where it is left out. Pure.
 */

import { tokens, type Token } from '../source/lexer.ts';

/** The text without casts of whole ARRAY[…] behind ANY and ALL. */
export function withoutArrayCasts(text: string): string {
  if (!/\bARRAY\[/.test(text) || !/\]\)?::/.test(text)) return text;
  const all = [...tokens(text)];
  const word = (index: number): string => {
    const token = all[index];
    return token === undefined ? '' : text.slice(token.start, token.end);
  };
  let result = '';
  let from = 0;
  for (let index = 0; index < all.length; index++) {
    if (!/^(?:ANY|ALL)$/.test(word(index)) || word(index + 1) !== '(') continue;
    const parenthesis = word(index + 2) === '(';
    const array = index + (parenthesis ? 3 : 2);
    if (word(array) !== 'ARRAY' || word(array + 1) !== '[') continue;
    const close = closing(all, text, array + 1);
    if (close === null) continue;
    const cast = close + (parenthesis ? 2 : 1);
    if ((parenthesis && word(close + 1) !== ')') || word(cast) !== ':' || word(cast + 1) !== ':') continue;
    const end = endOfType(word, cast + 2);
    if (end === null || word(end) !== ')') continue;
    result += text.slice(from, all[cast]?.start);
    from = all[end]?.start ?? text.length;
  }
  return result + text.slice(from);
}

/** The place of the bracket that closes the one at `open`. */
function closing(all: readonly Token[], text: string, open: number): number | null {
  let depth = 0;
  for (let index = open; index < all.length; index++) {
    const token = all[index] as Token;
    const symbol = token.kind === 'symbol' ? text.slice(token.start, token.end) : '';
    if (symbol === '[') depth++;
    if (symbol === ']' && --depth === 0) return index;
  }
  return null;
}

/** Behind the name of an array type: words, quoted names and dots, then `[]`. */
function endOfType(word: (index: number) => string, from: number): number | null {
  let index = from;
  while (/^(?:[a-z_][\w$]*|".*"|\.)$/i.test(word(index))) index++;
  if (index === from || word(index) !== '[' || word(index + 1) !== ']') return null;
  return index + 2;
}
