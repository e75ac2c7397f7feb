/** Errors as their reader may see them: what was wrong with the request, and nothing of SQL, of data or of how this service is built. */

import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** An answer other than success that a route decides on. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly statusCode: number;
  /** Of a 503: when it may be worth asking again. */
  readonly retryAfterSeconds: number;
  constructor(statusCode: number, message: string, retryAfterSeconds: number = 1) {
    super(message);
    this.statusCode = statusCode;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export function notFound(): HttpProblem {
  return new HttpProblem(404, 'there is no such thing here');
}

/** Of a clinic that has no place at this service yet: it is registered, and told that it is nowhere, it would not come back. */
export function notSetUp(retryAfterSeconds: number = 2): HttpProblem {
  return new HttpProblem(503, 'this clinic is not set up here yet; try again', retryAfterSeconds);
}

interface Answer {
  readonly status: number;
  readonly message: string;
}

const CONFLICT: Answer = { status: 409, message: 'it is there already' };
const UNPROCESSABLE: Answer = { status: 422, message: 'a value is not acceptable, or names something that does not exist' };
/** A row of another clinic, or one that would become another's: to this clinic there is no such thing. */
const ABSENT: Answer = { status: 404, message: 'there is no such thing here' };
/** A deletion that something else still points at. */
const STILL_USED: Answer = { status: 409, message: 'something else still belongs to it' };
const UNAVAILABLE: Answer = { status: 503, message: 'the database cannot answer just now; try again' };

/** What a server's SQLSTATE means to the one who asked; `null` where it is this service's own fault. */
export function answerTo(sqlState: string, method: string): Answer | null {
  if (method === 'DELETE' && (sqlState === '23503' || sqlState === '23001')) return STILL_USED;
  if (sqlState === '23505' || sqlState === '23P01') return CONFLICT;
  if (sqlState === '42501') return ABSENT;
  if (sqlState.startsWith('23') || sqlState.startsWith('22') || sqlState === 'P0001') return UNPROCESSABLE;
  if (/^(08|53|57|40|55)/.test(sqlState)) return UNAVAILABLE;
  return null;
}

/** Of a refused value: which field it is about, by the names of the table's own; never the value. The empty text where they do not tell. */
export function fieldOf({ table, column, constraint }: { table?: unknown; column?: unknown; constraint?: unknown }): string {
  if (typeof column === 'string') return column;
  if (typeof table !== 'string' || typeof constraint !== 'string' || !constraint.startsWith(`${table}_`)) return '';
  return /^(.+)_(?:check|fkey|excl|key)$/.exec(constraint.slice(table.length + 1))?.[1] ?? '';
}

const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_)/;

function answerToError(error: unknown, method: string): Answer | null {
  const { code, severity, message } = error as { code?: unknown; severity?: unknown; message?: unknown };
  if (typeof code === 'string' && severity !== undefined) {
    const answer = answerTo(code, method);
    const field = fieldOf(error as object);
    return answer === UNPROCESSABLE && field !== '' ? { status: answer.status, message: `${field}: ${answer.message}` } : answer;
  }
  if (typeof code === 'string' && NETWORK.test(code)) return UNAVAILABLE;
  // The pool's own words, which have no code.
  if (typeof message === 'string' && /^(timeout exceeded when trying to connect|Connection terminated)/.test(message)) return UNAVAILABLE;
  return null;
}

/** Of a value that must be one of a few: which they are. */
function validationMessage({ message, validation }: FastifyError): string {
  const allowed = validation?.[0]?.keyword === 'enum' ? validation[0].params['allowedValues'] : null;
  return Array.isArray(allowed) ? `${message}: ${allowed.join(', ')}` : message;
}

/** Makes every error of the routes a problem (RFC 9457): `{ type, title, status, detail }`. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    if (error.validation !== undefined) return send(reply, 400, validationMessage(error));
    if (error instanceof HttpProblem) return send(reply, error.statusCode, error.message, error.retryAfterSeconds);
    const answer = answerToError(error, request.method);
    if (answer !== null) {
      request.log[answer.status === 503 ? 'error' : 'info']({ err: error }, 'the database refused');
      return send(reply, answer.status, answer.message);
    }
    // Fastify's own (a body that is no JSON, a missing token …) are meant for the reader.
    if (typeof error.statusCode === 'number' && error.statusCode < 500 && error.code?.startsWith('F')) return send(reply, error.statusCode, error.message);
    request.log.error({ err: error }, 'the request failed');
    return send(reply, 500, 'something went wrong here; it is in the log');
  });
  app.setNotFoundHandler((_request, reply) => send(reply, 404, 'there is no such route'));
}

const NAMES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

function send(reply: FastifyReply, status: number, message: string, retryAfterSeconds = 1): FastifyReply {
  if (status === 503) void reply.header('retry-after', String(retryAfterSeconds));
  return reply
    .code(status)
    .type('application/problem+json')
    .send({ type: 'about:blank', title: NAMES[status] ?? 'Error', status, detail: message });
}

/** SQLSTATE classes whose message can quote a value of the request. */
const QUOTES_DATA = /^(22|23|P0)/;

/** An error for the log: PostgreSQL's DETAIL, its context and messages that quote values hold patients' data, and stay out. */
export function errorForLog(error: Error): { type: string; message: string; stack: string; [key: string]: unknown } {
  const { code, severity, constraint, table, column, routine } = error as unknown as Record<string, unknown>;
  if (typeof code === 'string' && severity !== undefined) {
    const message = QUOTES_DATA.test(code) ? `PostgreSQL refused with ${code}` : error.message;
    return { type: 'DatabaseError', message, stack: '', code, constraint, table, column, routine };
  }
  return { type: error.name, message: error.message, stack: error.stack ?? '', ...(typeof code === 'string' ? { code } : {}) };
}
