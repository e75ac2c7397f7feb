/** Quoting. Every name and value that comes from outside reaches SQL through one of these. Pure. */

/** A quoted identifier. Throws on NUL, which PostgreSQL cannot hold. */
export function identifier(name: string): string {
  refuseNul(name);
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."name"`. */
export function qualified(schema: string, name: string): string {
  return `${identifier(schema)}.${identifier(name)}`;
}

/** A string literal that reads the same whatever `standard_conforming_strings` says; `null` is NULL. */
export function literal(value: string | number | null): string {
  if (value === null) return 'NULL';
  if (typeof value === 'number') return String(value);
  refuseNul(value);
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

/** A `text[]` literal. */
export function textArray(values: readonly string[]): string {
  return `${literal(arrayText(values))}::text[]`;
}

/** A `name[]` literal, of names that are no longer than the server's: where a catalogue is asked for many, it compares each of its rows with every `text`. */
export function nameArray(names: readonly string[]): string {
  return `${literal(arrayText(names))}::name[]`;
}

/** What PostgreSQL reads as an array of text. */
export function arrayText(values: readonly string[]): string {
  return `{${values.map((value) => `"${/["\\]/.test(value) ? value.replaceAll(/["\\]/g, String.raw`\$&`) : value}"`).join(',')}}`;
}

/** A DO block whose dollar quotes nothing in the body can end. */
export function doBlock(body: string): string {
  let tag = '$migrate$';
  for (let n = 0; body.includes(tag); n++) tag = `$migrate${n}$`;
  return `DO ${tag}${body}${tag}`;
}

/** Text that cannot end the comment it stands in. */
export function inComment(text: string): string {
  return text.replaceAll(/[^\w.@:+-]/g, '_').slice(0, 80);
}

function refuseNul(text: string): void {
  if (text.includes('\0')) throw new TypeError('a name or value holds a NUL character, which PostgreSQL cannot store');
}
