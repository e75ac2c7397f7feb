/** What an identifier or a string constant says, where each of its characters stands, and how a name is put into one. Pure. */

/** How the characters of a text are written in the text around it. */
export type Layer =
  | { readonly kind: 'plain' }
  | { readonly kind: 'escape' }
  | { readonly kind: 'unicode'; readonly escape: string }
  | { readonly kind: 'dollar'; readonly mark: string };

/** A text, perhaps inside of string constants of another one. */
export interface Inner {
  readonly value: string;
  /** Where each UTF-16 unit of `value` begins in the outermost text; one more for its end. `null`: where it says itself. */
  readonly at: readonly number[] | null;
  /** From the innermost outwards. */
  readonly layers: readonly Layer[];
}

export function outermost(value: string): Inner {
  return { value, at: null, layers: [] };
}

/** A UTF-16 offset of `inner.value` in the outermost text. */
export function placeOf({ at }: Inner, offset: number): number {
  return at === null ? offset : (at[offset] ?? at.at(-1) ?? 0);
}

interface Decoded {
  readonly value: string;
  /** UTF-16 offsets in the constant, one more than `value` has units. */
  readonly at: readonly number[];
  readonly layer: Layer;
}

/** A string constant inside of `outer`, which stands there from `start` on and is written as `text`. `null` for a bit string and what is not closed. */
export function stringInside(outer: Inner, start: number, text: string, escape: string): Inner | null {
  const decoded = decodeString(text, escape);
  if (decoded === null) return null;
  return { value: decoded.value, at: decoded.at.map((offset) => placeOf(outer, start + offset)), layers: [decoded.layer, ...outer.layers] };
}

function decodeString(text: string, escape: string): Decoded | null {
  const dollar = /^\$\w*\$|^\$[^$']*\$/.exec(text)?.[0];
  if (dollar !== undefined) {
    if (text.length < 2 * dollar.length || !text.endsWith(dollar)) return null;
    const value = text.slice(dollar.length, -dollar.length);
    return { value, at: Array.from({ length: value.length + 1 }, (_, index) => dollar.length + index), layer: { kind: 'dollar', mark: dollar } };
  }
  const head = /^(?:[eEnN]|[uU]&)?'/.exec(text)?.[0];
  if (head === undefined) return null;
  const first = head.charAt(0).toLowerCase();
  const layer: Layer = first === 'e' ? { kind: 'escape' } : first === 'u' ? { kind: 'unicode', escape } : { kind: 'plain' };
  const special = layer.kind === 'escape' ? '\\' : layer.kind === 'unicode' ? escape : null;
  let value = '';
  const at: number[] = [];
  const put = (characters: string, offset: number): void => {
    value += characters;
    for (let unit = 0; unit < characters.length; unit++) at.push(offset);
  };
  for (let offset = head.length; offset < text.length;) {
    const char = text.charAt(offset);
    if (char === "'" && text.charAt(offset + 1) === "'") {
      put("'", offset);
      offset += 2;
    } else if (char === "'") {
      // Another one behind a newline is part of it.
      const next = /^'(?:[ \t\f\v]*(?:--[^\n\r]*)?[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*)'/.exec(text.slice(offset))?.[0];
      if (next === undefined) return { value, at: [...at, offset], layer };
      offset += next.length;
    } else if (char === special) {
      const { characters, length } = layer.kind === 'escape' ? backslash(text, offset) : unicodeEscape(text, offset, escape);
      put(characters, offset);
      offset += length;
    } else {
      put(char, offset);
      offset++;
    }
  }
  return null;
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function backslash(text: string, offset: number): { characters: string; length: number } {
  const rest = text.slice(offset + 1, offset + 10);
  const code = /^(?:x[0-9a-f]{1,2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[0-7]{1,3})/i.exec(rest)?.[0];
  if (code !== undefined) {
    const point = /^[xu]/i.test(code) ? Number.parseInt(code.slice(1), 16) : Number.parseInt(code, 8);
    // One byte of several: nothing that a name could be told from.
    const character = point > 0x10_ff_ff || (point > 0x7f && !/^u/i.test(code)) ? '\ufffd' : String.fromCodePoint(point);
    return { characters: character, length: 1 + code.length };
  }
  return { characters: ESCAPES[rest.charAt(0)] ?? rest.charAt(0), length: 2 };
}

function unicodeEscape(text: string, offset: number, escape: string): { characters: string; length: number } {
  if (text.charAt(offset + 1) === escape) return { characters: escape, length: 2 };
  const code = /^(?:\+[0-9a-f]{6}|[0-9a-f]{4})/i.exec(text.slice(offset + 1, offset + 8))?.[0];
  if (code === undefined) return { characters: escape, length: 1 };
  const point = Number.parseInt(code.replace('+', ''), 16);
  return { characters: point > 0x10_ff_ff ? '\ufffd' : String.fromCodePoint(point), length: 1 + code.length };
}

/** What an identifier means: unquoted ones are folded, as PostgreSQL folds ASCII. */
export function nameIn(text: string, escape: string): string {
  if (text.startsWith('"')) return text.slice(1, -1).replaceAll('""', '"');
  if (!/^u&"/i.test(text)) return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  const quoted = text.slice(3, -1).replaceAll('""', '"');
  let name = '';
  for (let offset = 0; offset < quoted.length;) {
    const { characters, length } = quoted.charAt(offset) === escape ? unicodeEscape(quoted, offset, escape) : { characters: quoted.charAt(offset), length: 1 };
    name += characters;
    offset += length;
  }
  return name;
}

/** A text as it has to be written inside of these layers; `null` where a dollar quote would end in it. */
export function written(text: string, layers: readonly Layer[]): string | null {
  let inside = text;
  for (const layer of layers) {
    switch (layer.kind) {
      case 'dollar':
        if (inside.includes(layer.mark)) return null;
        break;
      case 'plain':
        inside = inside.replaceAll("'", "''");
        break;
      case 'escape':
        inside = inside.replaceAll('\\', '\\\\').replaceAll("'", "''");
        break;
      case 'unicode':
        inside = inside.replaceAll(layer.escape, layer.escape.repeat(2)).replaceAll("'", "''");
        break;
    }
  }
  return inside;
}
