import type { MigrationBuilder } from 'node-pg-migrate';

export const migrate = { description: 'When a user last signed in, and whether sign-in is locked' };

export function up(pgm: MigrationBuilder): void {
  pgm.addColumns('users', {
    email_verified_at: { type: 'timestamptz', comment: 'NULL until the address was proven.' },
    last_login_at: { type: 'timestamptz' },
    failed_logins: {
      type: 'smallint',
      notNull: true,
      default: 0,
      comment: 'In a row, since the last success.',
    },
    locked_until: { type: 'timestamptz', comment: 'Sign-in is refused until then; NULL or past: it is not locked.' },
  });
  pgm.addConstraint('users', 'users_failed_logins_check', { check: 'failed_logins >= 0' });
  pgm.createIndex('users', ['tenant_id', 'locked_until'], {
    name: 'users_locked_idx',
    where: 'locked_until IS NOT NULL',
  });
}

export function down(pgm: MigrationBuilder): void {
  // The columns take the constraint and the index along.
  pgm.dropColumns('users', ['email_verified_at', 'last_login_at', 'failed_logins', 'locked_until']);
}
