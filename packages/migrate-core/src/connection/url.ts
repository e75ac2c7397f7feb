/** `postgres://…` to settings, as libpq reads it. Pure. Messages never repeat the URL: it may hold a password. */

import type { ConnectionSettings } from '../connection.ts';
import { MigrationError } from '../errors.ts';

/** What a URL said; what it left out is `null`. */
export interface PartialSettings {
  readonly host: string | null;
  readonly port: number | null;
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  readonly ssl: ConnectionSettings['ssl'] | null;
  readonly parameters: Readonly<Record<string, string>>;
}

const SCHEME = /^postgres(?:ql)?:\/\//i;
const ESCAPES = 'in a user or password write / as %2F, ? as %3F, # as %23, @ as %40 and : as %3A';
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/** @throws MigrationError `invalidOptions`, naming `source` and what is wrong with it, but none of its text. */
export function parseConnectionUrl(url: string, source: string): PartialSettings {
  const fail = (what: string, hint = 'the form is postgres://user:password@host:5432/database'): never => {
    throw new MigrationError({ code: 'invalidOptions', message: `${source} is not a connection URL that can be used: ${what}`, hint });
  };
  const decode = (text: string, part: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      return fail(`its ${part} has a % that is no percent-encoding`, 'write % as %25');
    }
  };

  const text = url.trim();
  if (!SCHEME.test(text)) fail('it does not begin with postgres://');
  if (text.includes('#')) fail('it contains a #', 'write # as %23');
  const rest = text.replace(SCHEME, '');
  const [beforeQuery, query] = cut(rest, '?');
  const [authority, path] = cut(beforeQuery, '/');
  const at = authority.lastIndexOf('@');
  const [user, password] = at === -1 ? ['', null] : cut(authority.slice(0, at), ':');
  const where = splitHost(authority.slice(at + 1));
  if (where === null) fail('its host or port cannot be read', ESCAPES);
  // Then a / or a ? of the password has ended the host, and what is left of the password would be shown as a database or a host.
  if (path?.includes('@') === true) fail('there is an @ behind its first /', `${ESCAPES}; in the name of a database @ as %40, too`);
  if (query?.split('&').some((pair) => cut(pair, '=')[0].includes('@')) === true) fail('there is an @ behind its ?', ESCAPES);

  const parameters: Record<string, string> = {};
  for (const pair of (query ?? '').split('&').filter((one) => one !== '')) {
    const [key, value] = cut(pair, '=');
    parameters[decode(key, 'query')] = decode(value ?? '', 'query');
  }
  const take = (key: string): string | null => {
    const value = parameters[key];
    delete parameters[key];
    return value === undefined || value === '' ? null : value;
  };
  const queryHost = take('host');
  const address = take('hostaddr');
  const queryPort = take('port');
  const settings = {
    host: address ?? queryHost ?? emptyIsNull(decode(where?.host ?? '', 'host')),
    port: parsePort(queryPort ?? where?.port ?? null, source),
    user: take('user') ?? emptyIsNull(decode(user ?? '', 'user')),
    password: take('password') ?? (password === null ? null : emptyIsNull(decode(password, 'password'))),
    database: take('dbname') ?? emptyIsNull(decode(path ?? '', 'database')),
    ssl: sslOf(parameters, source),
  };
  return { ...checked(settings, source), parameters };
}

/** TLS as libpq means it: `require` encrypts, `verify-ca` and `verify-full` also look at the certificate. `null`: not said. */
function sslOf(parameters: Record<string, string>, source: string): ConnectionSettings['ssl'] | null {
  const { ssl, sslmode = ssl } = parameters;
  delete parameters['ssl'];
  if (sslmode === undefined || sslmode === '') return null;
  const mode = sslMode(sslmode);
  if (mode === null) throw badSslMode(source);
  parameters['sslmode'] = mode;
  return sslSetting(mode, parameters['sslrootcert'] !== undefined);
}

/** `null` for a word that is none. `true`, `1`, `yes` and `on` mean `require`. */
export function sslMode(word: string): string | null {
  const lower = word.trim().toLowerCase();
  if (['true', '1', 'yes', 'on', 't', 'y'].includes(lower)) return 'require';
  if (['false', '0', 'no', 'off', 'f', 'n'].includes(lower)) return 'disable';
  return SSL_MODES.includes(lower) ? lower : null;
}

export function sslSetting(mode: string, hasRootCertificate: boolean): ConnectionSettings['ssl'] {
  if (mode === 'disable') return false;
  const verify = mode.startsWith('verify-') || (mode === 'require' && hasRootCertificate);
  return { rejectUnauthorized: verify };
}

export function badSslMode(source: string): MigrationError {
  return new MigrationError({ code: 'invalidOptions', message: `${source} asks for a TLS mode that does not exist`, hint: `one of: ${SSL_MODES.join(', ')}` });
}

/** @throws MigrationError for what is no port. */
export function parsePort(text: string | null, source: string): number | null {
  if (text === null || text === '') return null;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new MigrationError({ code: 'invalidOptions', message: `${source} names a port that is no number from 1 to 65535` });
}

type Named = Pick<PartialSettings, 'host' | 'port' | 'user' | 'password' | 'database' | 'ssl'>;

/** The start-up message ends each value with a zero byte: one inside a value would smuggle in a setting. */
export function checked<T extends Named>(settings: T, source: string): T {
  for (const key of ['host', 'user', 'database', 'password'] as const) {
    const value = settings[key];
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    if (value === null || !(key === 'password' ? /\0/ : /[\u0000-\u001f\u007f]/).test(value)) continue;
    throw new MigrationError({ code: 'invalidOptions', message: `${source} names a ${key} with a control character in it` });
  }
  // A URL in the place of a name would be shown with its password.
  const url = (['host', 'user', 'database'] as const).find(
    (key) => settings[key]?.includes('://') === true || (key === 'host' && settings[key]?.includes('@')),
  );
  if (url !== undefined)
    throw new MigrationError({
      code: 'invalidOptions',
      message: `${source} names a ${url} that is a URL, or a part of one`,
      hint: 'a URL is given with --url, or in DATABASE_URL',
    });
  if (settings.host !== null && !settings.host.startsWith('/') && settings.host.includes(',')) {
    throw new MigrationError({ code: 'invalidOptions', message: `${source} names several hosts; a migration needs the one that can be written to` });
  }
  return settings;
}

function splitHost(text: string): { readonly host: string; readonly port: string | null } | null {
  const bracketed = /^\[([^\]]*)\](?::(\d*))?$/.exec(text);
  if (bracketed !== null) return { host: bracketed[1] ?? '', port: bracketed[2] ?? null };
  const plain = /^([^:[\]\s]*)(?::(\d*))?$/.exec(text);
  return plain === null ? null : { host: plain[1] ?? '', port: plain[2] ?? null };
}

function cut(text: string, separator: string): [string, string | null] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, null] : [text.slice(0, at), text.slice(at + separator.length)];
}

function emptyIsNull(text: string): string | null {
  return text === '' ? null : text;
}
