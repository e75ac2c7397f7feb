/** What other services have applied, as far as this one can know: it has only its own credentials, so it asks them. */

import { chooseConnection, createMigrator, environmentPrefix, type ChosenConnection, type MigrationSource } from '@org/migrate-core';
import { connectWith } from './connect.ts';

export interface Elsewhere {
  /** Names that `service` has applied; `null` where that cannot be learned just now. Never rejects. */
  (service: string): Promise<readonly string[] | null>;
}

export interface ElsewhereOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** The asking service's own connection: where several services share one URL, the others' histories are there as well. */
  readonly own: ChosenConnection;
  /** Told once for each reason why a service could not be asked. */
  readonly onUnknown?: (service: string, why: string) => void;
}

const ANSWER_WITHIN_MS = 3_000;

/**
 * Asks `<SERVICE>_SERVICE_URL`'s `/health/db` where that is set, else reads the history in the database of
 * `<SERVICE>_MIGRATION_DATABASE_URL`, `<SERVICE>_DATABASE_URL` or of the settings that all services share (`DATABASE_URL` …).
 */
export function elsewhere({ environment, own, onUnknown }: ElsewhereOptions): Elsewhere {
  const told = new Map<string, string>();
  return async (service) => {
    const prefix = environmentPrefix(service);
    const url = environment[`${prefix}_SERVICE_URL`]?.trim();
    try {
      if (url) return await askService(url, service);
      const connection = chooseConnection({ service, database: own.settings.database, environment });
      if (connection !== null) return await readHistoryOf(service, connection);
      throw new Error(`nothing says where ${service} is: set ${prefix}_SERVICE_URL, or ${prefix}_DATABASE_URL`);
    } catch (error) {
      const why = reason(error);
      if (told.get(service) !== why) onUnknown?.(service, why);
      told.set(service, why);
      return null;
    }
  };
}

async function askService(base: string, service: string): Promise<readonly string[]> {
  const response = await fetch(new URL('health/db', base.endsWith('/') ? base : `${base}/`), {
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    headers: { accept: 'application/json' },
    // A login page that we were led to would be no answer.
    redirect: 'error',
  });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new Error(`${service} answered /health/db with ${response.status}`);
  const { service: name, applied } = (body ?? {}) as { service?: unknown; applied?: unknown };
  if (!Array.isArray(applied) || !applied.every((one) => typeof one === 'string'))
    throw new Error(`what answers for ${service} does not tell what it has applied`);
  // Two URLs mixed up would let a migration run on another service's word.
  if (name !== service) throw new Error(`what answers for ${service} is another service`);
  return applied;
}

/** No migrations of its own: all that is asked is the history. */
const NOTHING: MigrationSource = {
  label: 'no migrations',
  list: () => Promise.resolve({ migrations: [], ignored: [], problems: [] }),
  compile: () => Promise.resolve([]),
};

async function readHistoryOf(service: string, connection: ChosenConnection): Promise<readonly string[]> {
  const status = await createMigrator({ service, source: NOTHING, connect: connectWith(connection.settings, 'requirements') }).status();
  return status.applied.map((row) => row.name);
}

/** `fetch` says only "fetch failed", and why in its cause. */
function reason(error: unknown): string {
  const { message, cause } = error as { message: string; cause?: { code?: string; message?: string } };
  const deeper = cause?.code ?? cause?.message;
  return deeper === undefined ? message : `${message} (${deeper})`;
}
