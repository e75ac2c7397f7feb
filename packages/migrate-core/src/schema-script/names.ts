/** Where a text names the schema that it was read from, so that a copy must name its own. */

import { tokens, type Token } from '../source/lexer.ts';
import { HERE, quoted, type Piece, type Text } from './text.ts';

/** A name made for a template or a trial: nothing but the schema is called so, and wherever it stands the schema is meant. */
export function isDistinctive(schema: string): boolean {
  return /_tpl_[0-9a-f]{16}/.test(schema);
}

/**
 * Whether SQL that PostgreSQL wrote names the schema. Read with the schema on the search path, it stands nowhere but in strings. A name that is not
 * distinctive may be an ordinary word there: then it counts all the same.
 */
export function namesSchema(text: string, schema: string): boolean {
  if (!text.includes(schema)) return false;
  if (isDistinctive(schema)) return true;
  const word = new RegExp(`(?<![\\w$])${schema.replaceAll(/[^\w]/g, String.raw`\$&`)}(?![\\w$])`);
  for (const token of tokens(text)) {
    if (token.kind === 'string' && word.test(text.slice(token.start, token.end))) return true;
  }
  return false;
}

/**
 * The body of a function, with a place wherever it names the schema: as an identifier, or at the beginning of a string such as 'schema.codes'. `null` where
 * it names the schema in another way, or where the name is not distinctive and may stand for something else.
 */
export function openBody(body: string, schema: string): Text | null {
  if (!body.includes(schema)) return [body];
  if (!isDistinctive(schema)) return namesSchema(body, schema) || namesIdentifier(body, schema) ? null : [body];
  const pieces: Piece[] = [];
  let end = 0;
  const put = (token: Token, piece: Piece): void => {
    pieces.push(body.slice(end, token.start), piece);
    end = token.end;
  };
  for (const token of tokens(body)) {
    const text = body.slice(token.start, token.end);
    if (!text.includes(schema)) continue;
    if (isName(token, text, schema)) put(token, HERE);
    else if (token.kind === 'string') {
      const value = openString(text, schema);
      if (value === null) return null;
      put(token, value);
    } else return null;
  }
  return [...pieces, body.slice(end)];
}

function isName(token: Token, text: string, schema: string): boolean {
  return (token.kind === 'word' && text.toLowerCase() === schema) || (token.kind === 'quoted' && text === `"${schema.replaceAll('"', '""')}"`);
}

function namesIdentifier(body: string, schema: string): boolean {
  for (const token of tokens(body)) {
    if (isName(token, body.slice(token.start, token.end), schema)) return true;
  }
  return false;
}

/** A plain string that begins with the schema's name and a dot, or is that name. */
function openString(text: string, schema: string): Piece | null {
  if (!/^'[^\\]*'$/.test(text)) return null;
  const value = text.slice(1, -1).replaceAll("''", "'");
  for (const name of [`"${schema}"`, schema]) {
    if (!value.startsWith(name)) continue;
    const rest = value.slice(name.length);
    if (rest.includes(schema) || !/^(?:\.[\w"$]+)?$/.test(rest) || (rest === '' && name === schema)) return null;
    return quoted([HERE, rest]);
  }
  return null;
}
