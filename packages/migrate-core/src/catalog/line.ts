/** One line of a catalogue's text: four fields between tabs. Pure. */

export interface CatalogLine {
  /** `table patients`. */
  readonly object: string;
  /** `column phone`; empty for the object itself. */
  readonly part: string;
  /** `comment`, `owner`, `grants to app`; empty for the definition. */
  readonly aspect: string;
  readonly value: string;
}

export function writeLine(line: CatalogLine): string {
  return [line.object, line.part, line.aspect, line.value].map(escape).join('\t');
}

export function readLines(text: string): CatalogLine[] {
  if (text === '') return [];
  return text.split('\n').map((line) => {
    const [object = '', part = '', aspect = '', value = ''] = line.split('\t').map(unescape);
    return { object, part, aspect, value };
  });
}

function escape(field: string): string {
  return field
    .replaceAll('\\', '\\\\')
    .replaceAll('\t', String.raw`\t`)
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('\r', String.raw`\r`);
}

function unescape(field: string): string {
  return field.replaceAll(/\\(.)/g, (_, character: string) => ({ t: '\t', n: '\n', r: '\r' })[character] ?? character);
}
