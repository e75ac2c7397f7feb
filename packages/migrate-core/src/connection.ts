/** Which connection a run uses: the first source that names anything wins, and sources never mix. Pure. */

import { badSslMode, checked, parseConnectionUrl, parsePort, sslMode, sslSetting, type PartialSettings } from './connection/url.ts';
import { MigrationError } from './errors.ts';

/** Settings for `pg`; passwords never leave this object except into the driver. */
export interface ConnectionSettings {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  readonly ssl: boolean | { readonly rejectUnauthorized: boolean };
  /** The rest of a URL's query (`application_name`, `options`, `sslmode`, `sslrootcert`, …). */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface ChosenConnection {
  /** What named it: `--url`, `PATIENT_MIGRATION_DATABASE_URL`, `DATABASE_URL`, `PG*`, `the local PostgreSQL`. */
  readonly source: string;
  readonly settings: ConnectionSettings;
  /** The variables that made the choice where `source` stands for several: `PGPASSWORD`, `DB_HOST` … Not there otherwise. */
  readonly variables?: readonly string[];
  /** `postgres://user@host:5432/database`: no password. */
  readonly display: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What was typed: `--url`, or `--host --port --user --password --database`. Not both. */
export interface ConnectionFlags {
  readonly url?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: string | undefined;
}

export interface ConnectionRequest {
  /** `null` for a folder that is no service: its own variables are not looked for. */
  readonly service: string | null;
  /** The database where the source names none. */
  readonly database: string;
  readonly flags?: ConnectionFlags | undefined;
  readonly environment: Environment;
  /** `application`: the service's pool, which passes over `<NAME>_MIGRATION_DATABASE_URL`. Default `migration`. */
  readonly purpose?: 'migration' | 'application' | undefined;
}

/**
 * The connection of a service; `null` when nothing names one, so that the caller may offer a local server, or refuse with
 * `connectionNeeded`. Empty variables count as not set. What the source leaves out: localhost, 5432, postgres, `request.database`.
 *
 * @example
 * chooseConnection({ service: 'patient', database: 'patient_service_db', environment: process.env })?.display;
 * @throws MigrationError `invalidOptions` for a source that cannot be read. Its text is not repeated.
 */
export function chooseConnection(request: ConnectionRequest): ChosenConnection | null {
  return fromFlags(request) ?? fromUrls(request) ?? fromParts(request, DATABASE_PARTS) ?? fromParts(request, DB_PARTS) ?? fromPostgres(request);
}

/** `PATIENT` for `patient`, `LAB_RESULTS` for `lab-results`: the beginning of the service's own variables. */
export function environmentPrefix(service: string): string {
  return service.toUpperCase().replaceAll(/[^A-Z\d]/g, '_');
}

/** Why there is no connection, and what to set. */
export function connectionNeeded(service: string | null, because: string): MigrationError {
  const own = service === null ? '' : `${environmentPrefix(service)}_MIGRATION_DATABASE_URL, `;
  return new MigrationError({
    code: 'invalidOptions',
    message: `Nothing names a database${service === null ? '' : ` for ${service}`}, and ${because}.`,
    hint: `give --url postgres://user:password@host:5432/database, or set ${own}DATABASE_URL, DATABASE_HOST … or PGHOST …`,
  });
}

/** A connection to a server that was found some other way than by flags or the environment. */
export function connectionTo(source: string, server: Pick<ConnectionSettings, 'host' | 'port' | 'user' | 'password'>, database: string): ChosenConnection {
  return finish(source, { ...server, database, ssl: false, parameters: {} }, database);
}

/** Where a connection leads, for people: never with its password. */
export function displayConnection(settings: Pick<ConnectionSettings, 'host' | 'port' | 'user' | 'database'>): string {
  const { host, port, user, database } = settings;
  const end = `/${encodeURIComponent(database)}`;
  if (host.startsWith('/')) return `postgres://${encodeURIComponent(user)}@${end}?host=${host}${port === 5432 ? '' : `&port=${port}`}`;
  return `postgres://${encodeURIComponent(user)}@${host.includes(':') ? `[${host}]` : host}:${port}${end}`;
}

function fromFlags(request: ConnectionRequest): ChosenConnection | null {
  const { url, ...parts } = request.flags ?? {};
  const given = Object.entries(parts).filter(([, value]) => value !== undefined);
  if (url === undefined && given.length === 0) return null;
  if (url !== undefined) {
    if (given.length > 0) {
      throw new MigrationError({
        code: 'invalidOptions',
        message: `--url says it all: it cannot be combined with --${given.map(([key]) => key).join(', --')}`,
      });
    }
    return finish('--url', parseConnectionUrl(url, '--url'), request.database);
  }
  const source = given.map(([key]) => `--${key}`).join(', ');
  return finish(source, partial(source, { ...parts, ssl: undefined }), request.database);
}

function fromUrls(request: ConnectionRequest): ChosenConnection | null {
  const own = request.service === null ? null : environmentPrefix(request.service);
  const names = own === null ? [] : [`${own}_MIGRATION_DATABASE_URL`, `${own}_DATABASE_URL`].slice(request.purpose === 'application' ? 1 : 0);
  for (const name of [...names, 'DATABASE_URL']) {
    const url = request.environment[name];
    if (url !== undefined && url !== '') return finish(name, parseConnectionUrl(url, name), request.database);
  }
  return null;
}

interface Parts {
  readonly source: string;
  readonly names: Readonly<Record<'host' | 'port' | 'user' | 'password' | 'database' | 'ssl', string | null>>;
  /** Parameters of a URL that have a variable each. They choose no server by themselves. */
  readonly files?: Readonly<Record<string, string>>;
}

const DATABASE_PARTS: Parts = {
  source: 'DATABASE_*',
  names: {
    host: 'DATABASE_HOST',
    port: 'DATABASE_PORT',
    user: 'DATABASE_USERNAME',
    password: 'DATABASE_PASSWORD',
    database: 'DATABASE_NAME',
    ssl: 'DATABASE_SSL',
  },
};
const DB_PARTS: Parts = {
  source: 'DB_*',
  names: { host: 'DB_HOST', port: 'DB_PORT', user: 'DB_USER', password: 'DB_PASSWORD', database: 'DB_NAME', ssl: null },
};
const PG_PARTS: Parts = {
  source: 'PG*',
  names: { host: 'PGHOST', port: 'PGPORT', user: 'PGUSER', password: 'PGPASSWORD', database: 'PGDATABASE', ssl: 'PGSSLMODE' },
  files: { sslrootcert: 'PGSSLROOTCERT', sslcert: 'PGSSLCERT', sslkey: 'PGSSLKEY' },
};

function fromParts(request: ConnectionRequest, { source, names, files = {} }: Parts): ChosenConnection | null {
  const values: Record<string, string | undefined> = {};
  for (const [key, name] of Object.entries(names)) {
    const value = name === null ? undefined : request.environment[name];
    if (value !== undefined && value !== '') values[key] = value;
  }
  if (Object.keys(values).length === 0) return null;
  const variables = Object.entries(names).flatMap(([key, name]) => (name !== null && values[key] !== undefined ? [name] : []));
  const parameters: Record<string, string> = {};
  for (const [key, name] of Object.entries(files)) {
    const file = request.environment[name];
    if (file !== undefined && file !== '') parameters[key] = file;
  }
  return { ...finish(source, partial(source, values, parameters), request.database), variables };
}

function fromPostgres(request: ConnectionRequest): ChosenConnection | null {
  const { environment } = request;
  if (environment['PGSERVICE']) {
    throw new MigrationError({
      code: 'invalidOptions',
      message: 'PGSERVICE names an entry of a service file, which the driver does not read',
      hint: 'set PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE, or give --url',
    });
  }
  if (!environment['PGHOSTADDR']) return fromParts(request, PG_PARTS);
  const chosen = fromParts(request, { ...PG_PARTS, names: { ...PG_PARTS.names, host: 'PGHOSTADDR' } });
  // Without the address the name beside it would count.
  return chosen === null || !environment['PGHOST'] ? chosen : { ...chosen, variables: ['PGHOST', ...(chosen.variables ?? [])] };
}

function partial(source: string, values: Readonly<Record<string, string | undefined>>, files: Readonly<Record<string, string>> = {}): PartialSettings {
  const mode = values['ssl'] === undefined ? null : sslMode(values['ssl']);
  if (mode === null && values['ssl'] !== undefined) throw badSslMode(source);
  const named = {
    host: values['host'] ?? null,
    port: parsePort(values['port'] ?? null, source),
    user: values['user'] ?? null,
    password: values['password'] ?? null,
    database: values['database'] ?? null,
    ssl: mode === null ? null : sslSetting(mode, files['sslrootcert'] !== undefined),
  };
  return { ...checked(named, source), parameters: mode === null ? {} : { ...files, sslmode: mode } };
}

function finish(source: string, named: PartialSettings, database: string): ChosenConnection {
  const settings: ConnectionSettings = {
    host: named.host || 'localhost',
    port: named.port ?? 5432,
    user: named.user || 'postgres',
    password: named.password,
    database: named.database || database,
    ssl: named.ssl ?? false,
    parameters: named.parameters,
  };
  // A logger that is handed the whole choice must not print the password.
  Object.defineProperty(settings, 'password', { value: named.password, enumerable: false });
  return { source, settings, display: displayConnection(settings) };
}
