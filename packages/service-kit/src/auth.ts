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
  /** `patients:read`, `users:write` …; `*` allows everything within the clinic. */
  readonly permissions: readonly string[];
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: Claims;
    user: Claims;
  }
}

const ISSUER = 'user';
const LIFETIME = '1h';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

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
    await request.jwtVerify().catch(() => {
      throw new HttpProblem(401, 'a valid bearer token is needed');
    });
    const { sub, tenant, permissions } = request.user;
    // Signed by us, but perhaps by another version of us: what is not a clinic's id would reach the database as a setting.
    if (!UUID.test(tenant) || !UUID.test(sub) || !Array.isArray(permissions)) throw new HttpProblem(401, 'the token is not one of this version: sign in again');
    if (permission !== null && !permissions.includes(permission) && !permissions.includes('*'))
      throw new HttpProblem(403, `this needs the permission ${permission}`);
  };
}

/** For whom this request's transaction runs. Only behind `allow`. */
export function actorOf(request: FastifyRequest): Actor {
  return { tenant: request.user.tenant, user: request.user.sub };
}
