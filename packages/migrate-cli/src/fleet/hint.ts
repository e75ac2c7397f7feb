/** Commands that a message names, made into such as are about one tenant. Pure. */

/** More names than these make no line that anybody types. */
const MOST_NAMED = 3;

/** What is `migrate repair 0002` for a service is nothing of the kind for its tenants: their command lines say which of them, and where they are. */
export function aboutTenants(text: string, tenants: readonly string[], flags: string): string {
  const named = tenants.length <= MOST_NAMED ? tenants : tenants.slice(0, 1);
  // With a comma in it a name could not be told from two.
  const plain = named.some((one) => one.includes(',')) ? [] : [`--tenant ${inQuotes(named.join(','))}`];
  const more = [...plain, ...(flags === '' && plain.length === 0 ? ['--source tenant'] : [])].map((one) => ` ${one}`).join('');
  return text.replaceAll(/\bmigrate (up|down|redo|status|plan|log|repair)\b(?! --service)/g, (_, command: string) => `migrate ${command}${more}${flags}`);
}

/** As one word for a shell; double quotes where that is enough. */
export function inQuotes(text: string): string {
  if (/^[\w.,@%+:/-]+$/.test(text)) return text;
  return /["$`\\!]/.test(text) ? `'${text.replaceAll(`'`, `'\\''`)}'` : `"${text}"`;
}
