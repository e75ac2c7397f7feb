/** What the environment says, read once and checked as a whole: a service that starts has settings that make sense. */

import { isIP } from 'node:net';
import { type StartMode, startupDefaults, tenantStartupDefaults } from '@org/migrate-core';

export interface ServiceSettings {
  readonly host: string;
  readonly port: number;
  readonly logLevel: string;
  /** TRUSTED_PROXIES, commas between them: addresses or networks (`10.0.0.0/8`) whose `X-Forwarded-For` is believed. Default none. */
  readonly trustedProxies: readonly string[];
  /** Of bearer tokens (HS256); the same in all services. */
  readonly authSecret: string;
  readonly migrations: MigrationSettings;
  /** TENANT_CONNECTIONS: most connections in use at once to the databases of tenants that have one each. Default 30. */
  readonly tenantConnections: number;
  readonly environment: NodeJS.ProcessEnv;
}

export interface MigrationSettings {
  /** MIGRATE_ON_START. Default `run`. */
  readonly mode: StartMode;
  /** MIGRATE_CONFIG: another configuration than the service's own `migrate.config.ts`; `null` for that one. */
  readonly config: string | null;
  /** MIGRATE_SERVER_WAIT: for a server that is not up yet. Milliseconds, default 60_000. */
  readonly serverWaitMs: number;
  /** MIGRATE_REQUIREMENT_WAIT: for what other services must have applied. Milliseconds, default 300_000. */
  readonly requirementWaitMs: number;
  /** MIGRATE_LOCK_WAIT: for whoever migrates already. Milliseconds, default 600_000. */
  readonly lockWaitMs: number;
  /** MIGRATE_TENANT_CONCURRENCY: tenants migrated at once in the background. Default 4. */
  readonly tenantConcurrency: number;
}

/** Something in the environment cannot be used. The message names every such variable, and no secret. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(problems: readonly string[]) {
    super(problems.join('; '));
  }
}

/** For development only: whoever reads this file can sign tokens with it. */
const DEVELOPMENT_SECRET = 'for-development-only-not-a-secret-at-all';
const SHORTEST_SECRET = 32;

/** Reads the settings of a service. `port` is where it listens unless PORT says otherwise. Throws `SettingsError` with every problem. */
export function readSettings(environment: NodeJS.ProcessEnv, defaults: { readonly port: number }): ServiceSettings {
  const problems: string[] = [];
  const text = (name: string): string | null => environment[name]?.trim() || null;
  const oneOf = <T extends string>(name: string, values: readonly T[], otherwise: T): T => {
    const value = text(name);
    if (value === null) return otherwise;
    const found = values.find((one) => one === value);
    if (found === undefined) problems.push(`${name} is "${value}", and must be one of ${values.join(', ')}`);
    return found ?? otherwise;
  };
  const duration = (name: string, otherwise: number): number => {
    const value = text(name);
    const milliseconds = value === null ? otherwise : parseDuration(value);
    if (milliseconds === null) problems.push(`${name} is "${value}", and must be a duration such as 500ms, 30s or 5m`);
    return milliseconds ?? otherwise;
  };
  const count = (name: string, otherwise: number): number => {
    const value = text(name);
    const number = value === null ? otherwise : parseCount(value);
    if (number === null) problems.push(`${name} is "${value}", and must be a number from 1 to 9999`);
    return number ?? otherwise;
  };
  const portText = text('PORT') ?? String(defaults.port);
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
  if (!(port <= 65_535)) problems.push(`PORT is "${portText}", and must be a number from 0 to 65535`);

  const trustedProxies = (text('TRUSTED_PROXIES') ?? '').split(',').flatMap((one) => one.trim() || []);
  const unknown = trustedProxies.find((one) => !isNetwork(one));
  if (unknown !== undefined) problems.push(`TRUSTED_PROXIES has "${unknown}", and takes addresses and networks such as 10.0.0.0/8, with commas between them`);

  const production = environment['NODE_ENV'] === 'production';
  const authSecret = text('AUTH_SECRET') ?? (production ? '' : DEVELOPMENT_SECRET);
  if (authSecret === '') problems.push('AUTH_SECRET is not set, and NODE_ENV=production has no default for it');
  else if (authSecret.length < SHORTEST_SECRET) problems.push(`AUTH_SECRET is shorter than ${SHORTEST_SECRET} characters`);
  else if (production && authSecret === DEVELOPMENT_SECRET) problems.push('AUTH_SECRET is the one for development, which NODE_ENV=production refuses');

  const settings: ServiceSettings = {
    // 0.0.0.0 only where a container says so: a laptop in a café should not serve patients' records.
    host: text('HOST') ?? '127.0.0.1',
    port,
    logLevel: oneOf('LOG_LEVEL', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
    trustedProxies,
    authSecret,
    migrations: {
      mode: oneOf<StartMode>('MIGRATE_ON_START', ['run', 'wait', 'off'], 'run'),
      config: text('MIGRATE_CONFIG'),
      serverWaitMs: duration('MIGRATE_SERVER_WAIT', startupDefaults.serverWaitMs),
      requirementWaitMs: duration('MIGRATE_REQUIREMENT_WAIT', 300_000),
      lockWaitMs: duration('MIGRATE_LOCK_WAIT', 600_000),
      tenantConcurrency: count('MIGRATE_TENANT_CONCURRENCY', tenantStartupDefaults.concurrency),
    },
    tenantConnections: count('TENANT_CONNECTIONS', 30),
    environment,
  };
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

/** From 1 to 9999. `null` when it is not. */
export function parseCount(text: string): number | null {
  return /^[1-9]\d{0,3}$/.test(text) ? Number(text) : null;
}

/** An address, with how many of its bits count or without. */
function isNetwork(text: string): boolean {
  const [, address = '', bits = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(bits) <= (version === 4 ? 32 : 128);
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** `500ms`, `30s`, `5m`, `1h`; a bare number is seconds. `null` when it is none of these. */
export function parseDuration(text: string): number | null {
  const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  return amount === undefined ? null : Math.round(Number(amount) * UNITS[unit as keyof typeof UNITS]);
}
