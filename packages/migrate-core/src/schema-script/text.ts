/** SQL with places for a schema's name, so that the same statements can be made for a schema of any name. Pure. */

import { identifier, literal } from '../sql.ts';

/** Text as it is, or a place. */
export type Piece = string | SchemaName | Quoted;
export type Text = readonly Piece[];

/** The schema's name, as an identifier. */
interface SchemaName {
  readonly place: 'schema';
}

/** A string literal whose value is rendered first: a function's body, or a name inside of one. */
interface Quoted {
  readonly place: 'literal';
  readonly value: Text;
}

/** Where the schema's name goes. */
export const HERE: Piece = { place: 'schema' };

export function quoted(value: Text): Piece {
  return { place: 'literal', value };
}

export function render(text: Text, schema: string): string {
  return text
    .map((piece) => {
      if (typeof piece === 'string') return piece;
      return piece.place === 'schema' ? identifier(schema) : literal(render(piece.value, schema));
    })
    .join('');
}

/** `sql`CREATE TABLE ${name} (${columns})`` with texts and strings as they are. Nothing is quoted here. */
export function sql(strings: TemplateStringsArray, ...values: readonly (Text | string)[]): Text {
  const pieces: Piece[] = [];
  strings.forEach((string, index) => {
    if (string !== '') pieces.push(string);
    const value = values[index];
    if (typeof value === 'string') pieces.push(value);
    else if (value !== undefined) pieces.push(...value);
  });
  return pieces;
}

export function join(texts: readonly (Text | string)[], separator: string): Text {
  return texts.flatMap((text, index) => [...(index === 0 ? [] : [separator]), ...(typeof text === 'string' ? [text] : text)]);
}
