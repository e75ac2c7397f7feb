/** Who asks: a bearer token that the user service signed. The tenant of a request comes from here and from nowhere else. */

import jwt from '@fastify/jwt';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from './database.ts';
import { HttpProblem } from './problem.ts';

/** What a token says. */
export interface Claims {
  /** The user's id. */
  readonly sub: string;
  /** The clinic's id. */
  readonly tenant: string;
  /** `patients:read`, `users:write` …; `*` allows everything that a user of the clinic may do. */
  readonly permissions: readonly string[];
  /** The service that asks, in the tokens of services; users have none. */
  readonly service?: string;
  /** The service that is asked, in the tokens of services: no other one takes them. */
  readonly aud?: string;
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: Claims;
    user: Claims;
  }
}

const ISSUER = 'user';
const LIFETIME = '1h';
/** A service makes one for each request. */
const SERVICE_LIFETIME = '1m';
/** A tenant's id as tokens have it: in capitals it would be another one. */
export const UUID: RegExp = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A pattern takes a list of one id for that id. */
function isUuid(claim: unknown): boolean {
  return typeof claim === 'string' && UUID.test(claim);
}

/** Registers the verification of tokens. Routes ask for it with `allow`. */
export async function authenticate(app: FastifyInstance, secret: string): Promise<void> {
  await app.register(jwt, {
    secret,
    sign: { algorithm: 'HS256', expiresIn: LIFETIME, iss: ISSUER },
    // Only the one algorithm: a token must not choose how it is checked.
    verify: { algorithms: ['HS256'], allowedIss: ISSUER, requiredClaims: ['exp', 'iss', 'sub', 'tenant'] },
  });
}

/**
 * A route's `onRequest`: refuses with 401 without a valid token, with 403 without the permission. Before the body is read.
 *
 * @param permission `null`: whoever is signed in.
 */
export function allow(permission: string | null): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  return async (request) => {
    const { sub, tenant, permissions, service } = await verified(request);
    if (service !== undefined) throw new HttpProblem(403, 'this is for users, and the token is a service’s');
    // Signed by us, but perhaps by another version of us: what is not a clinic's id would reach the database as a setting.
    if (!isUuid(tenant) || !isUuid(sub) || !Array.isArray(permissions)) throw new HttpProblem(401, 'the token is not one of this version: sign in again');
    if (permission !== null && !permissions.includes(permission) && !permissions.includes('*'))
      throw new HttpProblem(403, `this needs the permission ${permission}`);
  };
}

/**
 * A route's `onRequest`, for what one service does for another: refuses with 401 without a valid token, with 403 without a service's token that is
 * meant for `audience`, for this very permission and for the tenant of the path (`:id`). No role of a user can give that, not even `*`.
 */
export function allowService(permission: string, audience: string): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  return async (request) => {
    const { tenant, permissions, service, aud } = await verified(request);
    const { id } = request.params as { id?: string };
    const allowed = typeof service === 'string' && aud === audience && Array.isArray(permissions) && permissions.includes(permission);
    if (!allowed || !isUuid(tenant) || tenant !== id)
      throw new HttpProblem(403, `only a service may do this, with the permission ${permission} for this very clinic`);
  };
}

/** What a service shows to another one: good for one permission on one clinic, and for a minute. */
export function serviceToken(app: FastifyInstance, { from, to, tenant, permission }: { from: string; to: string; tenant: string; permission: string }): string {
  return app.jwt.sign({ sub: from, service: from, aud: to, tenant, permissions: [permission] }, { expiresIn: SERVICE_LIFETIME });
}

async function verified(request: FastifyRequest): Promise<Claims> {
  return await request.jwtVerify<Claims>().catch(() => {
    throw new HttpProblem(401, 'a valid bearer token is needed');
  });
}

/** For whom this request's transaction runs. Only behind `allow`. */
export function actorOf(request: FastifyRequest): Actor {
  return { tenant: request.user.tenant, user: request.user.sub };
}
