/** One-time tokens that prove an address or allow a new password. */

import { createHash, randomBytes } from 'node:crypto';
import { actorOf, allow, byId, HttpProblem, insertRow, notFound, type App, type Database } from '@org/service-kit';
import { Type } from 'typebox';
import { hashPassword } from './password.ts';
import { password, strict } from './schemas.ts';

const LIFETIME = '24 hours';

const request_ = Type.Object({ purpose: Type.String({ maxLength: 30 }) }, strict);
const confirmation = Type.Object(
  { clinic: Type.String({ format: 'uuid' }), token: Type.String({ minLength: 43, maxLength: 43 }), password: Type.Optional(password) },
  strict,
);
/** What a used token changes besides itself. */
const NEEDS_PASSWORD = ['password_reset', 'invitation'];
const PROVES_ADDRESS = ['email_verification', 'password_reset', 'invitation'];

export function verificationRoutes(app: App, database: Database): void {
  // The token is answered once and kept as a hash: whoever asked sends it on, by mail or in a message.
  app.post('/users/:id/verifications', { onRequest: allow('users:write'), schema: { params: byId, body: request_ } }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const actor = actorOf(request);
    const token = randomBytes(32).toString('base64url');
    const row = await database.asTenant(actor, async (db) => {
      const { rows } = await db.query<{ expires_at: Date }>(`SELECT now() + $2::interval AS expires_at FROM users WHERE id = $1`, [id, LIFETIME]);
      if (rows[0] === undefined) throw notFound();
      const values = { user_id: id, purpose: request.body.purpose, token_hash: hashOf(token), expires_at: rows[0].expires_at };
      return await insertRow(db, 'user_verifications', actor, values, ['id', 'purpose', 'expires_at']);
    });
    return reply.code(201).send({ ...row, token });
  });

  // Open: the token is the credential, and the clinic says only where to look.
  app.post('/verifications', { schema: { body: confirmation } }, async (request) => {
    const { clinic, token, password: secret } = request.body;
    const passwordHash = secret === undefined ? null : await hashPassword(secret);
    return await database.asTenant({ tenant: clinic, user: null }, async (db) => {
      const { rows } = await db.query<{ user_id: string; purpose: string }>(
        'UPDATE user_verifications SET used_at = now() WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now() RETURNING user_id, purpose',
        [hashOf(token)],
      );
      const used = rows[0];
      if (used === undefined) throw new HttpProblem(404, 'this token is not known, was used already or has expired');
      // Thrown inside the transaction: the token stays good for the next try.
      if (NEEDS_PASSWORD.includes(used.purpose) !== (passwordHash !== null)) {
        throw new HttpProblem(422, passwordHash === null ? 'this token asks for a new password' : 'this token changes no password');
      }
      if (passwordHash !== null)
        await db.query('UPDATE users SET password_hash = $2, failed_logins = 0, locked_until = NULL WHERE id = $1', [used.user_id, passwordHash]);
      if (PROVES_ADDRESS.includes(used.purpose))
        await db.query('UPDATE users SET email_verified_at = coalesce(email_verified_at, now()) WHERE id = $1', [used.user_id]);
      return { user: used.user_id, purpose: used.purpose };
    });
  });
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
