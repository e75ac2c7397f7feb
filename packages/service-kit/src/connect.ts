/** From the settings of a connection to the driver's own. */

import { tlsOf, type ConnectionSettings } from '@org/migrate-core';
import pg from 'pg';

/** What `pg` wants to know. Reads the certificates that the connection names. */
export function clientConfig(settings: ConnectionSettings, applicationName: string): pg.ClientConfig {
  const { host, port, user, password, database, parameters } = settings;
  const config: pg.ClientConfig = {
    host,
    port,
    user,
    database,
    // Never `undefined`: the driver would then take PGPASSWORD, and sources do not mix.
    password: password ?? '',
    ssl: tlsOf(settings, 'the connection'),
    application_name: parameters['application_name'] ?? applicationName,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
  };
  if (parameters['options'] !== undefined) config.options = parameters['options'];
  return config;
}

/** Opens connections one by one, as the migrator wants them; to another database of that server where one is named. */
export function connectWith(settings: ConnectionSettings, applicationName: string, database: string | null = null): () => Promise<pg.Client> {
  return async () => {
    const config = clientConfig(settings, applicationName);
    const client = new pg.Client(database === null ? config : { ...config, database });
    // Between here and the session's own listener the server may end it, and an error that nobody listens to ends the process.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
}
