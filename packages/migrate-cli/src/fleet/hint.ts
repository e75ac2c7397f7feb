/** Commands that a message names, made into such as are about one tenant. Pure. */

/** More names than these make no line that anybody types; and what is right for one is left alone by a command for all of them. */
const MOST_NAMED = 3;

/**
 * What is `migrate repair 0002` for a service is nothing of the kind for its tenants: their command lines say which of them, and where they are.
 *
 * @param flags A query that names them; empty for tenants that the service keeps itself.
 */
export function aboutTenants(text: string, tenants: readonly string[], flags: string): string {
  // With a comma in it a name could not be told from two.
  const named = tenants.length > 0 && tenants.length <= MOST_NAMED && tenants.every((one) => !one.includes(','));
  const who = named ? ` --tenant ${inQuotes(tenants.join(','))}` : flags === '' ? ' --source tenant' : '';
  return text.replaceAll(/\bmigrate (up|down|redo|status|plan|log|repair)\b(?! --service)/g, (_, command: string) => `migrate ${command}${who}${flags}`);
}

/** As one word for a shell; double quotes where that is enough. */
export function inQuotes(text: string): string {
  if (/^[\w.,@%+:/-]+$/.test(text)) return text;
  return /["$`\\!]/.test(text) ? `'${text.replaceAll(`'`, `'\\''`)}'` : `"${text}"`;
}
