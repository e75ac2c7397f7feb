/** Signing in: an address and a password for a token. */

import { allow, HttpProblem, type App, type Database } from '@org/service-kit';
import { Type } from 'typebox';
import { clinicBySubdomain } from './lookup.ts';
import { verifyNothing, verifyPassword } from './password.ts';
import { clinicId, email } from './schemas.ts';

const MOST_FAILURES = 5;
const LOCKED_FOR = '15 minutes';

const body = Type.Object(
  {
    /** Either of the two says which clinic. */
    clinic: Type.Optional(clinicId),
    subdomain: Type.Optional(Type.String({ maxLength: 63 })),
    email,
    password: Type.String({ maxLength: 200 }),
  },
  { additionalProperties: false },
);

interface Account {
  readonly id: string;
  readonly password_hash: string;
  readonly locked: boolean;
  readonly permissions: readonly string[];
}

const ACCOUNT = `
  SELECT u.id, u.password_hash, coalesce(u.locked_until > now(), false) AS locked,
         coalesce((SELECT array_agg(DISTINCT p) FROM user_roles ur JOIN roles r ON r.id = ur.role_id, unnest(r.permissions) p
                    WHERE ur.user_id = u.id), '{}') AS permissions
    FROM users u JOIN healthcare_entities h ON h.id = u.tenant_id
   WHERE lower(u.email) = lower($1) AND u.is_active AND h.is_active`;

const SUCCEEDED = 'UPDATE users SET last_login_at = now(), failed_logins = 0, locked_until = NULL WHERE id = $1';
const FAILED = `
  UPDATE users SET failed_logins = CASE WHEN failed_logins + 1 >= $2 THEN 0 ELSE failed_logins + 1 END,
                   locked_until = CASE WHEN failed_logins + 1 >= $2 THEN now() + $3::interval ELSE locked_until END
   WHERE id = $1`;

export function signInRoutes(app: App, database: Database): void {
  app.post('/sign-in', { schema: { body } }, async (request) => {
    const { clinic, subdomain, email: address, password } = request.body;
    const tenant = clinic?.toLowerCase() ?? (subdomain === undefined ? null : await clinicBySubdomain(database, subdomain));
    const account =
      tenant === null ? null : await database.asTenant({ tenant, user: null }, async (db) => (await db.query<Account>(ACCOUNT, [address])).rows[0] ?? null);
    // Not in a transaction: a hash takes its time, and connections are few.
    const right = account === null || account.locked ? await verifyNothing(password) : await verifyPassword(password, account.password_hash);
    if (tenant !== null && account !== null && !account.locked) {
      await database.asTenant({ tenant, user: account.id }, (db) =>
        right ? db.query(SUCCEEDED, [account.id]) : db.query(FAILED, [account.id, MOST_FAILURES, LOCKED_FOR]),
      );
    }
    // One answer for every reason: it must not tell which clinics and addresses there are, nor that one is locked.
    if (tenant === null || account === null || !right)
      throw new HttpProblem(401, 'clinic, email or password is not right, or the account is locked for a while');
    return { token: app.jwt.sign({ sub: account.id, tenant, permissions: account.permissions }), clinic: tenant, user: account.id };
  });

  app.get('/me', { onRequest: allow(null) }, (request) => ({ user: request.user.sub, clinic: request.user.tenant, permissions: request.user.permissions }));
}
