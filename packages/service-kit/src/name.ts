/** Names in SQL. */

/** A name as SQL takes it. Most are the code's own, and still nothing is left to chance. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
