/** Why a connection could not be made, for people: what was tried, what is wrong, what to do. Pure. */

import { MigrationError, type ChosenConnection } from '@org/migrate-core';

interface Reason {
  readonly what: string;
  readonly hint: string;
  /** `later`: a server that is just starting says so, or is not there yet. */
  readonly passes: 'later' | 'never';
}

/** @param connection What was tried; its password is not looked at. */
export function connectError(error: unknown, connection: ChosenConnection): MigrationError {
  const { what, hint } = reasonOf(error, connection);
  const { code } = error as { code?: unknown };
  return new MigrationError({
    code: 'connection',
    message: `Cannot connect to ${connection.display} (from ${connection.source}): ${what}.`,
    hint: hint + chosenBy(connection),
    target: connection.settings.database,
    sqlState: typeof code === 'string' && code.length === 5 && /^[\dA-Z]+$/.test(code) && !code.startsWith('E') ? code : undefined,
    cause: error,
  });
}

/** One forgotten variable is enough to lead every command away from the workspace's own server: say which. */
function chosenBy({ variables = [] }: ChosenConnection): string {
  if (variables.length === 0) return '';
  return `. ${variables.join(', ')} in the environment chose this server: without ${variables.length === 1 ? 'it' : 'them'} (unset ${variables.join(' ')}) it is the local PostgreSQL, where the workspace has one; --url names another`;
}

/** Whether the server may just not be up yet. */
export function mayComeUp(error: unknown, connection: ChosenConnection): boolean {
  return reasonOf(error, connection).passes === 'later';
}

function reasonOf(error: unknown, { settings, source }: ChosenConnection): Reason {
  const { host, port, user, database } = settings;
  const at = host.startsWith('/') ? `the socket in ${host}` : `${host}:${port}`;
  const look = 'is the server running, and are host and port right? --wait 30s waits for one that is just starting';
  for (const code of codesOf(error)) {
    switch (code) {
      case 'ECONNREFUSED':
      case 'ENOENT':
        return { what: `nothing listens on ${at}`, hint: look, passes: 'later' };
      case 'ECONNRESET':
      case 'EPIPE':
        return { what: `${at} closed the connection`, hint: look, passes: 'later' };
      case 'ETIMEDOUT':
      case 'EHOSTUNREACH':
      case 'ENETUNREACH':
        return { what: `${at} does not answer`, hint: 'is the host right, and does a firewall let this machine through?', passes: 'later' };
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return { what: `the name ${host} is not known`, hint: 'is the host spelled right? Inside containers it is the name of the service', passes: 'later' };
      case '57P03':
        return { what: 'the server is starting up, or shutting down', hint: 'try again in a moment, or wait for it with --wait 30s', passes: 'later' };
      case '53300':
        return {
          what: `the server has no free connection${serverWords(error)}`,
          hint: 'end idle sessions, or raise max_connections, or the CONNECTION LIMIT of the role or the database; a run needs two, with tenants --concurrency says how many',
          passes: 'later',
        };
      case '28P01':
        return { what: `the password of ${user} is wrong, or there is no such role`, hint: `correct it in ${source}`, passes: 'never' };
      case '28000':
        if (/no encryption/.test(serverWords(error)) && settings.ssl === false) {
          return {
            what: `the server lets nobody in from here without TLS${serverWords(error)}`,
            hint: `ask for it in ${source}: ${tlsMode(source)}`,
            passes: 'never',
          };
        }
        return {
          what: `the server does not let ${user} in from here${serverWords(error)}`,
          hint: `correct the user in ${source}, or pg_hba.conf on the server`,
          passes: 'never',
        };
      case '3D000':
        return {
          what: `there is no database "${database}" on this server`,
          hint: `create it first: CREATE DATABASE "${database.replaceAll('"', '""')}", or correct ${source}`,
          passes: 'never',
        };
      case '42501':
        return {
          what: `${user} may not connect to the database "${database}"`,
          hint: `GRANT CONNECT ON DATABASE … TO …, or another user in ${source}`,
          passes: 'never',
        };
      case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      case 'SELF_SIGNED_CERT_IN_CHAIN':
      case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
        return {
          what: `the server's certificate is not trusted (${code})`,
          hint: source === 'PG*' ? 'name its authority with PGSSLROOTCERT=FILE' : 'name its authority with ?sslmode=verify-full&sslrootcert=FILE',
          passes: 'never',
        };
      case 'CERT_HAS_EXPIRED':
        return { what: "the server's certificate has expired", hint: 'it needs a new one; the connection was not used', passes: 'never' };
      case 'ERR_TLS_CERT_ALTNAME_INVALID':
        return {
          what: `the server's certificate is not one of ${host}`,
          hint: `connect to the host that it names, or, where any certificate of its authority will do, with sslmode=verify-ca in ${source}`,
          passes: 'never',
        };
    }
  }
  const message = error instanceof Error ? error.message : String(error);
  if (/timeout expired|Connection terminated due to connection timeout/.test(message)) {
    return { what: `${at} does not answer`, hint: 'is the host right, and does a firewall let this machine through?', passes: 'later' };
  }
  if (/Connection terminated/.test(message)) return { what: `${at} closed the connection`, hint: look, passes: 'later' };
  if (/client password must be a string/.test(message)) {
    return { what: `the server asks for a password, and ${source} names none`, hint: `put it into ${source}, or into ~/.pgpass`, passes: 'never' };
  }
  if (/does not support SSL/.test(message)) {
    return { what: 'TLS was asked for, and the server has none', hint: `?sslmode=disable in ${source}, if the network may be trusted`, passes: 'never' };
  }
  return { what: message, hint: `look at ${source}`, passes: 'never' };
}

/** How TLS is asked for there. */
function tlsMode(source: string): string {
  if (source === 'PG*') return 'PGSSLMODE=require';
  return source === 'DATABASE_*' ? 'DATABASE_SSL=true' : '?sslmode=require behind the database';
}

/** A name with several addresses fails with one error for each. */
function codesOf(error: unknown): string[] {
  const own = (error as { code?: unknown }).code;
  const inner = error instanceof AggregateError ? error.errors.flatMap(codesOf) : [];
  return [...(typeof own === 'string' ? [own] : []), ...inner];
}

function serverWords(error: unknown): string {
  return error instanceof Error && error.message !== '' ? ` (${error.message})` : '';
}

/** Whatever was thrown, as the one error class that is printed. */
export function toMigrationError(thrown: unknown): MigrationError {
  if (thrown instanceof MigrationError) return thrown;
  const { code, severity } = thrown as { code?: unknown; severity?: unknown };
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (typeof code === 'string' && severity !== undefined)
    return new MigrationError({ code: 'connection', message: `The server refused: ${message}`, sqlState: code, cause: thrown });
  if (thrown instanceof Error && (thrown.name === 'AbortError' || code === 'ABORT_ERR'))
    return new MigrationError({ code: 'aborted', message: 'stopped on request; nothing was left half done', cause: thrown });
  // A file or folder that the system refuses is the user's to put right, and its message names it.
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) return new MigrationError({ code: 'invalidOptions', message, cause: thrown });
  // A workspace's local server explains itself in a paragraph.
  if (thrown instanceof Error && thrown.name === 'LocalPostgresError') return new MigrationError({ code: 'connection', message, cause: thrown });
  return new MigrationError({ code: 'internal', message, hint: 'this should not happen: please report it, with what --verbose shows', cause: thrown });
}
