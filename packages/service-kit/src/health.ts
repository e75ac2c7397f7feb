/** The routes that probes, people and other services ask; they answer while migrations run. */

import type { StartupState, TenantSummary } from '@org/migrate-core';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { SchemaState } from './schema-state.ts';

export interface HealthOptions {
  readonly state: () => StartupState;
  readonly stopping: () => boolean;
  readonly readSchema: () => Promise<SchemaState>;
  /** How the tenants stand; `null` for a service whose tenants share everything. */
  readonly tenants: (() => TenantSummary | null) | null;
}

/**
 * - `/health/live`: 200 as long as the process answers, whatever the database does: a restart would not help it.
 * - `/health/ready`: 503 until the schema was current at this start (of tenants with one each, what they share: one that is behind is refused by itself), and again while the service stops. It does not look again, nor at all
 *   with MIGRATE_ON_START=off. It does not ask the database: one that is away for a moment would take every replica out at once, and requests answer 503 by themselves.
 * - `/health/db`: the schema's version, what is applied and pending, and how many tenants are current; 503 where it cannot be read.
 */
export function healthRoutes(app: FastifyInstance, { state, stopping, readSchema, tenants }: HealthOptions): void {
  const options = { logLevel: 'warn' as const };
  app.get('/health/live', options, () => ({ status: 'live' }));

  app.get('/health/ready', options, (_request, reply) => {
    const now = state();
    if (now.phase === 'ready' && !stopping()) return { status: 'ready' };
    return unavailable(reply, { status: 'not ready', phase: stopping() ? 'stopping' : now.phase, ...more(now) });
  });

  app.get('/health/db', options, async (request, reply) => {
    const { phase } = state();
    try {
      return { ...(await readSchema()), phase, ...(tenants === null ? {} : { tenants: tenants() }) };
    } catch (error) {
      request.log.warn({ err: error }, 'the schema’s state cannot be read');
      return unavailable(reply, { status: 'the schema’s state cannot be read just now', phase });
    }
  });
}

function more(state: StartupState): object {
  if (state.phase === 'waitingForServer') return { message: state.message };
  if (state.phase === 'waitingForMigrations') return { pending: state.pending };
  // Not its message: that is for the log, and this route is open.
  if (state.phase === 'failed') return { code: state.error.code };
  return {};
}

function unavailable(reply: FastifyReply, body: object): FastifyReply {
  return reply.code(503).header('retry-after', '1').send(body);
}
