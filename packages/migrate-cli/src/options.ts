/** Every option of the command line, once: how it is written, what it means, and what its text becomes. Pure. */

import { MigrationError } from '@org/migrate-core';

/** What was typed. A key is there only when its option was. Durations in milliseconds. */
export interface Options {
  readonly service?: readonly string[];
  readonly dir?: string;
  readonly table?: string;
  readonly schema?: string;
  readonly url?: string;
  readonly host?: string;
  readonly port?: string;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly envFile?: string;
  readonly wait?: number;
  readonly tenantSchemas?: string;
  readonly tenantDatabases?: string;
  readonly tenant?: readonly string[];
  readonly source?: SourceName;
  readonly concurrency?: number;
  readonly canary?: number;
  readonly maxFailures?: number;
  readonly to?: string;
  readonly steps?: number;
  readonly only?: string;
  readonly order?: 'strict' | 'allow';
  readonly dryRun?: true;
  readonly delete?: true;
  readonly atomic?: true;
  readonly down?: true;
  readonly markApplied?: readonly string[];
  readonly markUndone?: readonly string[];
  readonly from?: string;
  readonly lockTimeout?: number;
  readonly lockWait?: number;
  readonly limit?: number;
  readonly exitCode?: true;
  readonly format?: 'sql' | 'pair' | 'folder' | 'ts';
  readonly yes?: true;
  readonly allowProduction?: true;
  readonly json?: true;
  readonly color?: boolean;
  readonly verbose?: true;
  readonly showData?: true;
}

export type OptionName = keyof Options;

/** Of a service with tenants: what they share, or what each of them has. */
export type SourceName = 'shared' | 'tenant';

interface OptionDefinition {
  readonly flags: string;
  readonly description: string;
  /** What the text becomes; left out for text that stays as it is, and for switches. */
  readonly parse?: (text: string) => unknown;
  /** Given more than once: all of them, with `BETWEEN` between. Left out: the last one counts. */
  readonly repeated?: 'joined';
}

export const optionDefinitions: { readonly [Name in OptionName]: OptionDefinition } = {
  service: {
    flags: '-s, --service <names>',
    description: 'only these services of the workspace, separated by commas',
    parse: (text) => listOf('--service', text),
    repeated: 'joined',
  },
  dir: { flags: '--dir <folder>', description: 'a folder of migrations, without any configuration' },
  table: { flags: '--table <name>', description: 'the history table (default: schema_migrations_<service>; with --dir: schema_migrations)' },
  schema: { flags: '--schema <name>', description: 'the schema that the migrations work in (default: public)' },
  url: { flags: '--url <url>', description: 'where to connect: postgres://user:password@host:5432/database' },
  host: { flags: '--host <host>', description: 'or in parts: the server' },
  port: { flags: '--port <port>', description: '… its port' },
  user: { flags: '--user <user>', description: '… the role' },
  password: { flags: '--password <password>', description: '… its password (other users of this machine can see it: better a variable)' },
  database: { flags: '--database <name>', description: '… the database' },
  envFile: { flags: '--env-file <file>', description: 'read variables from this file, not from .env; what is set already wins' },
  wait: {
    flags: '--wait <duration>',
    description: 'keep trying that long while the server is not up yet, e.g. 30s',
    parse: (text) => duration('--wait', text),
  },
  tenantSchemas: { flags: '--tenant-schemas <query>', description: 'act on every schema that this query returns; it is run read only' },
  tenantDatabases: { flags: '--tenant-databases <query>', description: 'act on every database of the server that this query returns' },
  tenant: {
    flags: '--tenant <ids>',
    description: String.raw`of the tenants only these, separated by commas; a comma of an id is written \,`,
    parse: (text) => idsOf('--tenant', text),
    repeated: 'joined',
  },
  source: {
    flags: '--source <source>',
    description: 'of a service with tenants: shared (what they share) or tenant (what each of them has)',
    parse: (text) => oneOf('--source', text, ['shared', 'tenant']),
  },
  concurrency: {
    flags: '--concurrency <n>',
    description: 'tenants at once (default: 4; about as many as the server has cores)',
    parse: (text) => count('--concurrency', text),
  },
  canary: { flags: '--canary <n>', description: 'so many tenants first, and the rest only if none of them failed', parse: (text) => count('--canary', text) },
  maxFailures: { flags: '--max-failures <n>', description: 'begin no further tenant after so many failures', parse: (text) => count('--max-failures', text) },
  to: { flags: '--to <version>', description: 'up: up to and including this version. down: this version stays applied' },
  steps: { flags: '--steps <n>', description: 'how many migrations', parse: (text) => count('--steps', text) },
  only: { flags: '--only <version>', description: 'undo just this one, if nothing above needs it' },
  order: {
    flags: '--order <policy>',
    description: 'allow: run a pending migration although a newer one is applied already (default: strict)',
    parse: (text) => oneOf('--order', text, ['strict', 'allow']),
  },
  dryRun: { flags: '--dry-run', description: 'show what would run, and write nothing' },
  delete: { flags: '--delete', description: 'gone for good, and not put away under another name' },
  atomic: { flags: '--atomic', description: 'all or nothing: everything in one transaction' },
  down: { flags: '--down', description: 'the plan of a down instead of an up' },
  markApplied: {
    flags: '--mark-applied <versions>',
    description: 'their work is in the schema, done by hand or by an interrupted run; nothing is run',
    parse: (text) => listOf('--mark-applied', text),
    repeated: 'joined',
  },
  markUndone: {
    flags: '--mark-undone <versions>',
    description: 'their work is not in the schema any more, or never was; nothing is run',
    parse: (text) => listOf('--mark-undone', text),
    repeated: 'joined',
  },
  from: { flags: '--from <table>', description: 'the other tool’s history table (default: looked for in the schema)' },
  lockTimeout: {
    flags: '--lock-timeout <duration>',
    description: 'how long one attempt waits for a table’s lock while others queue behind it (default: 3s)',
    parse: (text) => duration('--lock-timeout', text),
  },
  lockWait: {
    flags: '--lock-wait <duration>',
    description: 'how long to wait in all for another run, for locks and for what other services must apply first (default: 5m)',
    parse: (text) => duration('--lock-wait', text),
  },
  limit: { flags: '--limit <n>', description: 'how many entries, newest first (default: 50)', parse: (text) => count('--limit', text) },
  exitCode: { flags: '--exit-code', description: 'exit 3 where anything is pending' },
  format: {
    flags: '--format <format>',
    description: 'sql, pair, folder or ts (default: what the folder’s newest migration is)',
    parse: (text) => oneOf('--format', text, ['sql', 'pair', 'folder', 'ts']),
  },
  yes: { flags: '-y, --yes', description: 'do not ask' },
  allowProduction: { flags: '--allow-production', description: 'allow it although NODE_ENV is production' },
  json: { flags: '--json', description: 'one JSON document on standard output, and nothing else there' },
  color: { flags: '--no-color', description: 'no colour (also NO_COLOR)' },
  verbose: { flags: '--verbose', description: 'tell more: every skipped migration, stack traces of errors' },
  showData: { flags: '--show-data', description: 'show what PostgreSQL says about the failing row: it may hold patients’ data' },
};

/** Where to find the migrations and the database. */
export const placeOptions: readonly OptionName[] = [
  'service',
  'dir',
  'table',
  'schema',
  'url',
  'host',
  'port',
  'user',
  'password',
  'database',
  'envFile',
  'wait',
];
/** Which tenants, where a service has a schema or a database for each. */
export const tenantOptions: readonly OptionName[] = ['tenantSchemas', 'tenantDatabases', 'tenant', 'source'];
/** How a run goes about them. */
export const rolloutOptions: readonly OptionName[] = ['concurrency', 'canary', 'maxFailures'];
export const outputOptions: readonly OptionName[] = ['json', 'color', 'verbose', 'showData'];

/** Between the texts of an option that was given more than once: no argument of a process can hold it. */
export const BETWEEN = '\0';

export function listOf(flag: string, text: string): string[] {
  return distinct(flag, text, text.split(/[,\0]/));
}

/** Of anybody's ids: `\,` is a comma that belongs to one, and `\\` a backslash. Any other backslash stands for itself. */
function idsOf(flag: string, text: string): string[] {
  const ids = text.split(BETWEEN).flatMap((part) => {
    const words = part.match(/(?:\\[\\,]|[^,])+/g) ?? [];
    return words.map((word) => word.replaceAll(/\\([\\,])/g, '$1'));
  });
  return distinct(flag, text, ids);
}

/** How an id is written among those of `--tenant`. */
export function escapedId(id: string): string {
  return id.replaceAll(/\\(?=[\\,]|$)|,/g, String.raw`\$&`);
}

function distinct(flag: string, text: string, names: readonly string[]): string[] {
  const given = names.map((name) => name.trim()).filter((name) => name !== '');
  if (given.length === 0) throw bad(flag, text.replaceAll(BETWEEN, ' '), 'names, separated by commas');
  return [...new Set(given)];
}

function count(flag: string, text: string): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number === 0) throw bad(flag, text, 'a whole number above zero');
  return number;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 };

/** `30s`, `500ms`, `5m`; a bare number is seconds. */
function duration(flag: string, text: string): number {
  const parts = /^(\d{1,9}(?:\.\d+)?)\s*(ms|s|m|min|h)?$/.exec(text.trim());
  const value = parts === null ? Number.NaN : Number(parts[1]) * (UNITS[parts[2] ?? 's'] ?? Number.NaN);
  // PostgreSQL keeps such settings in 31 bits, and so do timers.
  if (!Number.isFinite(value) || value > 2_147_483_647) throw bad(flag, text, 'a duration such as 500ms, 30s or 5m');
  return Math.round(value);
}

function oneOf<T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text);
  if (found === undefined) throw bad(flag, text, `one of: ${allowed.join(', ')}`);
  return found;
}

function bad(flag: string, text: string, wanted: string): MigrationError {
  return new MigrationError({ code: 'invalidOptions', message: `${flag} takes ${wanted}, not "${text}".` });
}
