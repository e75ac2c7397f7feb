/** Commands that a message names, made into such as are about one tenant. Pure. */

import { inQuotes } from '@org/migrate-core';

import { escapedId, type Options } from '../options.ts';

/** More names than these make no line that anybody types; and what is right for one is left alone by a command for all of them. */
const MOST_NAMED = 3;

/**
 * What is `migrate repair 0002` for a service is nothing of the kind for its tenants: their command lines say which of them, and where they are.
 *
 * @param flags A query that names them; empty for tenants that the service keeps itself.
 */
export function aboutTenants(text: string, tenants: readonly string[], flags: string): string {
  const named = tenants.length > 0 && tenants.length <= MOST_NAMED;
  const who = named ? ` --tenant ${tenantsInQuotes(tenants)}` : flags === '' ? ' --source tenant' : '';
  const one = flagsOfOne(flags, tenants[0]);
  return text
    .replaceAll(/\bmigrate (up|down|redo|status|plan|log|repair)\b(?! --service)/g, (_, command: string) => `migrate ${command}${who}${flags}`)
    .replaceAll(/\bmigrate adopt\b(?! --service)/g, () => `migrate adopt${one}`);
}

/** Where a tenant that a query names is by itself, for a command that takes one place only. */
function flagsOfOne(flags: string, tenant: string | undefined): string {
  const [place = '', query] = flags.split(/ --tenant-(?=(?:schemas|databases) )/);
  if (tenant === undefined || query === undefined) return flags;
  if (query.startsWith('schemas')) return `${place} --schema ${inQuotes(tenant)}`;
  const there = encodeURIComponent(tenant).replaceAll("'", '%27');
  const moved = place.replace(/( --url '?"?\w+:\/\/[^/?\s]*)(?:\/[^?\s'"]*)?/, (_, server: string) => `${server}/${there}`);
  return moved === place ? `${place} --database ${inQuotes(tenant)}` : moved;
}

/** Where the command line said that it is to be: typed again it is the same place. A password is never among them. */
export function placeFlags({ dir, service, table, schema, url }: Pick<Options, 'dir' | 'service' | 'table' | 'schema' | 'url'>): string {
  const given = [
    ['--dir', dir],
    ['--service', service?.join(',')],
    ['--url', url === undefined ? undefined : withoutPassword(url)],
    ['--schema', schema],
    ['--table', table],
  ] as const;
  return given.map(([flag, value]) => (value === undefined ? '' : ` ${flag} ${inQuotes(value)}`)).join('');
}

/** What cannot be read as a URL is left out: nobody knows where its password stands. */
function withoutPassword(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  url.password = '';
  // A parameter may hold one as well.
  for (const name of ['password', 'sslpassword']) url.searchParams.delete(name);
  return url.href;
}

/** The value of `--tenant` that names these, as one word for a shell. */
export function tenantsInQuotes(ids: readonly string[]): string {
  return inQuotes(ids.map(escapedId).join(','));
}

/** For ids that were typed without a tenant of that name: one with a comma, which was read as several; `null` where none is like that. */
export function commaHint(typed: readonly string[], ids: readonly string[]): string | null {
  const whole = ids.find((id) => id.includes(',') && id.split(',').every((part) => part.trim() === '' || typed.includes(part.trim())));
  return whole === undefined ? null : `a comma that belongs to an id has a backslash before it: --tenant ${tenantsInQuotes([whole])}`;
}
