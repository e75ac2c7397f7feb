/** Command lines that a message tells people to type. Pure. */

/**
 * As one word for a shell: names of usual characters as they are, double quotes where that is enough, and nothing that a shell would carry out. Control
 * characters, line breaks among them, are written as bash and zsh read them, `$'…\n…'`, so that a command line stays one line.
 */
export function inQuotes(text: string): string {
  if (/^[\w.,@%+:/-]+$/.test(text)) return text;
  if (HIDDEN.test(text)) return `$'${text.replaceAll(/[\\']/g, String.raw`\$&`).replaceAll(new RegExp(HIDDEN, 'g'), escaped)}'`;
  return /["$`\\!]/.test(text) ? `'${text.replaceAll(`'`, `'\\''`)}'` : `"${text}"`;
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const NAMED: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` };

function escaped(character: string): string {
  return NAMED[character] ?? String.raw`\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
}
