/** TLS as the driver wants it: what the mode asks for, and the files that the connection names. */

import { readFileSync } from 'node:fs';

import type { ConnectionSettings } from '../connection.ts';
import { MigrationError } from '../errors.ts';

export interface TlsSettings {
  readonly rejectUnauthorized: boolean;
  /** PEM, each: the authorities, and the client's own certificate and key. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** There where nobody asks whether the certificate is this host's. */
  readonly checkServerIdentity?: () => undefined;
}

/**
 * `false`: none.
 *
 * @param source What named the connection, for the message. @throws MigrationError `invalidOptions` for a file that cannot be read.
 */
export function tlsOf({ ssl, parameters }: ConnectionSettings, source: string): boolean | TlsSettings {
  if (typeof ssl !== 'object') return ssl;
  // Only `verify-full` asks whose certificate it is.
  return { ...ssl, ...certificates(parameters, source), ...(parameters['sslmode'] === 'verify-full' ? {} : { checkServerIdentity: () => undefined }) };
}

function certificates(parameters: Readonly<Record<string, string>>, source: string): Record<string, string> {
  // `system` are the authorities that Node.js knows.
  const root = parameters['sslrootcert'] === 'system' ? undefined : parameters['sslrootcert'];
  const files = { ca: root, cert: parameters['sslcert'], key: parameters['sslkey'] };
  const found: Record<string, string> = {};
  for (const [key, file] of Object.entries(files)) {
    if (file === undefined || file === '') continue;
    try {
      found[key] = readFileSync(file, 'utf8');
    } catch (error) {
      throw new MigrationError({
        code: 'invalidOptions',
        message: `${source} names the certificate file ${file}, which cannot be read: ${(error as Error).message}`,
        cause: error,
      });
    }
  }
  return found;
}
