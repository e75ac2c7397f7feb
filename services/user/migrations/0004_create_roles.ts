import { auditTable, enableRowLevelSecurity } from '@org/migrate-core/pgm';
import type { MigrationBuilder } from 'node-pg-migrate';

export const migrate = { description: 'Roles of a clinic, and who has them' };

const tables = ['roles', 'user_roles'];

export function up(pgm: MigrationBuilder): void {
  pgm.createTable(
    'roles',
    {
      id: { type: 'uuid', primaryKey: true, default: pgm.func('gen_random_uuid()') },
      tenant_id: { type: 'uuid', notNull: true, references: 'healthcare_entities' },
      name: { type: 'varchar(50)', notNull: true, check: "name ~ '^[a-z][a-z0-9_]*$'" },
      description: { type: 'text' },
      permissions: {
        type: 'text[]',
        notNull: true,
        default: pgm.func("'{}'"),
        comment: 'What it allows, e.g. patients:read; checked by the services.',
      },
      created_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
      updated_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
    },
    {
      comment: 'Roles as each clinic defines them.',
      constraints: {
        unique: [
          ['tenant_id', 'id'],
          ['tenant_id', 'name'],
        ],
      },
    },
  );

  // The foreign keys carry the clinic along: a role of one clinic cannot be given to a user of another.
  pgm.createTable(
    'user_roles',
    {
      tenant_id: { type: 'uuid', notNull: true },
      user_id: { type: 'uuid', notNull: true },
      role_id: { type: 'uuid', notNull: true },
      granted_by: { type: 'uuid', comment: 'The user who gave it; no foreign key, so that it outlives them.' },
      granted_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
    },
    {
      comment: 'Which user has which role.',
      constraints: {
        primaryKey: ['tenant_id', 'user_id', 'role_id'],
        foreignKeys: [
          {
            columns: ['tenant_id', 'user_id'],
            references: 'users (tenant_id, id)',
            onDelete: 'CASCADE',
          },
          {
            columns: ['tenant_id', 'role_id'],
            references: 'roles (tenant_id, id)',
            onDelete: 'RESTRICT',
          },
        ],
      },
    },
  );
  pgm.createIndex('user_roles', ['tenant_id', 'role_id']);

  for (const table of tables) {
    enableRowLevelSecurity(pgm, table, { column: 'tenant_id', tenant: { function: 'get_current_tenant_id' } });
    auditTable(pgm, table, { function: 'create_audit_entry', log: 'user_audit_log' });
  }
  pgm.createTrigger('roles', 'roles_set_updated_at', {
    when: 'BEFORE',
    operation: 'UPDATE',
    level: 'ROW',
    function: 'set_updated_at',
  });
  pgm.sql('GRANT SELECT, INSERT, UPDATE, DELETE ON roles TO user_app');
  // A role is given or taken; there is nothing in between to update.
  pgm.sql('GRANT SELECT, INSERT, DELETE ON user_roles TO user_app');
}

export function down(pgm: MigrationBuilder): void {
  pgm.dropTable('user_roles');
  pgm.dropTable('roles');
}
