/** A Fastify instance as all services want it: logs without data, strict bodies, problems as answers, tokens verified. */

import { randomUUID } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { Ajv, type Options } from 'ajv';
import formats from 'ajv-formats';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { authenticate } from './auth.ts';
import { answerErrors, errorForLog } from './problem.ts';
import type { ServiceSettings } from './settings.ts';

/** An application whose routes take their types from their schemas. */
export type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;

const STRICT: Options = { allErrors: true, removeAdditional: false, useDefaults: true, coerceTypes: false };

export async function createApp(name: string, settings: ServiceSettings): Promise<App> {
  const app = fastify({
    logger: {
      level: settings.logLevel,
      name,
      serializers: {
        err: errorForLog,
        // Without the query: a name that was searched for is a patient's.
        req: (request) => ({ method: request.method, route: request.routeOptions?.url, id: request.id }),
      },
    },
    genReqId: () => randomUUID(),
    // Whose word for it is taken that a request comes from somewhere else than from them.
    trustProxy: settings.trustedProxies.length === 0 ? false : [...settings.trustedProxies],
    bodyLimit: 1024 * 1024,
    // Requests under way are finished, connections without one are closed at once.
    forceCloseConnections: 'idle',
  }).withTypeProvider<TypeBoxTypeProvider>();
  validateStrictly(app);
  answerErrors(app);
  await authenticate(app, settings.authSecret);
  return app;
}

/** Bodies say what they mean: no number becomes a text, no unknown key is dropped in silence. What stands in a URL is text and must be read. */
function validateStrictly(app: App): void {
  const strict = new Ajv(STRICT);
  const reading = new Ajv({ ...STRICT, coerceTypes: true });
  for (const ajv of [strict, reading]) formats.default(ajv);
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? strict : reading).compile(schema as object));
}
